"""What a sheet's XML holds, read as a stream before a library builds anything of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn
from xml.parsers import expat

from embedsmith.exceptions import ParseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

__all__ = ["MAX_COLUMNS", "SheetScan", "forbid_declarations", "scan_sheet"]

MAX_COLUMNS = 1000
_MOST_CELLS = 10_000_000
_MOST_MERGED = 100_000
_MOST_MERGED_CELLS = 1_000_000
_CHUNK = 1 << 16
_CELL = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


@dataclass
class SheetScan:
    """The extent of a sheet by its filled cells.

    Attributes
    ----------
    last_row, last_column : int
        Counted from 1; 0 if no cell holds anything.
    merged : list of tuple
        Top, left, bottom and right of each merged range.
    uncomputed : set of tuple
        Row and column of formulas without a stored value.
    """

    last_row: int = 0
    last_column: int = 0
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)
    uncomputed: set[tuple[int, int]] = field(default_factory=set)


def forbid_declarations(stream: IO[bytes], place: str) -> None:
    """Read an XML part to its end and refuse a document type: no spreadsheet writes one.

    Raises
    ------
    ParseError
        If it declares one, and so could define entities; or is no XML.
    """
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refusing(place)
    parser.EntityDeclHandler = _refusing(place)
    try:
        while chunk := stream.read(_CHUNK):
            parser.Parse(chunk, False)  # noqa: FBT003 - expat takes no name
        parser.Parse(b"", True)  # noqa: FBT003
    except expat.ExpatError as error:
        msg = f"{place} is no whole XML ({error}). Save the workbook again."
        raise ParseError(msg) from error


def _refusing(place: str) -> Callable[..., NoReturn]:
    def refuse(*_: object) -> NoReturn:
        msg = (
            f"{place} declares a document type, by which a small file can expand without end; no "
            "spreadsheet writes one. Get the file anew from its source."
        )
        raise ParseError(msg)

    return refuse


def scan_sheet(stream: IO[bytes], place: str) -> SheetScan:
    """Return the extent, merged ranges and formulas without value of a sheet.

    Raises
    ------
    ParseError
        If it is larger than a table of labels can be.
    ExpatError
        If it is no XML.
    """
    handler = _Handler(place)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.text
    parser.StartDoctypeDeclHandler = _refusing(place)
    while chunk := stream.read(_CHUNK):
        parser.Parse(chunk, False)  # noqa: FBT003 - expat takes no name
    parser.Parse(b"", True)  # noqa: FBT003
    scan = handler.scan
    area = scan.last_row * scan.last_column
    if scan.last_column > MAX_COLUMNS or area > _MOST_CELLS:
        msg = (
            f"{place} reaches to row {scan.last_row:,} and column {scan.last_column:,}; "
            f"{MAX_COLUMNS:,} columns and {_MOST_CELLS:,} cells are allowed. "
            "Delete what stands far outside, or save the table as CSV."
        )
        raise ParseError(msg)
    return scan


class _Handler:
    def __init__(self, place: str) -> None:
        self.place = place
        self.scan = SheetScan()
        self.row = self.column = 0
        self.formula = self.value = self.inside = self.text_result = False
        self.merged_cells = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition(" ")[2]
        if tag == "row":
            self.row = _natural(attributes.get("r")) or self.row + 1
            self.column = 0
        elif tag == "c":
            place = _CELL.fullmatch(attributes.get("r", ""))
            self.column = _column(place[1]) if place else self.column + 1
            self.formula = False
            # Of a formula whose value is an empty text, the type alone tells that it was computed.
            self.value = False
            self.text_result = attributes.get("t") == "str"
        elif tag == "f":
            self.formula = True
        elif tag in ("v", "t"):
            self.inside = True
        elif tag == "mergeCell":
            self._merge(attributes.get("ref", ""))

    def text(self, data: str) -> None:
        if self.inside and data.strip():
            self.value = True

    def end(self, name: str) -> None:
        tag = name.rpartition(" ")[2]
        if tag in ("v", "t"):
            self.inside = False
        elif tag == "c" and (self.value or self.formula):
            self.scan.last_row = max(self.scan.last_row, self.row)
            self.scan.last_column = max(self.scan.last_column, self.column)
            if not self.value and not self.text_result and len(self.scan.uncomputed) < _MOST_MERGED:
                self.scan.uncomputed.add((self.row, self.column))

    def _merge(self, ref: str) -> None:
        ends = [_CELL.fullmatch(end) for end in ref.split(":")]
        first, last = ends[0], ends[-1]
        if first is None or last is None or len(self.scan.merged) >= _MOST_MERGED:
            msg = (
                f"{self.place} has more than {_MOST_MERGED:,} merged ranges, or one that is none "
                f"({ref!r:.40}). Unmerge the cells, or save the table as CSV."
            )
            raise ParseError(msg)
        top, bottom = int(first[2]), int(last[2])
        left, right = _column(first[1]), min(_column(last[1]), MAX_COLUMNS)
        # The sheet's rows stand before its merged ranges, so that its end is known.
        bottom = min(bottom, self.scan.last_row)
        self.merged_cells += max(bottom - top + 1, 0) * max(right - left + 1, 0)
        if self.merged_cells > _MOST_MERGED_CELLS:
            msg = (
                f"{self.place} has merged ranges over more than {_MOST_MERGED_CELLS:,} cells. "
                "Unmerge them, or save the table as CSV."
            )
            raise ParseError(msg)
        self.scan.merged.append((top, left, bottom, right))


def _natural(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 8 else 0  # noqa: PLR2004 - rows have 7 digits


def _column(name: str) -> int:
    column = 0
    for letter in name:
        column = column * 26 + ord(letter) - ord("A") + 1
    return column
