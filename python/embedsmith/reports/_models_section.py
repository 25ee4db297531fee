"""The table of all models, with what limits its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith.reports._document import Cell, Fold, Head, Section, Table, Text
from embedsmith.reports._notes import notes
from embedsmith.reports._numbers import ABSENT, interval, level, milliseconds, score, size
from embedsmith.reports._pairs import leader

if TYPE_CHECKING:
    from embedsmith.evaluation import EvaluationResult, ModelResult
    from embedsmith.reports._document import Block

__all__ = ["models_section"]

_EARLIER = "*"


def models_section(result: EvaluationResult) -> Section:
    """Return every model's measures with intervals, speed and size.

    Parameters
    ----------
    result : EvaluationResult
        What was found.

    Returns
    -------
    Section
        One table of quality, one of cost, and notes.
    """
    measures = result.settings.measures
    best = {measure: leader(result, measure) for measure in measures}
    several = len(result.models) > 1
    quality = Table(
        f"Means, each with its {level(result.settings.confidence)} interval below it",
        (Head("Model", numeric=False), *map(Head, measures)),
        tuple(
            (
                Cell(model.name, model=place),
                *(
                    Cell(
                        score(model.table.mean[measure]),
                        interval(model.table.ci.get(measure)),
                        "best" if several and best[measure] == model.name else "",
                    )
                    for measure in measures
                ),
            )
            for place, model in enumerate(result.models)
        ),
    )
    cost = Table(
        "Cost on this machine",
        (
            Head("Model", numeric=False),
            Head("dim"),
            Head("texts/s"),
            Head("p50, ms"),
            Head("p95, ms"),
            Head("peak memory"),
            Head("texts cut"),
        ),
        tuple(_cost_row(place, model) for place, model in enumerate(result.models)),
    )
    blocks: list[Block] = [quality]
    if several:
        blocks.append(
            Text("Bold is the highest mean. Whether it is truly higher is told by the differences.")
        )
    blocks.append(cost)
    blocks.append(Fold("Notes to these tables", tuple(map(Text, notes(result)))))
    buckets = _buckets(result)
    if buckets is not None:
        blocks.append(buckets)
    return Section("models", "Models", tuple(blocks))


def _cost_row(place: int, model: ModelResult) -> tuple[Cell, ...]:
    timing, cut = model.timing, model.truncation
    earlier = {
        source: _EARLIER if source in timing.earlier else ""
        for source in ("throughput", "latency", "peak_memory_bytes")
    }
    rate = ABSENT
    if timing.throughput is not None:
        per_s = timing.throughput.texts_per_s
        rate = (f"{per_s:,.0f}" if per_s >= 10 else f"{per_s:.1f}") + earlier["throughput"]  # noqa: PLR2004
    latency = timing.latency
    p50, p95 = (
        (milliseconds(one) + earlier["latency"] for one in (latency.p50_s, latency.p95_s))
        if latency
        else (ABSENT, ABSENT)
    )
    return (
        Cell(model.name, model=place),
        Cell(f"{model.dim:,}" if model.dim else ABSENT),
        Cell(rate),
        Cell(p50),
        Cell(p95),
        Cell(size(timing.peak_memory_bytes) + earlier["peak_memory_bytes"]),
        Cell(
            ABSENT if cut.max_tokens is None else f"{100 * cut.share:.1f} %",
            tone="warning" if cut.share else "",
        ),
    )


def _buckets(result: EvaluationResult) -> Fold | None:
    """Return the times by batch size and length of text, if they were measured."""
    rows = [
        (
            Cell(model.name, model=place),
            Cell(f"{bucket.batch_size:,}"),
            Cell(bucket.length),
            Cell("cold" if bucket.cold else "warm"),
            Cell(f"{bucket.n:,}"),
            *(Cell(f"{ms:,.1f}") for ms in (bucket.p50_ms, bucket.p95_ms, bucket.p99_ms)),
        )
        for place, model in enumerate(result.models)
        for bucket in model.timing.latency_buckets
    ]
    if not rows:
        return None
    head = ("Batch", "Texts", "Calls", "Batches timed", "p50, ms", "p95, ms", "p99, ms")
    table = Table(
        "Time to embed one batch; cold: the first calls after loading",
        (
            Head("Model", numeric=False),
            *(Head(name, name not in {"Texts", "Calls"}) for name in head),
        ),
        tuple(rows),
    )
    return Fold("Latency by batch size and length of text", (table,))
