"""One shard of an embedding folder: a safetensors file whose tensors can be mapped.

The format is that of https://github.com/huggingface/safetensors, so other programs read it too:
eight bytes with the header's length, a header in JSON, then the tensors. Here the header is filled
with blanks up to a multiple of 64 bytes, and tensors of large items come first, so that each lies
as a map of it wants to.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from embedsmith._files import atomic_writer
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["SHARD_ENDING", "ShardFile", "ShardHash", "TensorPlace", "read_shard", "write_shard"]

SHARD_ENDING = ".safetensors"
_LENGTH_BYTES = 8
_ALIGNMENT = 64
_LONGEST_HEADER = 1 << 20
_METADATA = "__metadata__"
_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I8": np.dtype("<i1"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("<u1"),
    "BOOL": np.dtype("?"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


class TensorPlace(NamedTuple):
    """Where a tensor lies in its file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int


class ShardHash(NamedTuple):
    """What identifies a file's content."""

    sha256: str
    n_bytes: int


class ShardFile(NamedTuple):
    """A shard whose header was read; its tensors were not."""

    path: Path
    metadata: dict[str, str]
    tensors: dict[str, TensorPlace]

    def map(self, name: str) -> np.ndarray[Any, Any]:
        """Return a tensor, mapped and read-only."""
        dtype, shape, offset = self.tensors[name]
        if not math.prod(shape):
            return np.empty(shape, dtype)
        return np.memmap(self.path, dtype=dtype, mode="r", offset=offset, shape=shape)


def write_shard(
    path: Path, tensors: Mapping[str, np.ndarray[Any, Any]], metadata: Mapping[str, str]
) -> ShardHash:
    """Write a shard, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    tensors : mapping of str to ndarray
        Of numbers or booleans.
    metadata : mapping of str to str
        Kept in the header.

    Returns
    -------
    ShardHash
        Of the file.

    Raises
    ------
    OutputError
        If the place cannot be written or the disk is full.
    """
    largest_first = sorted(tensors.items(), key=lambda item: -item[1].dtype.itemsize)
    arrays = {name: np.ascontiguousarray(array) for name, array in largest_first}
    header: dict[str, Any] = {_METADATA: dict(metadata)}
    end = 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": _NAMES[array.dtype.newbyteorder("<")],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(_LENGTH_BYTES + len(text)) % _ALIGNMENT)
    digest = hashlib.sha256()
    with atomic_writer(path) as file:
        for part in (len(text).to_bytes(_LENGTH_BYTES, "little"), text):
            digest.update(part)
            file.write(part)
        for array in arrays.values():
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            view = little.reshape(-1).view(np.uint8).data
            digest.update(view)
            file.write(view)
    return ShardHash(digest.hexdigest(), _LENGTH_BYTES + len(text) + end)


def read_shard(path: Path) -> ShardFile:
    """Read the header of a shard, and check that the file is as long as it says.

    Raises
    ------
    DataError
        If the file cannot be read, is cut off, or is no safetensors file of numbers.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if not 0 < length <= min(_LONGEST_HEADER, size - _LENGTH_BYTES):
                raise _broken(path, f"its {size} bytes do not start with a header")
            text = file.read(length)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}. Check the folder."
        raise DataError(msg) from error
    start = _LENGTH_BYTES + length
    try:
        header = json.loads(text)
        metadata = {str(name): str(value) for name, value in header.pop(_METADATA, {}).items()}
        tensors: dict[str, TensorPlace] = {}
        end = 0
        for name, entry in header.items():
            dtype = _DTYPES[entry["dtype"]]
            shape = tuple(map(int, entry["shape"]))
            begin, after = map(int, entry["data_offsets"])
            if min((*shape, begin)) < 0 or after - begin != math.prod(shape) * dtype.itemsize:
                raise ValueError(name)  # noqa: TRY301 - said below, as one of many faults
            tensors[name] = TensorPlace(dtype, shape, start + begin)
            end = max(end, after)
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise _broken(path, "its header is no table of tensors of numbers") from error
    if size != start + end:
        raise _broken(path, f"it has {size} bytes, and its header promises {start + end}")
    return ShardFile(path, metadata, tensors)


def _broken(path: Path, reason: str) -> DataError:
    msg = (
        f"{path} is no whole safetensors file: {reason}. Remove it and write it again; "
        "embedsmith embed does so for the files of its folder."
    )
    return DataError(msg)
