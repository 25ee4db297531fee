"""A table in no format yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Cell", "Head", "Table", "Tone"]

Tone: TypeAlias = Literal["", "good", "bad", "open", "warning", "best", "guide"]


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes
    ----------
    text : str
        What stands in it.
    detail : str
        A second, smaller line, such as an interval.
    tone : Tone
        What it says, beside its words.
    model : int or None
        The model's place in the result, from 0, if the cell names one.
    """

    text: str
    detail: str = ""
    tone: Tone = ""
    model: int | None = None


@dataclass(frozen=True)
class Head:
    """The head of a column.

    Attributes
    ----------
    text : str
        Its name.
    numeric : bool
        Whether numbers stand below it.
    """

    text: str
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first of each names its row.

    Attributes
    ----------
    caption : str
        What it shows.
    head : tuple of Head
        One per column.
    rows : tuple of tuple of Cell
        As many cells each.
    """

    caption: str
    head: tuple[Head, ...]
    rows: tuple[tuple[Cell, ...], ...]
