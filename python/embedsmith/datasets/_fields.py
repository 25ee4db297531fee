"""What the lines of a JSONL file hold beside ids and texts."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import re
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from embedsmith._deps import require
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["jsonl_lines", "read_fields"]

# What the reader of ids and texts takes; a title of a query is not used, and so no field.
_TAKEN = frozenset({"_id", "text", "title"})
# BEIR's own place for further fields.
_NESTED = "metadata"
# Each key of an object stands before this, so that a line with fewer of them has no further keys.
_KEY = re.compile(rb'"\s*:')
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


def read_fields(path: Path, n_lines: int) -> dict[str, tuple[Any, ...]]:
    """Return the further fields of a JSONL file that was read without an error before.

    A field stands beside ``_id`` and ``text``, or in the object ``metadata``.

    Parameters
    ----------
    path : Path
        Plain, gzip or zstd, told by the content.
    n_lines : int
        Entries that it has.

    Returns
    -------
    dict of str to tuple
        Per field one value for each line that is not blank, in order; None where it is absent.

    Raises
    ------
    DataError
        If a field stands in both places with different values, or the file has changed.
    """
    columns: dict[str, list[Any]] = {}
    count = 0
    for line in jsonl_lines(path):
        if not line.strip():
            continue
        if len(_KEY.findall(line)) > 2:  # noqa: PLR2004 - an id and a text
            for field, value in _fields(line, path).items():
                columns.setdefault(field, [None] * n_lines)[count : count + 1] = [value]
        count += 1
    if count != n_lines or any(len(column) != n_lines for column in columns.values()):
        msg = f"{path} changed while it was read ({count} lines, {n_lines} before). Read it again."
        raise DataError(msg)
    return {field: tuple(column) for field, column in columns.items()}


def jsonl_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, plain, gzip or zstd, without a byte order mark."""
    with _unpacked(path) as file:
        for number, line in enumerate(file):
            yield line if number else line.removeprefix(codecs.BOM_UTF8)


def _unpacked(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        start = file.read(len(_ZSTD))
    if start == _ZSTD:
        arrow = require("pyarrow", extra="data", feature="Reading the fields of a zstd file")
        return io.BufferedReader(arrow.CompressedInputStream(str(path), "zstd"))
    return cast("BinaryIO", gzip.open(path)) if start.startswith(_GZIP) else path.open("rb")


def _fields(line: bytes, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except RecursionError as error:
        msg = f"{path}: {line[:60]!r}... nests lists or objects too deeply. Flatten its fields."
        raise DataError(msg) from error
    inner = content.get(_NESTED)
    fields = {
        name: value
        for name, value in content.items()
        if name not in _TAKEN and not (name == _NESTED and isinstance(inner, dict))
    }
    if not isinstance(inner, dict):
        return fields
    for name, value in inner.items():
        if name in fields and fields[name] != value:
            msg = (
                f"{path}: {content.get('_id')!r} has the field {name!r} twice, as {fields[name]!r} "
                f"and in {_NESTED!r} as {value!r}. Remove one of them."
            )
            raise DataError(msg)
    return {**fields, **inner}
