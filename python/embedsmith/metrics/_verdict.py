"""Decide whether to fine-tune, in three values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from embedsmith import _core
from embedsmith._validate import as_count
from embedsmith.exceptions import MeasureError, NonFiniteError, ShapeError
from embedsmith.metrics._evaluate import N_RESAMPLES, check_confidence, measure_intervals
from embedsmith.metrics._names import parse_measure
from embedsmith.metrics._table import MetricTable

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from embedsmith._typing import F64Array, Json

__all__ = ["Decision", "Verdict", "decide"]

Decision: TypeAlias = Literal["FINE_TUNE", "KEEP", "UNDECIDED"]

# Digits of a share in a sentence: three, and more only where rounding would hide an inequality.
_DIGITS = 3
_MOST_DIGITS = 17


@dataclass(frozen=True)
class Verdict:
    """What the evidence says about a model.

    Attributes
    ----------
    decision : {"FINE_TUNE", "KEEP", "UNDECIDED"}
        The recommendation.
    measure : str
        What was decided on.
    mean : float
        Over the labelled queries, in [0, 1].
    ci : (float, float)
        The interval that decided.
    n_queries : int
        Labelled queries.
    more_queries : int or None
        Further labelled queries at which the interval is expected to decide, if mean and spread
        stay as they are; 0 when decided; ``None`` when the mean lies between the thresholds, so
        that no number of labels is expected to.
    sentence : str
        All of it in one sentence, to be quoted.
    fine_tune_below, keep_above, confidence, min_queries, seed
        The rule.
    """

    decision: Decision
    measure: str
    mean: float
    ci: tuple[float, float]
    n_queries: int
    more_queries: int | None
    sentence: str
    fine_tune_below: float
    keep_above: float
    confidence: float
    min_queries: int
    seed: int

    def to_dict(self) -> Json:
        """Return the verdict as JSON-ready values.

        Returns
        -------
        dict
            The attributes, with ``ci`` as a list.
        """
        return {**asdict(self), "ci": list(self.ci)}

    @classmethod
    def from_dict(cls, data: Json) -> Verdict:
        """Return the verdict that :meth:`to_dict` wrote.

        Parameters
        ----------
        data : dict
            Read from JSON.

        Returns
        -------
        Verdict
            Equal to the one written.
        """
        return cls(**{**data, "ci": tuple(data["ci"])})


def decide(
    values: ArrayLike | MetricTable,
    *,
    measure: str = "R@10",
    fine_tune_below: float = 0.80,
    keep_above: float = 0.90,
    confidence: float = 0.95,
    min_queries: int = 30,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    threads: int | None = None,
) -> Verdict:
    """Return whether to fine-tune a model, to keep it, or that the labels do not say.

    Asks the confidence interval, not the mean: ``FINE_TUNE`` if its upper end is below
    ``fine_tune_below``, ``KEEP`` if its lower end is above ``keep_above``, else ``UNDECIDED``.
    It does not ask whether there is enough data to fine-tune with.

    Parameters
    ----------
    values : array of shape (n_queries,), or MetricTable
        The measure of each labelled query, in [0, 1]; or a table that holds it.
    measure : str, default "R@10"
        Which measure of the table; for an array, what to call it.
    fine_tune_below, keep_above : float, default 0.80 and 0.90
        Thresholds in [0, 1]; the first is not above the second.
    confidence : float, default 0.95
        Coverage of the interval, between 0 and 1.
    min_queries : int, default 30
        Below this many queries the verdict is ``UNDECIDED``: bootstrap intervals of so few are
        known to be too narrow.
    n_resamples : int, default 10_000
        Bootstrap resamples of the queries.
    seed : int, default 0
        Seed of the resamples, from 0 to 2**64 - 1.
    threads : int, optional
        Threads to use; the result does not depend on them.

    Returns
    -------
    Verdict
        The decision, its evidence, and a sentence that states both.

    Raises
    ------
    MeasureError
        If the thresholds contradict each other, or the table lacks the measure.
    NonFiniteError
        If a value is NaN or infinite.
    ShapeError
        If there is no value, or one lies outside [0, 1].

    Notes
    -----
    Where all values are equal the bootstrap has nothing to vary, and would claim certainty from a
    single query. The interval is then the one Markov's inequality gives for a mean in [0, 1]: of n
    queries all at v, from ``v * c`` to ``1 - (1 - v) * c`` with ``c = ((1 - confidence) / 2)**(1 /
    n)``; at v = 1 that is the exact binomial bound.

    ``more_queries`` scales the interval by the root of the number of queries. It is where the end
    of the interval is expected to pass the threshold, so take it as a lower bound.

    Examples
    --------
    >>> decide([1.0] * 60).sentence
    'KEEP: mean R@10 is 1.000 over 60 labelled queries (95 % interval 0.940 to 1.000), and the \
lower end is above 0.9.'
    >>> decide([1.0, 0.0] * 20).decision
    'FINE_TUNE'
    """
    name = str(parse_measure(measure))
    _check_thresholds(fine_tune_below, keep_above)
    check_confidence(confidence)
    min_queries = as_count("min_queries", min_queries)
    column = _values(values, name)
    n = len(column)
    mean = _core.mean(column)
    ci, methods = measure_intervals(
        {name: column},
        confidence=confidence,
        n_resamples=as_count("n_resamples", n_resamples),
        seed=as_count("seed", seed, least=0),
        threads=None if threads is None else as_count("threads", threads),
    )
    low, high = ci[name]
    constant = methods[name] == "constant"
    if constant:
        mean = float(column[0])

    more: int | None = 0
    decision: Decision = "UNDECIDED"
    enough = n >= min_queries
    if enough and high < fine_tune_below:
        decision = "FINE_TUNE"
    elif enough and low > keep_above:
        decision = "KEEP"
    elif high < fine_tune_below or low > keep_above:
        more = min_queries - n
    else:
        needed = _core.required_queries(
            mean,
            n,
            low,
            high,
            constant=constant,
            confidence=confidence,
            below=fine_tune_below,
            above=keep_above,
        )
        more = None if needed is None else max(needed, min_queries) - n

    evidence = (
        f"{decision}: mean {name} is {{mean}} over {n:,} labelled quer{'y' if n == 1 else 'ies'} "
        f"({100 * confidence:g} % interval {{low}} to {{high}}), "
    )
    shown = _digits((mean, low, high), (fine_tune_below, keep_above))
    return Verdict(
        decision=decision,
        measure=name,
        mean=mean,
        ci=(low, high),
        n_queries=n,
        more_queries=more,
        sentence=evidence.format(mean=shown[0], low=shown[1], high=shown[2])
        + _reason(decision, mean, more, fine_tune_below, keep_above),
        fine_tune_below=fine_tune_below,
        keep_above=keep_above,
        confidence=confidence,
        min_queries=min_queries,
        seed=seed,
    )


def _reason(decision: Decision, mean: float, more: int | None, below: float, above: float) -> str:
    if decision == "FINE_TUNE":
        return f"and the upper end is below {below:g}."
    if decision == "KEEP":
        return f"and the lower end is above {above:g}."
    if more is None:
        return (
            f"and the mean lies between the thresholds {below:g} and {above:g}, "
            "so more labels alone are not expected to settle it."
        )
    side = f"below {below:g}" if mean < below else f"above {above:g}"
    return (
        f"which is not enough to place it {side}; "
        f"about {more:,} further labelled quer{'y' if more == 1 else 'ies'} would settle it "
        "if mean and spread stay as they are."
    )


def _digits(values: tuple[float, ...], thresholds: tuple[float, ...]) -> list[str]:
    """Write values so that none seems to reach a threshold that it misses."""
    written = []
    for value in values:
        digits = _DIGITS
        while digits < _MOST_DIGITS and any(
            value != threshold and round(value, digits) == round(threshold, digits)
            for threshold in thresholds
        ):
            digits += 1
        written.append(f"{value:.{digits}f}")
    return written


def _check_thresholds(below: float, above: float) -> None:
    if not 0.0 <= below <= above <= 1.0:
        msg = (
            f"fine_tune_below={below!r} and keep_above={above!r} contradict each other; "
            "pass 0 <= fine_tune_below <= keep_above <= 1, such as 0.80 and 0.90."
        )
        raise MeasureError(msg)


def _values(values: ArrayLike | MetricTable, name: str) -> F64Array:
    if isinstance(values, MetricTable):
        if name not in values.per_query:
            msg = (
                f"the table has no {name}, only {', '.join(values.measures)}. "
                f"Evaluate with {name} among the measures, or pass measure=."
            )
            raise MeasureError(msg)
        return values.per_query[name]
    column = np.ascontiguousarray(values, dtype=np.float64)
    if column.ndim != 1 or len(column) == 0:
        msg = f"values have shape {column.shape}; pass one number per query, at least one."
        raise ShapeError(msg)
    if not np.isfinite(column).all():
        place = int(np.flatnonzero(~np.isfinite(column))[0])
        msg = f"values[{place}] is {column[place]}; drop the query, or score it 0."
        raise NonFiniteError(msg)
    if column.min() < 0.0 or column.max() > 1.0:
        msg = f"values span {column.min():g} to {column.max():g}; a measure lies in [0, 1]."
        raise ShapeError(msg)
    return column
