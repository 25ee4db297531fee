"""XLSX workbooks, as untrusted as any file: checked before they are opened."""

from __future__ import annotations

import posixpath
import re
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError as XmlError
from xml.parsers import expat

from embedsmith._deps import require
from embedsmith._phrases import counted
from embedsmith.exceptions import DataError, ParseError
from embedsmith.labelling._columns import nearest
from embedsmith.labelling._sheet_scan import MAX_COLUMNS, SheetScan, forbid_declarations, scan_sheet
from embedsmith.labelling._table import Broken, Table, as_table, letters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["is_workbook", "read_workbook"]

_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LARGEST_BYTES = 1 << 28
_MOST_PARTS = 10_000
# Digits that a number of a spreadsheet holds; the others of a longer one are zeros.
_EXACT = 10**15
# What openpyxl raises over parts that contradict each other; it has no class of its own for them.
_FAULTS = (
    *(KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError, EOFError),
    *(zipfile.BadZipFile, zlib.error, XmlError, struct.error, NotImplementedError, RuntimeError),
)


def is_workbook(path: Path) -> bool:
    """Return whether a file begins as a workbook of any age does."""
    with path.open("rb") as file:
        start = file.read(len(_OLE))
    return start.startswith((_ZIP, _OLE))


def read_workbook(path: Path, *, sheet: str | None = None, header_row: int | None = None) -> Table:
    """Return the table of one sheet.

    Formulas are never computed: the value that the spreadsheet stored counts. Merged cells all
    have the value of their first.

    Raises
    ------
    ParseError
        If the file is no workbook, is encrypted, damaged, or built to exhaust memory.
    DataError
        If there are several sheets and none is named, or the sheet is empty.
    MissingDependencyError
        If openpyxl is not installed.
    """
    openpyxl = require("openpyxl", extra="label", feature="Reading XLSX")
    names = _checked_parts(path)
    notes: list[str] = []
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except _FAULTS as error:
        raise ParseError(_damaged(path, error)) from error
    try:
        chosen, scan = _chosen_sheet(path, book, names, sheet, notes)
        rows = _rows(book[chosen], scan)
        if scan.merged:
            count = sum(len(cells) for cells in _merged_cells(scan).values())
            notes.append(f"{counted(count, 'cell')} filled from the merged cells they are part of.")
        return as_table(path, "xlsx", rows, header_row=header_row, sheet=chosen, notes=notes)
    except _FAULTS as error:
        if isinstance(error, DataError):
            raise
        raise ParseError(_damaged(path, error)) from error
    finally:
        book.close()


def _damaged(path: Path, error: Exception) -> str:
    reason = f"{type(error).__name__}: {error}"
    return f"{path} is a damaged workbook ({reason:.120}). Save it again as .xlsx, or as CSV."


def _checked_parts(path: Path) -> frozenset[str]:
    """Return the names of a workbook's parts, none of which is what it should not be."""
    with path.open("rb") as file:
        start = file.read(1 << 16)
    if start.startswith(_OLE):
        raise ParseError(_of_ole(path))
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            _check_sizes(path, parts)
            names = frozenset(part.filename for part in parts)
            if "xl/workbook.xml" not in names:
                raise ParseError(_of_zip(path, names))
            for part in parts:
                if part.filename.endswith((".xml", ".rels", ".vml")):
                    with archive.open(part) as stream:
                        forbid_declarations(stream, f"{path}: {part.filename}")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        msg = f"{path} is no whole workbook ({error}). Copy or save it again."
        raise ParseError(msg) from error
    except RuntimeError as error:
        # What zipfile says of a part with a password.
        msg = f"{path} is encrypted ({error}). Remove the password in the spreadsheet, and save it."
        raise ParseError(msg) from error
    return names


def _check_sizes(path: Path, parts: list[zipfile.ZipInfo]) -> None:
    total = sum(part.file_size for part in parts)
    if total > _LARGEST_BYTES or len(parts) > _MOST_PARTS:
        msg = (
            f"{path} unpacks to {total / 1e6:,.0f} MB in {counted(len(parts), 'part')}, and "
            f"{_LARGEST_BYTES / 1e6:,.0f} MB are allowed: it may be built to exhaust memory. "
            "If you trust it, save its sheet as CSV."
        )
        raise ParseError(msg)
    for part in parts:
        name = part.filename.replace("\\", "/")
        if name.startswith("/") or ".." in name.split("/") or re.match(r"[A-Za-z]:", name):
            msg = (
                f"{path} holds a part named {part.filename!r:.80}, which leads out of it: no "
                "spreadsheet writes that. Get the file anew from its source."
            )
            raise ParseError(msg)


