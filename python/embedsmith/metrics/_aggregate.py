"""From the values of queries to one number with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith import _core
from embedsmith.exceptions import MeasureError

if TYPE_CHECKING:
    from embedsmith._typing import F64Array
    from embedsmith.metrics._measures import Measure
    from embedsmith.metrics._table import IntervalMethod

__all__ = [
    "N_RESAMPLES",
    "aggregated",
    "bootstrap",
    "check_confidence",
    "intervals",
    "measure_intervals",
]

N_RESAMPLES = 10_000

# No query of a geometric mean counts less: one zero would make all the others worthless.
LEAST = 1e-5


def check_confidence(confidence: float | None) -> None:
    """Refuse a confidence outside (0, 1)."""
    if confidence is not None and not 0.0 < confidence < 1.0:
        msg = f"confidence={confidence!r} is not between 0 and 1; pass 0.95 for 95 %."
        raise MeasureError(msg)


def aggregated(measure: Measure, values: F64Array) -> float:
    """Return a measure's one number: the mean, the geometric mean or the sum of its values."""
    if measure.aggregate == "sum":
        return float(values.sum())
    if measure.aggregate == "geometric mean":
        return float(np.exp(_core.mean(np.log(values))))
    return _core.mean(values)


def bootstrap(
    columns: dict[str, F64Array],
    *,
    confidence: float | None,
    n_resamples: int,
    seed: int,
    threads: int | None,
) -> tuple[dict[str, tuple[float, float]], dict[str, IntervalMethod]]:
    """Return the interval of each column's mean and how it was computed; nothing for ``None``."""
    if confidence is None or not columns:
        return {}, {}
    found = _core.bootstrap_intervals(
        np.array(list(columns.values()), dtype=np.float64),
        confidence=confidence,
        n_resamples=n_resamples,
        seed=seed,
        threads=threads,
    )
    ci = {name: (low, high) for name, (low, high, _) in zip(columns, found, strict=True)}
    methods: dict[str, Any] = {
        name: method for name, (_, _, method) in zip(columns, found, strict=True)
    }
    return ci, methods


def measure_intervals(
    columns: dict[str, F64Array],
    *,
    confidence: float | None,
    n_resamples: int,
    seed: int,
    threads: int | None,
) -> tuple[dict[str, tuple[float, float]], dict[str, IntervalMethod]]:
    """Return the intervals of values in [0, 1]: as :func:`bootstrap`, but never without width.

    Where all values are equal the bootstrap has nothing to vary, and would claim certainty from a
    single query. The interval is then the one that Markov's inequality gives; see ``decide``.
    """
    ci, methods = bootstrap(
        columns, confidence=confidence, n_resamples=n_resamples, seed=seed, threads=threads
    )
    for name, method in methods.items():
        if method == "constant" and confidence is not None:
            value = float(columns[name][0])
            ci[name] = _core.constant_interval(value, len(columns[name]), confidence=confidence)
    return ci, methods


def intervals(
    measures: tuple[Measure, ...],
    columns: dict[str, F64Array],
    *,
    confidence: float | None,
    n_resamples: int,
    seed: int,
    threads: int | None,
) -> tuple[dict[str, tuple[float, float]], dict[str, IntervalMethod]]:
    """Return the intervals of all measures that have one.

    A sum has none, for other queries would have another; and where all values of a measure
    without an upper bound are equal, nothing is known of the others.
    """
    how = {"confidence": confidence, "n_resamples": n_resamples, "seed": seed, "threads": threads}
    plain: dict[str, F64Array] = {}
    open_ended: dict[str, F64Array] = {}
    logs: dict[str, F64Array] = {}
    for measure, (name, values) in zip(measures, columns.items(), strict=True):
        if measure.aggregate == "geometric mean":
            logs[name] = np.log(values)
        elif measure.aggregate == "mean":
            (plain if measure.bounded else open_ended)[name] = values
    found: dict[str, tuple[float, float]] = {}
    methods: dict[str, IntervalMethod] = {}
    for part, of in ((plain, measure_intervals), (open_ended, bootstrap), (logs, bootstrap)):
        ci, method = of(part, **how)  # type: ignore[arg-type]
        found |= ci
        methods |= method
    for name in [*open_ended, *logs]:
        if methods.get(name) == "constant":
            del found[name], methods[name]
        elif name in logs and name in found:
            low, high = found[name]
            found[name] = (float(np.exp(low)), float(np.exp(high)))
    order = [name for name in columns if name in found]
    return {name: found[name] for name in order}, {name: methods[name] for name in order}
