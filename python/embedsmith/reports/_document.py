"""A report before it is written: sections of text, tables and plots, in no format yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from embedsmith.reports._cells import Cell, Head, Table, Tone
from embedsmith.reports._chart import Chart  # noqa: TC001 - part of an alias, which is a value

__all__ = [
    "Block",
    "Card",
    "Cell",
    "Code",
    "Document",
    "Facts",
    "Fold",
    "Head",
    "Section",
    "Table",
    "Text",
    "Tone",
]


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Attributes
    ----------
    text : str
        Plain words.
    tone : Tone
        "warning" for what limits the evidence, "guide" for how to read what is drawn.
    """

    text: str
    tone: Tone = ""


@dataclass(frozen=True)
class Facts:
    """Names with values.

    Attributes
    ----------
    pairs : tuple of (str, str)
        In order.
    """

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Code:
    """What can be copied to a terminal.

    Attributes
    ----------
    text : str
        Verbatim.
    """

    text: str


@dataclass(frozen=True)
class Card:
    """A model's verdict.

    Attributes
    ----------
    model : int
        Its place in the result.
    name : str
        Its name.
    word : str
        The verdict in a few plain words.
    tone : Tone
        Its side.
    statement : str
        The sentence to quote.
    """

    model: int
    name: str
    word: str
    tone: Tone
    statement: str


@dataclass(frozen=True)
class Fold:
    """Blocks that a reader may skip.

    Attributes
    ----------
    title : str
        What is inside.
    blocks : tuple of Block
        The inside.
    model : int or None
        The model it is about.
    """

    title: str
    blocks: tuple[Block, ...]
    model: int | None = None


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes
    ----------
    id : str
        Its anchor: letters and hyphens.
    title : str
        Its heading.
    blocks : tuple of Block
        Its content.
    """

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A whole report.

    Attributes
    ----------
    title, subtitle : str
        What it is about.
    sections : tuple of Section
        Verdict first.
    absent : tuple of str
        One sentence for each section that has nothing to show, and why.
    """

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    absent: tuple[str, ...] = field(default=())


Block: TypeAlias = "Text | Table | Facts | Code | Card | Fold | Chart"  # Fold holds blocks
