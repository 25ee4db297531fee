"""Quality against a cost, with the choices that no other beats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedsmith.reports._axis import Axis
from embedsmith.reports._chart import (
    HEIGHT,
    SHAPES,
    WIDTH,
    Chart,
    Label,
    Line,
    Mark,
    model_style,
)
from embedsmith.reports._numbers import interval, score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith.reports._document import Table

__all__ = ["Spot", "pareto", "scatter"]

_FRAME = (54.0, 12.0, WIDTH - 20.0, HEIGHT - 48.0)
# A label needs this much to the right of its mark.
_LABEL_ROOM = 20
# Numbers of four digits, side by side.
_TICK_GAP = 40


@dataclass(frozen=True)
class Spot:
    """One thing that can be chosen.

    Attributes
    ----------
    model : int
        Place of its model.
    name : str
        What it is called.
    cost : float
        Above 0; less is better.
    quality : float
        More is better.
    ci : (float, float) or None
        Interval of the quality.
    series : str
        Spots of one model and series are joined by a line of this class; "" joins none.
    minor : bool
        A lesser form of the model: drawn hollow, without a number.
    """

    model: int
    name: str
    cost: float
    quality: float
    ci: tuple[float, float] | None
    series: str = ""
    minor: bool = False


def pareto(spots: Sequence[Spot]) -> list[Spot]:
    """Return those that no other beats in cost and quality, from cheap to dear.

    Of two that are equal in both, both stay.

    Examples
    --------
    >>> cheap, good = Spot(0, "a", 1.0, 0.5, None), Spot(1, "b", 9.0, 0.7, None)
    >>> worse = Spot(2, "c", 9.5, 0.6, None)
    >>> [spot.name for spot in pareto([worse, good, cheap])]
    ['a', 'b']
    """
    front = [
        spot
        for spot in spots
        if not any(
            other.cost <= spot.cost
            and other.quality >= spot.quality
            and (other.cost, other.quality) != (spot.cost, spot.quality)
            for other in spots
        )
    ]
    return sorted(front, key=lambda spot: (spot.cost, spot.quality, spot.model))


def scatter(
    chart_id: str,
    title: str,
    spots: Sequence[Spot],
    *,
    x_label: str,
    y_label: str,
    table: Table,
    exact_ticks: bool = False,
    notes: Sequence[str] = (),
) -> Chart:
    """Return a plot of quality, upwards, against cost on a log scale.

    Parameters
    ----------
    chart_id, title : str
        Of the chart.
    spots : sequence of Spot
        One or more.
    x_label, y_label : str
        What cost and quality are.
    table : Table
        The numbers.
    exact_ticks : bool
        Mark the costs that occur, rather than round ones.
    notes : sequence of str
        How to read it.

    Returns
    -------
    Chart
        With the front as a stepped line.
    """
    left, top, right, bottom = _FRAME
    x = Axis.ratios([spot.cost for spot in spots], start=left, end=right)
    y = Axis.around(
        [end for spot in spots for end in (spot.quality, *(spot.ci or ()))], start=bottom, end=top
    )
    lines = [Line(_steps(pareto(spots), x, y), "front"), *_runs(spots, x, y)]
    marks, labels = [], []
    # The full forms last: they lie above what covers them.
    for spot in sorted(spots, key=lambda spot: not spot.minor):
        style = model_style(spot.model)
        at, up = x.at(spot.cost), y.at(spot.quality)
        if spot.ci:
            low, high = (y.at(end) for end in spot.ci)
            lines.append(Line(((at, low), (at, high)), f"whisker {style}"))
        told = f"{spot.name}: {y_label} {score(spot.quality)} {interval(spot.ci)}".rstrip()
        shape = SHAPES[spot.model % len(SHAPES)]
        marks.append(Mark(at, up, shape, style, told, hollow=spot.minor))
        if not spot.minor and at < right - _LABEL_ROOM:
            labels.append(Label(at + 9, up - 7, str(spot.model + 1)))
        elif not spot.minor:
            labels.append(Label(at - 9, up - 7, str(spot.model + 1), "end"))
    return Chart(
        id=chart_id,
        title=title,
        description=f"{y_label} upwards, against {x_label}. Bars are intervals.",
        table=table,
        height=HEIGHT,
        frame=_FRAME,
        x_ticks=(
            x.ticks_at((spot.cost for spot in spots), gap=_TICK_GAP) if exact_ticks else x.ticks()
        ),
        y_ticks=y.ticks(),
        x_label=x_label,
        y_label=y_label,
        lines=tuple(lines),
        marks=tuple(marks),
        labels=tuple(labels),
        key=tuple((spot.model, spot.name) for spot in spots if not spot.minor),
        notes=tuple(notes),
    )


def _steps(front: Sequence[Spot], x: Axis, y: Axis) -> tuple[tuple[float, float], ...]:
    """Return the front as steps: between two choices the cheaper one is what can be had."""
    points = [(x.at(front[0].cost), y.at(front[0].quality))]
    for spot in front[1:]:
        points += [(x.at(spot.cost), points[-1][1]), (x.at(spot.cost), y.at(spot.quality))]
    return (*points, (x.end, points[-1][1]))


def _runs(spots: Sequence[Spot], x: Axis, y: Axis) -> list[Line]:
    """Return the lines that join the forms of one model."""
    joined: dict[tuple[int, str], list[tuple[float, float]]] = {}
    for spot in spots:
        if spot.series:
            points = joined.setdefault((spot.model, spot.series), [])
            points.append((x.at(spot.cost), y.at(spot.quality)))
    return [
        Line(tuple(sorted(points)), f"run {model_style(model)} {series}")
        for (model, series), points in joined.items()
        if len(points) > 1
    ]
