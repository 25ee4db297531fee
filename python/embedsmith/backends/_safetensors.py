"""Checks a safetensors file by its header, in microseconds and without loading a tensor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TensorEntry", "tensor_table"]

_LENGTH_BYTES = 8
# The format's own limit for the header.
_MAX_HEADER_BYTES = 100_000_000
_LFS_POINTER = b"version https://git-lfs"


class TensorEntry(NamedTuple):
    """What the header says of one tensor."""

    dtype: str
    shape: tuple[int, ...]


def tensor_table(path: Path) -> dict[str, TensorEntry]:
    """Return the tensors of a file by name, after checking that the file is complete.

    Does not read the tensors, so a flipped bit in them is not seen.

    Raises
    ------
    ModelError
        If the file is a Git LFS pointer, is cut off, or is no safetensors file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(len(_LFS_POINTER))
        if start == _LFS_POINTER:
            msg = (
                f"{path} is a Git LFS pointer, not the weights. "
                f"Fetch them: git -C {path.parent} lfs pull"
            )
            raise ModelError(msg)
        length = int.from_bytes(start[:_LENGTH_BYTES], "little")
        if size < _LENGTH_BYTES or not 0 < length <= min(_MAX_HEADER_BYTES, size - _LENGTH_BYTES):
            raise _broken(path, f"its {size} bytes do not start with a header")
        file.seek(_LENGTH_BYTES)
        try:
            header: Any = json.loads(file.read(length))
            header.pop("__metadata__", None)
            end = max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
            table = {
                name: TensorEntry(str(tensor["dtype"]), tuple(tensor["shape"]))
                for name, tensor in header.items()
            }
        except (ValueError, AttributeError, KeyError, IndexError, TypeError) as error:
            raise _broken(path, "its header is not a table of tensors") from error
    expected = _LENGTH_BYTES + length + end
    if size != expected:
        raise _broken(path, f"it has {size} bytes, its header promises {expected}")
    return table


def _broken(path: Path, reason: str) -> ModelError:
    msg = f"{path} is not a complete safetensors file: {reason}. Copy or download it again."
    return ModelError(msg)
