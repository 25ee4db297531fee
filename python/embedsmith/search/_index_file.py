r"""The index's file: a header, then sections on page boundaries, so that they can be mapped.

::

    offset 0    magic, 8 bytes: b"ESINDEX\\n"
    offset 8    version, uint32 little-endian; length of the header, uint32 little-endian
    offset 16   SHA-256 of the header, 32 bytes
    offset 48   header, JSON in UTF-8: metric, rows, dim, and per section its offset,
                length in bytes and SHA-256
    then        sections "vectors" (float32) and "norms" (float64), little-endian,
                each starting on a multiple of 4,096
"""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from embedsmith._files import atomic_writer
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    import os

    from embedsmith._typing import F32Array, F64Array, Metric

__all__ = ["read_index", "write_index"]

_MAGIC = b"ESINDEX\n"
_VERSION = 1
_FIXED = struct.Struct("<8sII32s")
_PAGE = 4096
_DTYPES: dict[str, np.dtype[Any]] = {"vectors": np.dtype("<f4"), "norms": np.dtype("<f8")}
_LONGEST_HEADER = 1 << 20


def write_index(
    path: str | os.PathLike[str], vectors: F32Array, norms: F64Array, metric: Metric
) -> None:
    """Write one index file, whole or not at all."""
    arrays: dict[str, np.ndarray[Any, Any]] = {"vectors": vectors, "norms": norms}
    data = {
        name: np.ascontiguousarray(arrays[name], dtype=dtype) for name, dtype in _DTYPES.items()
    }
    sections: dict[str, dict[str, Any]] = {}
    offset = _PAGE
    for name, array in data.items():
        sections[name] = {
            "offset": offset,
            "bytes": array.nbytes,
            "sha256": hashlib.sha256(_bytes(array)).hexdigest(),
        }
        offset += -(-array.nbytes // _PAGE) * _PAGE
    rows, dim = vectors.shape
    header = json.dumps(
        {"dim": dim, "metric": metric, "rows": rows, "sections": sections}, sort_keys=True
    ).encode()
    with atomic_writer(path) as file:
        file.write(_FIXED.pack(_MAGIC, _VERSION, len(header), hashlib.sha256(header).digest()))
        file.write(header)
        for name, array in data.items():
            file.seek(sections[name]["offset"])
            file.write(_bytes(array))
        file.truncate(offset)


def read_index(path: str | os.PathLike[str], *, verify: bool) -> tuple[F32Array, F64Array, Metric]:
    """Map an index file, after checking that it is whole."""
    path = Path(path)
    header = _read_header(path)
    try:
        rows, dim, metric = int(header["rows"]), int(header["dim"]), str(header["metric"])
        sections = {
            name: (int(entry["offset"]), int(entry["bytes"]), str(entry["sha256"]))
            for name, entry in header["sections"].items()
        }
        shapes: dict[str, tuple[int, ...]] = {"vectors": (rows, dim), "norms": (rows,)}
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        for name, dtype in _DTYPES.items():
            offset, length, digest = sections[name]
            shape = shapes[name]
            if length != int(np.prod(shape, dtype=object)) * dtype.itemsize or rows < 1 or dim < 0:
                raise _damaged(path, f"section {name!r} does not have the header's shape")
            if offset < _FIXED.size or offset + length > path.stat().st_size:
                raise _damaged(path, "it is shorter than its header says: it was cut off")
            if length == 0:
                arrays[name] = np.empty(shape, dtype=dtype)
                continue
            array = np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)
            if verify or name == "norms":
                found = hashlib.sha256(_bytes(array)).hexdigest()
                if found != digest:
                    raise _damaged(path, f"section {name!r} does not have its SHA-256")
            arrays[name] = np.asarray(array)
    except (KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, f"its header lacks {error}") from error
    if metric not in ("cosine", "dot", "l2"):
        raise _damaged(path, f"its metric {metric!r} is unknown")
    return arrays["vectors"], arrays["norms"], cast("Metric", metric)


def _read_header(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            fixed = file.read(_FIXED.size)
            if len(fixed) < _FIXED.size or not fixed.startswith(_MAGIC):
                msg = f"{path} is no embedsmith index. Pass a file that Index.save wrote."
                raise DataError(msg)
            _, version, length, digest = _FIXED.unpack(fixed)
            if version != _VERSION:
                msg = (
                    f"{path} is an index of version {version}; this embedsmith reads version "
                    f"{_VERSION}. Install the release that wrote it, or build the index again."
                )
                raise DataError(msg)
            header = file.read(length) if length <= _LONGEST_HEADER else b""
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}. Check the path."
        raise DataError(msg) from error
    if hashlib.sha256(header).digest() != digest:
        raise _damaged(path, "its header does not have its SHA-256")
    parsed = json.loads(header)
    if not isinstance(parsed, dict):
        raise _damaged(path, "its header is no JSON object")
    return parsed


def _bytes(array: np.ndarray[Any, Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(f"{path} is damaged: {reason}. Build the index again from its vectors.")
