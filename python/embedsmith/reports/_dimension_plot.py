"""Quality against the width and the precision of the vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith.reports._cells import Cell, Head, Table
from embedsmith.reports._numbers import ABSENT, interval, score, signed
from embedsmith.reports._pairs import headline
from embedsmith.reports._scatter import Spot, scatter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedsmith.evaluation import EvaluationResult, ModelResult, Variant
    from embedsmith.reports._chart import Chart

__all__ = ["dimension_chart"]

_FLOAT = "f32"
_WORDS = {_FLOAT: "float32", "int8": "int8", "binary": "binary"}
_FLOAT_BYTES = 4


def dimension_chart(result: EvaluationResult) -> Chart | str:
    """Return quality against dimensions, or a sentence on why there is no such plot.

    Parameters
    ----------
    result : EvaluationResult
        What was found.

    Returns
    -------
    Chart or str
        With what each smaller form costs.
    """
    measure = headline(result)
    dense = [(place, model) for place, model in enumerate(result.models) if model.dim is not None]
    if not dense:
        return "Quality against dimension: no model here makes vectors."
    spots = [spot for place, model in dense for spot in _spots(place, model, measure)]
    table = Table(
        f"{measure} by width and precision of the vectors",
        (
            Head("Model", numeric=False),
            Head("Dimensions"),
            Head("Precision", numeric=False),
            Head("Bytes per vector"),
            Head(measure),
            Head("Against the full model"),
        ),
        tuple(row for place, model in dense for row in _rows(place, model, measure)),
    )
    several = any(spot.minor for spot in spots)
    note = "Up is better, left is smaller. The stepped line joins what nothing as narrow beats."
    if several:
        note += (
            " Hollow marks are smaller forms: solid line float32, dashed int8, dotted binary, "
            "dash-dotted binary and scored again."
        )
    else:
        note += " No smaller forms of the models were measured."
    return scatter(
        "dimension-plot",
        f"{measure} against the dimensions of a vector",
        spots,
        x_label="Dimensions (log scale)",
        y_label=measure,
        table=table,
        exact_ticks=True,
        notes=[note],
    )


def _precision(variant: Variant) -> str:
    """Return how a column is kept, in words."""
    kept = _WORDS[variant.precision]
    return f"{kept}, rescored by {_WORDS[variant.rescore]}" if variant.rescore else kept


def _variants(model: ModelResult, measure: str) -> Iterator[Variant]:
    """Yield the forms that are not the model itself."""
    for variant in model.variants:
        if (variant.dim, variant.precision) != (model.dim, _FLOAT) and measure in variant.mean:
            yield variant


def _spots(place: int, model: ModelResult, measure: str) -> Iterator[Spot]:
    mean, ci = model.table.mean[measure], model.table.ci.get(measure)
    yield Spot(place, model.name, float(model.dim or 0), mean, ci, _FLOAT)
    for variant in _variants(model, measure):
        yield Spot(
            place,
            f"{model.name}, {variant.dim:,} dimensions, {_precision(variant)}",
            float(variant.dim),
            variant.mean[measure],
            None,
            "rescored" if variant.rescore else variant.precision,
            minor=True,
        )


def _rows(place: int, model: ModelResult, measure: str) -> Iterator[tuple[Cell, ...]]:
    mean, ci = model.table.mean[measure], model.table.ci.get(measure)
    dim = model.dim or 0
    yield (
        Cell(model.name, model=place),
        Cell(f"{dim:,}"),
        Cell("float32"),
        Cell(f"{_FLOAT_BYTES * dim:,}"),
        Cell(score(mean), interval(ci)),
        Cell("as evaluated"),
    )
    for variant in _variants(model, measure):
        change = variant.difference.get(measure)
        yield (
            Cell(model.name, model=place),
            Cell(f"{variant.dim:,}"),
            Cell(_precision(variant)),
            Cell(f"{variant.bytes_per_vector:,}"),
            Cell(score(variant.mean[measure]), interval(variant.ci.get(measure))),
            Cell(signed(change[0]), interval((change[1], change[2]), sign=True))
            if change
            else Cell(ABSENT),
        )
