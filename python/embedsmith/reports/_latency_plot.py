"""Quality against the time of one query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith._phrases import counted
from embedsmith.reports._cells import Cell, Head, Table
from embedsmith.reports._numbers import interval, milliseconds, score
from embedsmith.reports._pairs import headline
from embedsmith.reports._scatter import Spot, pareto, scatter

if TYPE_CHECKING:
    from embedsmith.evaluation import EvaluationResult
    from embedsmith.reports._chart import Chart

__all__ = ["latency_chart"]

_HOW_TO_READ = (
    "Up is better, left is faster. The stepped line is the Pareto front: a model that is not on it "
    "is beaten by one at least as good and at least as fast."
)


def latency_chart(result: EvaluationResult) -> Chart | str:
    """Return quality against the time of one query, or a sentence on why there is no such plot.

    Parameters
    ----------
    result : EvaluationResult
        What was found.

    Returns
    -------
    Chart or str
        With its front.
    """
    measure = headline(result)
    spots = [
        Spot(
            place,
            model.name,
            1000 * model.timing.latency.p50_s,
            model.table.mean[measure],
            model.table.ci.get(measure),
        )
        for place, model in enumerate(result.models)
        if model.timing.latency is not None and model.timing.latency.p50_s > 0
    ]
    if not spots:
        return "Quality against latency: no query was timed alone (--latency-queries)."
    front = {spot.model for spot in pareto(spots)}
    table = Table(
        f"{measure} against the median time of one query",
        (
            Head("Model", numeric=False),
            Head("p50, ms"),
            Head(measure),
            Head("On the front", numeric=False),
        ),
        tuple(
            (
                Cell(spot.name, model=spot.model),
                Cell(milliseconds(spot.cost / 1000)),
                Cell(score(spot.quality), interval(spot.ci)),
                Cell("yes" if spot.model in front else "no"),
            )
            for spot in spots
        ),
    )
    notes = [_HOW_TO_READ]
    untimed = len(result.models) - len(spots)
    if untimed:
        notes.append(
            f"Not drawn, since no query of theirs was timed alone: {counted(untimed, 'model')}."
        )
    return scatter(
        "latency-plot",
        f"{measure} against the time of one query",
        spots,
        x_label="Median time of one query, ms (log scale)",
        y_label=measure,
        table=table,
        notes=notes,
    )
