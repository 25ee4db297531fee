"""Tables as people keep them: a header, rows, and where each cell stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["LONGEST_CELL", "Broken", "Table", "as_table", "is_blank", "letters"]

# Excel's own limit is 32,767 characters. What is longer than this is a quote left open.
LONGEST_CELL = 1_000_000
_LETTERS = 26


class Broken(NamedTuple):
    """A cell that has no value though it is not empty; ``why`` says what to do."""

    why: str


@dataclass(frozen=True)
class Table:
    """The header and rows of one file or sheet.

    Attributes
    ----------
    path : Path
    kind : str
        ``"csv"``, ``"xlsx"``, ``"json"``.
    header : tuple of str
        Stripped; "" for a column without a name.
    rows : tuple of tuple
        As long as the header. Values are str, int, float, bool, datetime, `Broken` or None.
    lines : tuple of int
        Of each row: the line of a text file, the row of a sheet, the entry of a JSON list.
    sheet : str or None
    how : mapping
        How it was read: encoding, delimiter.
    notes : tuple of str
        What a person should know of the reading.
    """

    path: Path
    kind: str
    header: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    lines: tuple[int, ...]
    sheet: str | None = None
    how: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def where(self, row: int, column: int | None = None) -> str:
        """Return the place of a row or a cell, for messages."""
        line = self.lines[row]
        if self.sheet is not None:
            cell = f"row {line}" if column is None else f"cell {letters(column + 1)}{line}"
            return f"{self.path}, sheet {self.sheet!r}, {cell}"
        place = f"{self.path}: entry {line}" if self.kind == "json" else f"{self.path}:{line}"
        return place if column is None else f"{place}: {self.header[column]!r}"


def as_table(
    path: Path,
    kind: str,
    lines: Iterator[tuple[int, Sequence[Any]]],
    *,
    header_row: int | None,
    sheet: str | None = None,
    how: dict[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> Table:
    """Return numbered rows as a table, whose first that is not blank names the columns.

    Raises
    ------
    DataError
        If there is no header or no row below it, or a row is wider than the header.
    """
    header: tuple[str, ...] | None = None
    rows: list[tuple[Any, ...]] = []
    numbers: list[int] = []
    place = f"{path}" if sheet is None else f"{path}, sheet {sheet!r}"
    for number, values in lines:
        if header_row is not None and number < header_row:
            continue
        if all(is_blank(value) for value in values):
            continue
        if header is None:
            header = tuple("" if is_blank(v) else str(v).strip() for v in values)
            while header and not header[-1]:
                header = header[:-1]
            continue
        if any(not is_blank(value) for value in values[len(header) :]):
            msg = (
                f"{place}, line {number}: there are {len(values)} cells, but the header names "
                f"{len(header)} columns. Quote cells that hold a separator, name every column, or "
                "say in which line the header is: header_row=N (--header-row N)."
            )
            raise DataError(msg)
        cells = tuple(values[: len(header)])
        longest = max((len(v) for v in cells if isinstance(v, str)), default=0)
        if longest > LONGEST_CELL:
            msg = (
                f"{place}, line {number}: a cell has {longest:,} characters, and "
                f"{LONGEST_CELL:,} are allowed. A quote may be left open there; close it."
            )
            raise DataError(msg)
        rows.append(cells + (None,) * (len(header) - len(cells)))
        numbers.append(number)
    if header is None:
        msg = f"{place} is empty. Expected a line that names the columns, and a row per judgement."
        raise DataError(msg)
    if not rows:
        msg = f"{place} has a header ({', '.join(header)}) and no row below it. Add the judgements."
        raise DataError(msg)
    return Table(
        path, kind, header, tuple(rows), tuple(numbers), sheet, dict(how or {}), tuple(notes)
    )


def is_blank(value: object) -> bool:
    """Return whether a cell holds nothing."""
    return value is None or (isinstance(value, str) and not value.strip())


def letters(column: int) -> str:
    """Return the name that spreadsheets give a column, counted from 1.

    Examples
    --------
    >>> letters(1), letters(28)
    ('A', 'AB')
    """
    name = ""
    while column:
        column, rest = divmod(column - 1, _LETTERS)
        name = chr(ord("A") + rest) + name
    return name
