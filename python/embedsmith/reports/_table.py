"""The table of all models: measures, speed, size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith.reports._columns import Column, fits, lay_out
from embedsmith.reports._numbers import size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embedsmith.evaluation import ModelResult

__all__ = ["model_table"]

# Marks speeds that an earlier run measured; the note below the table explains it.
_EARLIER = "*"
_ABSENT = "-"


def model_table(models: Sequence[ModelResult], measures: Sequence[str], *, width: int) -> str:
    """Return one row per model, in one or more bands of at most ``width`` characters.

    Intervals stand beside their means if all measures then fit in one band, else below them.

    Parameters
    ----------
    models : sequence of ModelResult
        The rows.
    measures : sequence of str
        The columns before speed and size.
    width : int
        Characters per line.

    Returns
    -------
    str
        Plain text.
    """
    names = Column("model", tuple(model.name for model in models), "left")
    dims = Column("dim", tuple(str(model.dim or _ABSENT) for model in models))
    columns = [_measure(name, models, " ") for name in measures]
    if not fits(names, [dims, *columns], width=width):
        columns = [_measure(name, models, "\n") for name in measures]
    return lay_out(names, [[dims, *columns], _costs(models)], width=width)


def _measure(name: str, models: Sequence[ModelResult], separator: str) -> Column:
    cells = []
    for model in models:
        ends = model.table.ci.get(name)
        interval = f"{separator}[{ends[0]:.3f}, {ends[1]:.3f}]" if ends else ""
        cells.append(f"{model.table.mean[name]:.4f}{interval}")
    return Column(name, tuple(cells))


def _costs(models: Sequence[ModelResult]) -> list[Column]:
    return [
        _cost("texts/s", models, "throughput", _rate),
        _cost("p50\nms", models, "latency", lambda model: _milliseconds(model, "p50_s")),
        _cost("p95\nms", models, "latency", lambda model: _milliseconds(model, "p95_s")),
        _cost(
            "peak\nmemory",
            models,
            "peak_memory_bytes",
            lambda model: size(model.timing.peak_memory_bytes),
        ),
        Column("texts\ncut", tuple(_cut(model) for model in models)),
    ]


def _cost(
    title: str, models: Sequence[ModelResult], source: str, show: Callable[[ModelResult], str]
) -> Column:
    marks = [_EARLIER if source in model.timing.earlier else "" for model in models]
    # A blank in place of the mark keeps the digits in line.
    blank = " " if any(marks) else ""
    return Column(
        title,
        tuple(show(model) + (mark or blank) for model, mark in zip(models, marks, strict=True)),
    )


def _rate(model: ModelResult) -> str:
    throughput = model.timing.throughput
    if throughput is None:
        return _ABSENT
    rate = throughput.texts_per_s
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"  # noqa: PLR2004  two digits at least


def _milliseconds(model: ModelResult, name: str) -> str:
    latency = model.timing.latency
    return _ABSENT if latency is None else f"{getattr(latency, name) * 1000:.1f}"


def _cut(model: ModelResult) -> str:
    if model.truncation.max_tokens is None:
        return _ABSENT
    return f"{100 * model.truncation.share:.1f} %"
