"""CSV and TSV in the encodings and dialects that spreadsheets write."""

from __future__ import annotations

import codecs
import csv
import io
import re
from typing import TYPE_CHECKING, NamedTuple

from embedsmith.exceptions import DataError, ParseError
from embedsmith.labelling._columns import recognised
from embedsmith.labelling._table import LONGEST_CELL, Table, as_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["read_delimited"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # Before UTF-16, whose little-endian mark it begins with.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_PROBED = 200
_LARGEST_BYTES = 1 << 30
_SEP = re.compile(r"\A\s*\"?sep=(.)\"?\r?\n", re.IGNORECASE)


class _Dialect(NamedTuple):
    delimiter: str
    quoted: bool


def read_delimited(
    path: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    header_row: int | None = None,
) -> Table:
    """Return a table from a text file; encoding and delimiter are told by its content.

    Raises
    ------
    ParseError
        If the bytes are not of the encoding, or a line breaks the dialect.
    DataError
        If there is no delimiter, header or row.
    """
    text, used, notes = _decoded(path, encoding)
    named = _SEP.match(text)
    skipped = 0
    if named is not None:
        text, skipped = text[named.end() :], 1
        delimiter = delimiter or named[1]
    dialect = _dialect(path, text, delimiter, header_row)
    if not dialect.quoted:
        notes.append("quotes are taken as characters: the file does not use them for quoting.")
    lines = ((number + skipped, fields) for number, fields in _records(path, text, dialect))
    how = {
        "encoding": used,
        "delimiter": _DELIMITERS.get(dialect.delimiter, dialect.delimiter),
    }
    return as_table(path, "csv", lines, header_row=header_row, how=how, notes=notes)


def _decoded(path: Path, encoding: str | None) -> tuple[str, str, list[str]]:
    if path.stat().st_size > _LARGEST_BYTES:
        msg = f"{path} is larger than 1 GiB. Split it into several files, and name them all."
        raise DataError(msg)
    data = path.read_bytes()
    if not data.strip():
        msg = f"{path} is empty. Expected a line that names the columns, and a row per judgement."
        raise DataError(msg)
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    wanted = encoding or marked or "utf-8"
    try:
        text = data.decode(wanted)
    except LookupError as error:
        msg = f"encoding={encoding!r} is unknown. Name one such as utf-8, utf-16, cp1252 or cp1250."
        raise DataError(msg) from error
    except UnicodeDecodeError as error:
        if wanted != "utf-8" or encoding is not None:
            msg = (
                f"{path} is not {wanted} (byte {error.start}: {error.reason}). "
                "Save it as UTF-8, or name its encoding: encoding='cp1252' (--encoding cp1252)."
            )
            raise ParseError(msg) from error
        return _windows(path, data)
    if "\0" in text:
        msg = (
            f"{path} holds NUL characters: it is UTF-16 without a mark, or no text at all. "
            "Save it as UTF-8, or pass encoding='utf-16-le' (--encoding utf-16-le)."
        )
        raise ParseError(msg)
    return text.removeprefix("\ufeff"), marked or wanted, []


def _windows(path: Path, data: bytes) -> tuple[str, str, list[str]]:
    """Read what is not UTF-8 as a western Excel saves CSV, and show a word to judge it by."""
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as error:
        text = ""
        cause: Exception | None = error
    else:
        cause = None
    if cause is not None or "\0" in text:
        msg = (
            f"{path} is neither UTF-8 nor Windows-1252. Save it as UTF-8, or name its encoding: "
            "encoding='utf-16-le' (--encoding utf-16-le)."
        )
        raise ParseError(msg) from cause
    words = re.findall(r"\w*[^\x00-\x7f]\w*", text)
    note = (
        f"read as Windows-1252, since it is not UTF-8, with words such as {words[0]!r}; "
        "--encoding names another."
    )
    return text, "cp1252", [note]


def _dialect(path: Path, text: str, delimiter: str | None, header_row: int | None) -> _Dialect:
    if delimiter is not None and len(delimiter) != 1:
        msg = f"delimiter={delimiter!r} is not one character. Pass one such as ',' or ';'."
        raise DataError(msg)
    found: list[tuple[int, int, _Dialect]] = []
    for candidate in [delimiter] if delimiter else _DELIMITERS:
        for quoted in (True, False) if candidate == "\t" else (True,):
            dialect = _Dialect(candidate, quoted)
            fit = _fit(path, text, dialect, header_row)
            if fit is not None:
                found.append((*fit, dialect))
                break
    if delimiter is not None:
        return found[0][2] if found else _Dialect(delimiter, quoted=True)
    best = [one for one in found if one[:2] == max(other[:2] for other in found)]
    if len(best) == 1:
        return best[0][2]
    if not found:
        msg = (
            f"{path} has no column separator: no comma, semicolon, tab or bar divides its lines. "
            "Name it: delimiter=':' (--delimiter ':')."
        )
        raise DataError(msg)
    names = " or ".join(_DELIMITERS[one[2].delimiter] for one in best)
    msg = (
        f"{path}: its lines could be divided by {names}. "
        "Name the separator: delimiter=';' (--delimiter ';')."
    )
    raise DataError(msg)


def _fit(
    path: Path, text: str, dialect: _Dialect, header_row: int | None
) -> tuple[int, int] | None:
    """Return whether all lines have the header's width, and how many names of it are known.

    None if the delimiter does not divide the header. The widths say more than the names: a
    semicolon divides a header of German Excel, and a comma stands in its texts.
    """
    width = 0
    known = 0
    even = 1
    try:
        for count, (number, fields) in enumerate(_records(path, text, dialect)):
            if header_row is not None and number < header_row:
                continue
            if not width:
                if not any(field.strip() for field in fields):
                    continue
                width, known = len(fields), sum(map(recognised, fields))
            elif fields and len(fields) != width and any(field.strip() for field in fields):
                even = 0
            if count > _PROBED:
                break
    except ParseError:
        if dialect.delimiter == "\t" and dialect.quoted:
            return None
        even = 0
    if dialect.delimiter == "\t" and dialect.quoted and not even:
        return None
    return (known, even) if width > 1 else None


def _records(path: Path, text: str, dialect: _Dialect) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=dialect.delimiter,
        quoting=csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE,
        strict=True,
    )
    limit = csv.field_size_limit(LONGEST_CELL)
    start = 1
    try:
        for fields in reader:
            yield start, fields
            start = reader.line_num + 1
    except csv.Error as error:
        fix = (
            "A quote may be left open there; close it."
            if "limit" in str(error) or "unexpected end" in str(error)
            else "Quote the cell, and double the quotes inside it."
        )
        msg = f"{path}:{start}: {error}. {fix}"
        raise ParseError(msg) from error
    finally:
        csv.field_size_limit(limit)
