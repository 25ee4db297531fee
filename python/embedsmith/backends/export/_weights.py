"""Reads the weights of a model folder from its safetensors files, one tensor at a time."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith.backends._safetensors import tensor_table
from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from embedsmith._typing import F32Array

__all__ = ["Weights"]

_LENGTH_BYTES = 8
_NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
# Older files call scale and shift of a normalisation so.
_OLD_NAMES = ((".weight", ".gamma"), (".bias", ".beta"))


class Weights:
    """The tensors of some safetensors files by name, each read when it is asked for.

    Parameters
    ----------
    files : iterable of Path
        Files that `tensor_table` accepts.

    Raises
    ------
    ModelError
        If a header contradicts itself or its file.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self._places: dict[str, tuple[Path, int, str, tuple[int, ...]]] = {}
        self._prefix = ""
        self._files = sorted(files)
        for file in self._files:
            self._places.update(_places(file))

    def under(self, prefixes: tuple[str, ...], landmark: str) -> Weights:
        """Return the same tensors under the first prefix that has the landmark.

        Raises
        ------
        ModelError
            If none has it.
        """
        for prefix in prefixes:
            if prefix + landmark in self._places:
                found = Weights(())
                found._places, found._files = self._places, self._files
                found._prefix = prefix
                return found
        raise self._missing(landmark)

    def has(self, name: str) -> bool:
        """Whether there is such a tensor."""
        return self._find(name) is not None

    def read(self, name: str, shape: tuple[int | None, ...]) -> F32Array:
        """Return a tensor as float32; None in ``shape`` stands for any length.

        Raises
        ------
        ModelError
            If it is missing, of another shape, not of floats, or holds NaN or infinity.
        """
        place = self._find(name)
        if place is None:
            raise self._missing(name)
        file, start, dtype, actual = place
        expected = "x".join("?" if n is None else str(n) for n in shape)
        if len(actual) != len(shape) or any(
            want not in (None, have) for want, have in zip(shape, actual, strict=True)
        ):
            msg = (
                f"{file}: {self._prefix}{name} is {'x'.join(map(str, actual))}, config.json "
                f"promises {expected}. The two are of different models: take the folder from its "
                "source again."
            )
            raise ModelError(msg)
        if dtype not in _NUMPY:
            msg = (
                f"{file}: {self._prefix}{name} is of dtype {dtype}; weights of "
                f"{', '.join(_NUMPY)} can be exported. Use the model with st:{file.parent}."
            )
            raise ModelError(msg)
        raw = np.fromfile(file, dtype=_NUMPY[dtype], count=math.prod(actual), offset=start)
        values = _widened(raw, dtype).reshape(actual)
        if not np.isfinite(values).all():
            msg = (
                f"{file}: {self._prefix}{name} holds NaN or infinity. The file is damaged: take "
                "the model from its source again."
            )
            raise ModelError(msg)
        return values

    def _find(self, name: str) -> tuple[Path, int, str, tuple[int, ...]] | None:
        place = self._places.get(self._prefix + name)
        for new, old in _OLD_NAMES:
            if place is None and name.endswith(new):
                place = self._places.get(self._prefix + name.removesuffix(new) + old)
        return place

    def _missing(self, name: str) -> ModelError:
        where = str(self._files[0].parent) if self._files else "the model"
        msg = (
            f"{where} lacks the weight {self._prefix}{name} that its config.json asks for. "
            "Copy or download the whole model folder."
        )
        return ModelError(msg)


def _places(file: Path) -> dict[str, tuple[Path, int, str, tuple[int, ...]]]:
    """Return where each tensor starts, after checking that its bytes are its own and enough."""
    table = tensor_table(file)
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        header: dict[str, Any] = json.loads(stream.read(length))
    found = {}
    end_before, name_before = 0, ""
    for name in sorted(table, key=lambda each: _offsets(header[each], each, file)):
        start, end = _offsets(header[name], name, file)
        shape, dtype = table[name].shape, table[name].dtype
        if not all(type(n) is int and n >= 0 for n in shape):
            raise _hostile(file, f"{name!r:.80} has the shape {shape!r:.80}")
        if start < end_before:
            raise _hostile(file, f"{name!r:.80} lies on {name_before!r:.80}")
        if dtype in _NUMPY and end - start != math.prod(shape) * np.dtype(_NUMPY[dtype]).itemsize:
            raise _hostile(file, f"{name!r:.80} has {end - start} bytes for the shape {shape}")
        found[name] = (file, _LENGTH_BYTES + length + start, dtype, shape)
        end_before, name_before = end, name
    return found


def _offsets(entry: Any, name: str, file: Path) -> tuple[int, int]:
    offsets = entry["data_offsets"]
    if (
        not isinstance(offsets, list)
        or len(offsets) != 2  # noqa: PLR2004 - start and end
        or not all(type(n) is int for n in offsets)
        or not 0 <= offsets[0] <= offsets[1]
    ):
        raise _hostile(file, f"{name!r:.80} has the offsets {offsets!r:.80}")
    return offsets[0], offsets[1]


def _hostile(file: Path, reason: str) -> ModelError:
    msg = f"{file} is no valid safetensors file: {reason}. Take it from its source again."
    return ModelError(msg)


def _widened(raw: Any, dtype: str) -> F32Array:
    if dtype == "BF16":
        # A bfloat16 is the upper half of a float32.
        return np.asarray((raw.astype(np.uint32) << 16).view(np.float32))
    return np.asarray(raw, dtype=np.float32)
