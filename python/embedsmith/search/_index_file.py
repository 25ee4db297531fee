r"""The index's file: a header, then sections on page boundaries, so that they can be mapped.

::

    offset 0    magic, 8 bytes: b"ESINDEX\\n"
    offset 8    version, uint32 little-endian; length of the header, uint32 little-endian
    offset 16   SHA-256 of the header, 32 bytes
    offset 48   header, JSON in UTF-8: metric, rows, dim, dtype ("float32", "float16", "bfloat16"),
                rotated, the embedding space's fingerprint or null, and per section its offset,
                length in bytes and SHA-256
    then        sections, little-endian, each starting on a multiple of 4,096: "vectors" (of dtype),
                "norms" (float64) and, unless rows are wider than 65,536, "codes" (int8, rows padded
                to multiples of 64), "facts" (float32, 5 a row), "sums" (int32), "centre" (float32)
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np

from embedsmith._core import PLANE_FACTS, code_stride
from embedsmith._files import atomic_writer
from embedsmith._typing import Metric
from embedsmith.exceptions import DataError, ShapeError
from embedsmith.search._content import MAX_CODED_DIM, IndexContent, Plane

if TYPE_CHECKING:
    import os

__all__ = ["read_index", "write_index"]

_MAGIC = b"ESINDEX\n"
_VERSION = 2
_FIXED = struct.Struct("<8sII32s")
_PAGE = 4096
_DTYPES: dict[str, np.dtype[Any]] = {
    "norms": np.dtype("<f8"),
    "codes": np.dtype("<i1"),
    "facts": np.dtype("<f4"),
    "sums": np.dtype("<i4"),
    "centre": np.dtype("<f4"),
}
_HALVES = {"float32": None, "float16": "float16", "bfloat16": "bfloat16"}
# What is a quarter of the file or more is hashed only when asked: the rest takes milliseconds.
_LARGE = frozenset({"vectors", "codes"})
_LONGEST_HEADER = 1 << 20


def write_index(path: str | os.PathLike[str], content: IndexContent) -> None:
    """Write one index file, whole or not at all."""
    rows, dim = content.vectors.shape
    data = {
        name: np.ascontiguousarray(array, dtype=_dtype(name, content.half))
        for name, array in _arrays(content).items()
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
    header = json.dumps(
        {
            "dim": dim,
            "dtype": content.half or "float32",
            "fingerprint": content.fingerprint,
            "metric": content.metric,
            "rotated": content.plane is not None and content.plane.rotated,
            "rows": rows,
            "sections": sections,
        },
        sort_keys=True,
    ).encode()
    if _FIXED.size + len(header) > _PAGE:
        msg = (
            f"The index's fingerprint has {len(content.fingerprint or '')} characters; its file "
            "has room for some 2,500. Pass a digest, such as encoder.fingerprint.digest."
        )
        raise ShapeError(msg)
    with atomic_writer(path) as file:
        file.write(_FIXED.pack(_MAGIC, _VERSION, len(header), hashlib.sha256(header).digest()))
        file.write(header)
        for name, array in data.items():
            file.seek(sections[name]["offset"])
            file.write(_bytes(array))
        file.truncate(offset)


def _arrays(content: IndexContent) -> dict[str, np.ndarray[Any, Any]]:
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "vectors": content.vectors,
        "norms": content.norms,
    }
    if content.plane is not None:
        rows = content.vectors.shape[0]
        arrays["codes"] = content.plane.codes
        arrays["facts"] = content.plane.facts[:, :rows]
        arrays["sums"] = content.plane.sums
        arrays["centre"] = content.plane.centre
    return arrays


def _dtype(name: str, half: str | None) -> np.dtype[Any]:
    return _DTYPES.get(name) or np.dtype("<f4" if half is None else "<u2")


def read_index(path: str | os.PathLike[str], *, verify: bool) -> IndexContent:
    """Map an index file, after checking that it is whole."""
    path = Path(path)
    header = _read_header(path)
    try:
        rows, dim = int(header["rows"]), int(header["dim"])
        metric, fingerprint = header["metric"], header["fingerprint"]
        half, rotated = _HALVES[header["dtype"]], header["rotated"]
        sections = {
            name: (int(entry["offset"]), int(entry["bytes"]), str(entry["sha256"]))
            for name, entry in header["sections"].items()
        }

        def section(name: str, *shape: int) -> np.ndarray[Any, Any]:
            dtype = _dtype(name, half)
            checked = verify or name not in _LARGE
            return _map(path, name, dtype, shape, sections[name], verify=checked)

        vectors, norms = section("vectors", rows, dim), section("norms", rows)
        plane = None
        if dim <= MAX_CODED_DIM:
            plane = Plane(
                codes=section("codes", rows, code_stride(dim)),
                facts=section("facts", PLANE_FACTS, rows),
                sums=section("sums", rows),
                centre=section("centre", dim),
                rotated=bool(rotated),
            )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"its header cannot be read ({error!r})") from error
    if metric not in get_args(Metric) or not (fingerprint is None or isinstance(fingerprint, str)):
        raise _damaged(path, "its header names no known metric, or no fingerprint")
    if not (np.isfinite(norms) & (norms >= 0)).all():
        raise _damaged(path, "its norms are no norms")
    return IndexContent(vectors, half, norms, plane, cast("Metric", metric), fingerprint)


def _map(
    path: Path,
    name: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    section: tuple[int, int, str],
    *,
    verify: bool,
) -> np.ndarray[Any, Any]:
    offset, length, digest = section
    if min(shape) < 0 or length != math.prod(shape) * dtype.itemsize or shape[0] < 1:
        raise _damaged(path, f"section {name!r} does not have the header's shape")
    if offset < _FIXED.size or offset + length > path.stat().st_size:
        raise _damaged(path, "it is shorter than its header says: it was cut off")
    if length == 0:
        return np.empty(shape, dtype=dtype)
    array = np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)
    if verify and hashlib.sha256(_bytes(array)).hexdigest() != digest:
        raise _damaged(path, f"section {name!r} does not have its SHA-256")
    return np.asarray(array)


def _read_header(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            fixed = file.read(_FIXED.size)
            if len(fixed) < _FIXED.size or not fixed.startswith(_MAGIC):
                msg = f"{path} is no embedsmith index. Pass a file that Index.save wrote."
                raise DataError(msg)
            _, version, length, digest = _FIXED.unpack(fixed)
            if version != _VERSION:
                fix = "Install a newer release" if version > _VERSION else "Build the index again"
                msg = (
                    f"{path} is an index of version {version}; this embedsmith reads version "
                    f"{_VERSION}. {fix}."
                )
                raise DataError(msg)
            header = file.read(length) if length <= _LONGEST_HEADER else b""
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}. Check the path."
        raise DataError(msg) from error
    if hashlib.sha256(header).digest() != digest:
        raise _damaged(path, "its header does not have its SHA-256")
    try:
        parsed = json.loads(header)
    except ValueError as error:
        raise _damaged(path, "its header is no JSON") from error
    if not isinstance(parsed, dict):
        raise _damaged(path, "its header is no JSON object")
    return parsed


def _bytes(array: np.ndarray[Any, Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(f"{path} is damaged: {reason}. Build the index again from its vectors.")
