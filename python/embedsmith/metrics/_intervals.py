"""Confidence intervals of values of your own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

from embedsmith import _core
from embedsmith._validate import as_count
from embedsmith.exceptions import ShapeError
from embedsmith.metrics._evaluate import N_RESAMPLES
from embedsmith.metrics._inputs import check_choice
from embedsmith.metrics._samples import as_values, share

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Interval", "IntervalKind", "mean_interval", "wilson_interval"]

IntervalKind: TypeAlias = Literal["bca", "percentile", "t"]


class Interval(NamedTuple):
    """The ends of a confidence interval.

    Attributes
    ----------
    low, high : float
        Its ends.
    method : str
        How it was computed: ``"bca"``, ``"percentile"``, ``"t"``, ``"wilson"``, or ``"constant"``
        where all values are equal, so that it has no width.
    """

    low: float
    high: float
    method: str


def mean_interval(
    values: ArrayLike,
    *,
    method: IntervalKind = "bca",
    confidence: float = 0.95,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    threads: int | None = None,
) -> Interval:
    """Return a confidence interval of the mean of some values.

    It holds at one moment, chosen beforehand; to look again and again there is
    :func:`confidence_sequence`.

    Parameters
    ----------
    values : array_like of shape (n,)
        One per query.
    method : {"bca", "percentile", "t"}, default "bca"
        Bootstrap, bias-corrected and accelerated [1]_; bootstrap percentiles as they are; or
        Student's distribution, which needs two values and many to be right about skewed ones.
    confidence : float, default 0.95
        Coverage, between 0 and 1.
    n_resamples : int, default 10_000
        Bootstrap resamples.
    seed : int, default 0
        Seed of the resamples, from 0 to 2**64 - 1.
    threads : int, optional
        Threads to use; the result does not depend on them. All cores by default.

    Returns
    -------
    Interval
        Its method is ``"percentile"`` where the correction of ``"bca"`` is not defined.

    Raises
    ------
    MeasureError
        If there is no such method, or ``confidence`` is not between 0 and 1.
    NonFiniteError
        If a value is NaN or infinite.
    ShapeError
        If there are too few values, or a count is out of range.

    References
    ----------
    .. [1] B. Efron, "Better bootstrap confidence intervals", JASA 82(397), 1987.

    Examples
    --------
    >>> mean_interval([0.25, 0.5, 0.75, 1.0] * 25, method="percentile", seed=1).method
    'percentile'
    >>> low, high, _ = mean_interval([1.0, 2.0, 3.0], method="t")
    >>> round(low, 3), round(high, 3)
    (-0.484, 4.484)
    """
    check_choice("method", method, get_args(IntervalKind))
    confidence = share("confidence", confidence, example=0.95)
    n_resamples = as_count("n_resamples", n_resamples)
    seed = as_count("seed", seed, least=0)
    threads = None if threads is None else as_count("threads", threads)
    column = as_values("values", values, least=2 if method == "t" else 1)
    if method == "t":
        low, high = _core.t_interval(column, confidence=confidence)
        return Interval(low, high, "constant" if low == high else "t")
    (found,) = _core.bootstrap_intervals(
        column[None],
        confidence=confidence,
        n_resamples=n_resamples,
        seed=seed,
        threads=threads,
        percentile=method == "percentile",
    )
    return Interval(*found)


def wilson_interval(successes: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Return Wilson's interval of a share, which also works near 0 and 1.

    Parameters
    ----------
    successes : int
        How many of them succeeded: queries with a hit, for Success@k.
    n : int
        How many there were, at least 1.
    confidence : float, default 0.95
        Coverage, between 0 and 1.

    Returns
    -------
    Interval
        Within [0, 1], and never without width.

    Raises
    ------
    MeasureError
        If ``confidence`` is not between 0 and 1.
    ShapeError
        If there is no trial, or there are more successes than trials.

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
       JASA 22(158), 1927.

    Examples
    --------
    >>> low, high, _ = wilson_interval(81, 263)
    >>> round(low, 4), round(high, 4)
    (0.2553, 0.3662)
    """
    confidence = share("confidence", confidence, example=0.95)
    n = as_count("n", n)
    successes = as_count("successes", successes, least=0)
    if successes > n:
        msg = f"{successes} successes of {n} are too many; pass successes first, then all."
        raise ShapeError(msg)
    return Interval(*_core.wilson_interval(successes, n, confidence=confidence), "wilson")
