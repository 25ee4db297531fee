"""Plain-text tables that fit a width without cutting anything off."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Column", "fits", "lay_out"]

_GAP = "  "


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    title : str
        Its head; may hold line breaks.
    cells : tuple of str
        One per row; may hold line breaks.
    align : {"left", "right"}
        Numbers read best to the right.
    """

    title: str
    cells: tuple[str, ...]
    align: Literal["left", "right"] = "right"

    @property
    def width(self) -> int:
        """Characters of its longest line."""
        return max(len(line) for text in (self.title, *self.cells) for line in text.split("\n"))

    def wrapped(self, width: int) -> Column:
        """Return the column with lines of at most ``width`` characters."""
        return Column(
            _wrap(self.title, width), tuple(_wrap(cell, width) for cell in self.cells), self.align
        )


def lay_out(key: Column, groups: Sequence[Sequence[Column]], *, width: int) -> str:
    """Return a table whose lines are at most ``width`` characters, in several bands if need be.

    Columns that do not fit beside the others go below, with the key column repeated; a group
    stays together where it can. Nothing is cut: a column that is wider than ``width`` alone gets
    a band of its own.

    Parameters
    ----------
    key : Column
        Names the rows; wrapped to a third of the width if it is longer.
    groups : sequence of sequences of Column
        The rest, in order, as many rows as ``key`` has.
    width : int
        Characters per line.

    Returns
    -------
    str
        Lines without trailing blanks, no newline at the end.

    Examples
    --------
    >>> key = Column("model", ("a", "bb"), "left")
    >>> score, dim = Column("score", ("0.5", "0.25")), Column("dim", ("8", "16"))
    >>> print(lay_out(key, [[score], [dim]], width=14))
    model  score
    a        0.5
    bb      0.25
    <BLANKLINE>
    model  dim
    a        8
    bb      16
    """
    key = _narrowed(key, width)
    bands: list[list[Column]] = []
    room = -1
    for group in groups:
        whole = sum(len(_GAP) + column.width for column in group)
        apart = whole > room
        for column in group:
            needed = len(_GAP) + column.width
            if apart or needed > room:
                bands.append([])
                room = width - key.width
                apart = False
            bands[-1].append(column)
            room -= needed
    return "\n\n".join(_band([key, *band]) for band in bands)


def fits(key: Column, columns: Sequence[Column], *, width: int) -> bool:
    """Tell whether ``lay_out`` would need one band only.

    Parameters
    ----------
    key, columns, width
        As for ``lay_out``.

    Returns
    -------
    bool
        True if all stand side by side.
    """
    return sum(len(_GAP) + c.width for c in columns) + _narrowed(key, width).width <= width


def _narrowed(key: Column, width: int) -> Column:
    return key.wrapped(max(width // 3, 12))


def _band(columns: Sequence[Column]) -> str:
    head = [column.title.split("\n") for column in columns]
    height = max(map(len, head))
    # Heads of several lines end together, above the numbers; cells start together.
    lines = _lines([[""] * (height - len(title)) + title for title in head], columns)
    for row in zip(*(column.cells for column in columns), strict=True):
        cells = [cell.split("\n") for cell in row]
        height = max(map(len, cells))
        lines += _lines([cell + [""] * (height - len(cell)) for cell in cells], columns)
    return "\n".join(lines)


def _lines(cells: Sequence[Sequence[str]], columns: Sequence[Column]) -> list[str]:
    return [
        _GAP.join(
            text.ljust(column.width) if column.align == "left" else text.rjust(column.width)
            for text, column in zip(line, columns, strict=True)
        ).rstrip()
        for line in zip(*cells, strict=True)
    ]


def _wrap(text: str, width: int) -> str:
    return "\n".join(
        piece for line in text.split("\n") for piece in (textwrap.wrap(line, width) or [""])
    )