def _of_ole(path: Path) -> str:
    data = path.read_bytes()
    if "EncryptedPackage".encode("utf-16-le") in data:
        return f"{path} is encrypted. Remove the password in the spreadsheet, and save it again."
    return f"{path} is a workbook of before 2007 (.xls). Save it as .xlsx, or as CSV."


def _of_zip(path: Path, names: frozenset[str]) -> str:
    if "xl/workbook.bin" in names:
        return f"{path} is a binary workbook (.xlsb). Save it as .xlsx, or as CSV."
    if "content.xml" in names:
        return f"{path} is an OpenDocument file. Save it as .xlsx, or as CSV."
    shown = ", ".join(sorted(names)[:3]) or "nothing"
    return f"{path} is no workbook but a zip archive of {shown}. Name the .xlsx file itself."


def _chosen_sheet(
    path: Path, book: Any, names: frozenset[str], wanted: str | None, notes: list[str]
) -> tuple[str, SheetScan]:
    titles = [sheet.title for sheet in book.worksheets]
    if wanted is not None:
        if wanted not in titles:
            near = nearest(wanted, titles)
            fix = f"Did you mean {near!r}?" if near else "Name one of them."
            msg = f"{path} has no sheet {wanted!r}; it has {', '.join(map(repr, titles))}. {fix}"
            raise DataError(msg)
        return wanted, _scan(path, book, wanted, names)
    visible = [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"]
    scans = {title: _scan(path, book, title, names) for title in visible}
    filled = [title for title, scan in scans.items() if scan.last_row]
    if len(filled) > 1:
        msg = (
            f"{path} has several sheets: {', '.join(map(repr, filled))}. "
            f"Name one: sheet={filled[0]!r} (--sheet {filled[0]!r})."
        )
        raise DataError(msg)
    if not filled:
        msg = f"{path} has no visible sheet with content. Add the judgements, or name the sheet."
        raise DataError(msg)
    if len(visible) < len(titles):
        hidden = ", ".join(repr(title) for title in titles if title not in visible)
        notes.append(f"hidden sheets are not read: {hidden}.")
    return filled[0], scans[filled[0]]


def _scan(path: Path, book: Any, title: str, names: frozenset[str]) -> SheetScan:
    # openpyxl keeps the part's name where only a reader of its own can find it.
    part = posixpath.normpath(book[title]._worksheet_path)  # noqa: SLF001
    if part not in names:
        msg = f"{path}: the sheet {title!r} is missing from the file. Save it again."
        raise ParseError(msg)
    with zipfile.ZipFile(path) as archive, archive.open(part) as stream:
        try:
            return scan_sheet(stream, f"{path}, sheet {title!r}")
        except expat.ExpatError as error:
            msg = f"{path}, sheet {title!r} is no whole XML ({error}). Save the workbook again."
            raise ParseError(msg) from error


def _merged_cells(scan: SheetScan) -> dict[tuple[int, int], set[tuple[int, int]]]:
    """Return the filled cells of each merged range by its first."""
    found: dict[tuple[int, int], set[tuple[int, int]]] = {}
    for top, left, bottom, right in scan.merged:
        cells = {(r, c) for r in range(top, bottom + 1) for c in range(left, right + 1)}
        found.setdefault((top, left), set()).update(cells - {(top, left)})
    return found


def _rows(sheet: Any, scan: SheetScan) -> Iterator[tuple[int, list[Any]]]:
    source = {cell: first for first, cells in _merged_cells(scan).items() for cell in cells}
    firsts = dict.fromkeys(source.values())
    kept: dict[tuple[int, int], Any] = dict(firsts)
    sheet.reset_dimensions()
    width = max([scan.last_column, *(right for *_, right in scan.merged)], default=1)
    width = min(width, MAX_COLUMNS)
    rows = sheet.iter_rows(min_row=1, max_row=scan.last_row, max_col=width)
    for row, cells in enumerate(rows, 1):
        values = [_value(cell, row, column, scan) for column, cell in enumerate(cells, 1)] + [
            None
        ] * (width - len(cells))
        for column in range(1, width + 1):
            place = (row, column)
            if place in kept:
                kept[place] = values[column - 1]
            elif place in source:
                values[column - 1] = kept[source[place]]
        yield row, values


def _value(cell: Any, row: int, column: int, scan: SheetScan) -> Any:
    value = cell.value
    if (row, column) in scan.uncomputed:
        return Broken(
            f"cell {letters(column)}{row} has a formula without a stored value. Open the file in a "
            "spreadsheet and save it, or paste the values."
        )
    if getattr(cell, "data_type", None) == "e":
        return Broken(
            f"cell {letters(column)}{row} shows the error {value}. Mend it, or empty the cell."
        )
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) >= _EXACT:
        return Broken(
            f"cell {letters(column)}{row} is the number {value}: a spreadsheet keeps 15 digits and "
            "makes zeros of the others. Format the column as text, and enter it again."
        )
    return value
