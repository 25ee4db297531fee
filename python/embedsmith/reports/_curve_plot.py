"""Recall by the number of documents taken."""

from __future__ import annotations

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
from embedsmith.reports._document import Cell, Head, Section, Table, Text
from embedsmith.reports._numbers import ABSENT, score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith.evaluation import EvaluationResult, RecallCurve

__all__ = ["curve_section"]

_FRAME = (54.0, 12.0, WIDTH - 34.0, HEIGHT - 48.0)
# Rows of numbers in a table beside the plot; the curve itself has every point.
_ROWS = 24
# Lines of print between two labels at the ends of curves.
_LABEL_GAP = 13


def curve_section(result: EvaluationResult) -> Section | str:
    """Return the recall curves of all models, or a sentence on why there are none.

    Parameters
    ----------
    result : EvaluationResult
        What was found.

    Returns
    -------
    Section or str
        One plot.
    """
    curves = [
        (place, model.name, model.curve)
        for place, model in enumerate(result.models)
        if model.curve is not None and model.curve.ks
    ]
    if not curves:
        return "Recall curves: this result holds none."
    text = Text(
        "How much of what is relevant lies among the first k documents: where a curve flattens, "
        "taking more documents finds little more."
    )
    return Section("recall", "Recall by number of documents", (text, _plot(curves)))


def _plot(curves: Sequence[tuple[int, str, RecallCurve]]) -> Chart:
    left, top, right, bottom = _FRAME
    ks = sorted({k for _, _, curve in curves for k in curve.ks})
    # The first 10 matter as much as the next 90.
    x = Axis(ks[0], max(ks[-1], ks[0] + 1), left, right, log=True)
    y = Axis(0.0, 1.0, bottom, top)
    lines, marks = [], []
    for place, name, curve in curves:
        style = model_style(place)
        points = tuple(
            (x.at(k), y.at(recall)) for k, recall in zip(curve.ks, curve.recall, strict=True)
        )
        if len(points) > 1:
            lines.append(Line(points, f"run {style}"))
        told = f"{name}: recall {score(curve.recall[-1])} at {curve.ks[-1]:,} documents"
        marks.append(Mark(*points[-1], SHAPES[place % len(SHAPES)], style, told))
    return Chart(
        id="recall-plot",
        title="Recall by number of documents",
        description="Mean recall upwards, against the number of documents taken, log scale.",
        table=_table(curves, ks),
        height=HEIGHT,
        frame=_FRAME,
        x_ticks=x.ticks(),
        y_ticks=y.ticks(),
        x_label="Documents taken, k (log scale)",
        y_label="Mean recall",
        lines=tuple(lines),
        marks=tuple(marks),
        labels=_ends(curves, y, right),
        key=tuple((place, name) for place, name, _ in curves),
    )


def _ends(
    curves: Sequence[tuple[int, str, RecallCurve]], y: Axis, right: float
) -> tuple[Label, ...]:
    """Return the numbers of the models at the ends of their curves, pushed apart."""
    wanted = sorted((y.at(curve.recall[-1]) + 4, place) for place, _, curve in curves)
    labels: list[Label] = []
    line = -1e9
    for at, place in wanted:
        line = max(at, line + _LABEL_GAP)
        labels.append(Label(right + 9, line, str(place + 1)))
    # Twenty models that end together would run off the sheet.
    return tuple(label for label in labels if label.y < HEIGHT - 8)


def _table(curves: Sequence[tuple[int, str, RecallCurve]], ks: Sequence[int]) -> Table:
    found = [dict(zip(curve.ks, curve.recall, strict=True)) for _, _, curve in curves]
    shown = ks
    if len(ks) > _ROWS:
        round_ones = {int(step * 10**power) for power in range(7) for step in (1, 2, 3, 5, 10)}
        shown = [k for k in ks if k in round_ones or k in {ks[0], ks[-1]}]
    return Table(
        "Mean recall among the first k documents",
        (Head("k", numeric=False), *(Head(name) for _, name, _ in curves)),
        tuple(
            (
                Cell(f"{k:,}"),
                *(Cell(score(one[k]) if k in one else ABSENT) for one in found),
            )
            for k in shown
        ),
    )
