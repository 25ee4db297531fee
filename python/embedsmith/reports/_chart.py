"""A plot as shapes on a small sheet; how they are coloured is the style sheet's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from embedsmith.reports._axis import Tick
    from embedsmith.reports._cells import Table

__all__ = ["HEIGHT", "SHAPES", "WIDTH", "Bar", "Chart", "Label", "Line", "Mark", "model_style"]

# Narrow, so that the words are still read on a telephone: a wide screen has two side by side.
WIDTH = 440
HEIGHT = 290

# Around (0, 0); each of about the same area, so that none seems to weigh more.
SHAPES = (
    "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z",
    "M-4.5 -4.5h9v9h-9z",
    "M0 -6.2L6.2 0L0 6.2L-6.2 0z",
    "M0 -6L5.8 4.4H-5.8z",
    "M0 6L5.8 -4.4H-5.8z",
)
_N_COLOURS = 8

Style: TypeAlias = str


def model_style(model: int) -> Style:
    """Return the colour class of a model by its place in the result.

    Examples
    --------
    >>> model_style(0), model_style(9)
    ('c0', 'c1')
    """
    return f"c{model % _N_COLOURS}"


@dataclass(frozen=True)
class Mark:
    """A point.

    Attributes
    ----------
    x, y : float
        Where it stands.
    shape : str
        Its outline around (0, 0), one of ``SHAPES``.
    style : str
        Its colour class.
    title : str
        What it says when pointed at.
    hollow : bool
        Drawn as an outline.
    """

    x: float
    y: float
    shape: str
    style: Style
    title: str
    hollow: bool = False


@dataclass(frozen=True)
class Line:
    """A line through points.

    Attributes
    ----------
    points : tuple of (float, float)
        Two or more.
    style : str
        Its class.
    """

    points: tuple[tuple[float, float], ...]
    style: Style


@dataclass(frozen=True)
class Bar:
    """A filled stretch.

    Attributes
    ----------
    x, y, width, height : float
        Its corner and extent.
    style : str
        Its class.
    title : str
        What it says when pointed at.
    """

    x: float
    y: float
    width: float
    height: float
    style: Style
    title: str


@dataclass(frozen=True)
class Label:
    """Words on the plot.

    Attributes
    ----------
    x, y : float
        Where their base line starts, has its middle, or ends.
    text : str
        The words.
    anchor : {"start", "middle", "end"}
        Which of these ``x`` is.
    style : str
        Their class.
    """

    x: float
    y: float
    text: str
    anchor: Literal["start", "middle", "end"] = "start"
    style: Style = ""


@dataclass(frozen=True)
class Chart:
    """A plot with its description and its numbers.

    Attributes
    ----------
    id : str
        Unique in the report: letters, digits and hyphens.
    title, description : str
        What it shows, for those who see it and those who do not.
    table : Table
        Every number drawn.
    height : float
        Of the sheet, which is ``WIDTH`` wide.
    frame : (float, float, float, float)
        Left, top, right and bottom of the field of the axes.
    x_ticks, y_ticks : tuple of Tick
        Marks at the bottom and at the left.
    x_label, y_label : str
        What the axes measure.
    bars, lines, marks, labels : tuple
        What is drawn, in this order.
    key : tuple of (int, str)
        Models drawn by colour and shape alone: place and name.
    notes : tuple of str
        Sentences below it.
    """

    id: str
    title: str
    description: str
    table: Table
    height: float
    frame: tuple[float, float, float, float]
    x_ticks: tuple[Tick, ...] = ()
    y_ticks: tuple[Tick, ...] = ()
    x_label: str = ""
    y_label: str = ""
    bars: tuple[Bar, ...] = ()
    lines: tuple[Line, ...] = ()
    marks: tuple[Mark, ...] = ()
    labels: tuple[Label, ...] = ()
    key: tuple[tuple[int, str], ...] = ()
    notes: tuple[str, ...] = ()
