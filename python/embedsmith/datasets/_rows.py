"""Rows of named columns from the files that people have in hand."""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import json
import math
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from embedsmith._deps import require
from embedsmith.exceptions import DataError, ParseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["ENDINGS", "Row", "as_grade", "as_label", "as_text", "read_rows"]

ENDINGS = (".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
_GZIP = b"\x1f\x8b"
_LONGEST = 80


class Row(NamedTuple):
    """One row of a file.

    Attributes
    ----------
    where : str
        File and line (or row), for messages.
    values : dict
        By the names that the caller asked for.
    """

    where: str
    values: dict[str, Any]


def read_rows(
    path: Path,
    wanted: Sequence[str],
    *,
    optional: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    remedy: str | None = None,
) -> list[Row]:
    """Return the rows of a JSONL, CSV, TSV or parquet file.

    Parameters
    ----------
    path : Path
        Told by its ending; JSONL, CSV and TSV may be gzip, told by content.
    wanted : sequence of str
        Columns that every row has.
    optional : sequence of str
        Columns that a row may have; absent ones are left out of ``values``.
    columns : mapping of str to str, optional
        What the file calls a column, where that is another name.
    remedy : str, optional
        How another name is given, for the message that a column is missing; by default ``columns``.

    Returns
    -------
    list of Row
        At least one. Columns of other names are not read.

    Raises
    ------
    ParseError
        If the file is not of its format; names the line.
    DataError
        If it is empty, or a column is missing.
    """
    named = _named(wanted, optional, columns)
    ending = path.name.removesuffix(".gz").rpartition(".")[2].lower()
    if ending == "parquet":
        rows = _parquet(path, named, remedy)
    elif ending == "jsonl":
        rows = _jsonl(path)
    elif ending in ("csv", "tsv"):
        rows = _separated(path, ending)
    else:
        msg = (
            f"{path} has an ending that is not known. Name the file by its format: "
            f"{', '.join(ENDINGS)}."
        )
        raise DataError(msg)
    found = []
    for where, values in rows:
        for name in wanted:
            if named[name] not in values:
                raise DataError(_missing(where, named[name], values, remedy))
        found.append(
            Row(where, {name: values[key] for name, key in named.items() if key in values})
        )
    if not found:
        msg = f"{path} holds no rows. A file with at least one row of {_listed(wanted)} is needed."
        raise DataError(msg)
    return found


def as_text(row: Row, name: str) -> str:
    """Return a text of a row.

    Raises
    ------
    DataError
        If it is missing, no string, or one that UTF-8 cannot hold.
    """
    value = row.values[name]
    if not isinstance(value, str):
        msg = (
            f"{row.where}: {name} is {_shown(value)}, which is no text. "
            "Write a string; '' stands for an empty text."
        )
        raise DataError(msg)
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            msg = (
                f"{row.where}: {name} holds a lone surrogate at character {error.start}, which "
                "UTF-8 cannot hold. Write the file again from its source."
            )
            raise DataError(msg) from error
    return value


def as_grade(row: Row, name: str) -> float:
    """Return a finite number of a row.

    Raises
    ------
    DataError
        If it is no number, or NaN or infinite.
    """
    value = row.values[name]
    number = math.nan
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
    if not math.isfinite(number):
        msg = (
            f"{row.where}: {name} is {_shown(value)}, which is no finite number. "
            "Mend it, or leave the row out."
        )
        raise DataError(msg)
    return number


def as_label(row: Row, name: str) -> str:
    """Return a label of a row as a string.

    Raises
    ------
    DataError
        If it is missing, empty, or neither a string, a whole number nor a boolean.
    """
    value = row.values[name]
    # A frame turns a column of integers with a gap into floats.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, (str, int)) and str(value).strip():
        return str(value)
    msg = (
        f"{row.where}: {name} is {_shown(value)}, which is no label. "
        "Write a string or a whole number, or leave the row out."
    )
    raise DataError(msg)


def _named(
    wanted: Sequence[str], optional: Sequence[str], columns: Mapping[str, str] | None
) -> dict[str, str]:
    known = (*wanted, *optional)
    given = dict(columns or {})
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {_listed(known)}."
            msg = f"columns names {name!r}, which this task does not read; {hint}"
            raise DataError(msg)
    return {name: given.get(name, name) for name in known}


def _missing(where: str, name: str, values: Mapping[str, Any], remedy: str | None) -> str:
    near = difflib.get_close_matches(name, values, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    usual = f"pass columns={{{name!r}: 'ITS NAME'}} (--column {name}=ITS_NAME)"
    return (
        f"{where}: there is no column {name!r}; there are {_listed(values)}. {hint}"
        f"Rename it in the file, or {remedy or usual}."
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(str, names)) or "none"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """Open a text file, plain or gzip, whose bytes must be UTF-8."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
            file.seek(0)
            raw = gzip.GzipFile(fileobj=file) if packed else file
            # utf-8-sig drops a byte order mark; newline="" is what the csv module asks for.
            yield io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
    except UnicodeDecodeError as error:
        msg = (
            f"{path} is not UTF-8 (byte 0x{error.object[error.start]:02X}: {error.reason}). "
            "Save it as UTF-8."
        )
        raise ParseError(msg) from error
    except (EOFError, gzip.BadGzipFile) as error:
        msg = f"{path} is damaged gzip ({error}). Take it from its source again."
        raise ParseError(msg) from error
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}. Check the path and its rights."
        raise DataError(msg) from error


def _jsonl(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with _opened(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f"{path}:{number}"
            try:
                value = json.loads(line)
            except ValueError as error:
                msg = f"{where}: this is not JSON ({error}). Write one object per line."
                raise ParseError(msg) from error
            if not isinstance(value, dict):
                msg = f"{where}: {_shown(value)} is no object. Write one object per line."
                raise ParseError(msg)
            yield where, value


def _separated(path: Path, ending: str) -> Iterator[tuple[str, dict[str, Any]]]:
    # Tab-separated files of the field are written without quoting: a quote is a character.
    options: dict[str, Any] = (
        {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if ending == "tsv" else {"strict": True}
    )
    limit = csv.field_size_limit(sys.maxsize)
    try:
        with _opened(path) as file:
            reader = csv.reader(file, **options)
            try:
                yield from _rows_of(path, reader)
            except csv.Error as error:
                msg = f"{path}:{reader.line_num}: {error}. Quote the field, or write JSONL."
                raise ParseError(msg) from error
    finally:
        csv.field_size_limit(limit)


def _rows_of(path: Path, reader: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    header: list[str] | None = None
    for fields in reader:
        if not fields:
            continue
        if header is None:
            header = [name.strip() for name in fields]
            continue
        where = f"{path}:{reader.line_num}"
        if len(fields) != len(header):
            msg = (
                f"{where}: there are {len(fields)} fields, but the first line names "
                f"{len(header)} ({_listed(header)}). Quote fields that hold a separator, or "
                "write JSONL."
            )
            raise ParseError(msg)
        yield where, dict(zip(header, fields, strict=True))


def _parquet(
    path: Path, named: Mapping[str, str], remedy: str | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    parquet: Any = require("pyarrow.parquet", extra="data", feature="Reading parquet")
    arrow: Any = require("pyarrow", extra="data", feature="Reading parquet")
    try:
        with parquet.ParquetFile(path) as file:
            there = [name for name in file.schema_arrow.names if name in named.values()]
            if not there:
                raise DataError(
                    _missing(
                        str(path),
                        next(iter(named.values())),
                        dict.fromkeys(file.schema_arrow.names),
                        remedy,
                    )
                )
            start = 0
            for batch in file.iter_batches(columns=there):
                for place, values in enumerate(batch.to_pylist(), start + 1):
                    yield f"{path}: row {place}", values
                start += batch.num_rows
    except (arrow.ArrowException, OSError) as error:
        msg = f"{path} cannot be read as parquet ({error}). Write the file again."
        raise ParseError(msg) from error
