"""Intervals that stay true however often one looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith import _core
from embedsmith._deps import require
from embedsmith._validate import as_count
from embedsmith.exceptions import MeasureError, ShapeError
from embedsmith.metrics._samples import as_values, share

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from embedsmith._typing import F64Array, Json

__all__ = ["ConfidenceSequence", "confidence_sequence"]

START = 100
TIGHTEST_AT = 500


@dataclass(frozen=True, eq=False, repr=False)
class ConfidenceSequence:
    """One interval of a mean per moment, all of which hold at once.

    Attributes
    ----------
    centre, low, high : ndarray of shape (n,), float64
        Estimate and ends after the first, second ... n-th value; read-only. Before ``start`` the
        ends are infinite, or the bounds.
    n : int
        Values seen.
    confidence : float
        Probability that the mean lies in all intervals at once.
    start, tightest_at, bounds
        The arguments that the numbers depend on.
    """

    centre: F64Array
    low: F64Array
    high: F64Array
    n: int
    confidence: float
    start: int
    tightest_at: int
    bounds: tuple[float, float] | None

    def __repr__(self) -> str:
        low, high = self.last
        return f"ConfidenceSequence({low:.4f} to {high:.4f} after {self.n:,} values)"

    @property
    def last(self) -> tuple[float, float]:
        """The interval after the last value."""
        return float(self.low[-1]), float(self.high[-1])

    def decided(self, value: float = 0.0) -> int | None:
        """Return after how many values an interval first left a value out.

        Parameters
        ----------
        value : float, default 0.0
            Such as no difference, or a threshold.

        Returns
        -------
        int or None
            From 1 on; None while all intervals hold it. The mean differs from it with the
            confidence of the sequence, though one looked every day until it was so.
        """
        outside = np.flatnonzero((value < self.low) | (self.high < value))
        return int(outside[0]) + 1 if len(outside) else None

    def to_dict(self) -> Json:
        """Return the sequence as JSON-ready values.

        Returns
        -------
        dict
            The attributes; an end that is infinite is None, for JSON has no infinity.
        """
        ends = {
            name: [value if np.isfinite(value) else None for value in column.tolist()]
            for name, column in (("low", self.low), ("high", self.high))
        }
        return {
            "centre": self.centre.tolist(),
            **ends,
            "n": self.n,
            "confidence": self.confidence,
            "start": self.start,
            "tightest_at": self.tightest_at,
            "bounds": None if self.bounds is None else list(self.bounds),
        }

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per value.

        Returns
        -------
        pandas.DataFrame
            Columns ``centre``, ``low``, ``high``; the index counts the values from 1.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas: Any = require("pandas", extra="data", feature="ConfidenceSequence.to_pandas")
        index = pandas.RangeIndex(1, self.n + 1, name="n")
        columns = {"centre": self.centre, "low": self.low, "high": self.high}
        frame: pd.DataFrame = pandas.DataFrame(columns, index=index)
        return frame


def confidence_sequence(
    values: ArrayLike,
    *,
    confidence: float = 0.95,
    bounds: tuple[float, float] | None = None,
    start: int | None = None,
    tightest_at: int = TIGHTEST_AT,
) -> ConfidenceSequence:
    """Return intervals of a mean that hold after every value at once.

    An ordinary 95 % interval, looked at every day until it excludes 0, excludes it wrongly far
    more often than in 5 % of all cases. These do not, so a team may look as often as it likes and
    stop when it has seen enough. They are wider for it.

    Parameters
    ----------
    values : array_like of shape (n,)
        Values in the order in which they came, independent of each other: a measure per labelled
        query, or the differences of two runs.
    confidence : float, default 0.95
        Probability that the mean lies in all intervals at once.
    bounds : (float, float), optional
        Least and largest value there can be, such as ``(0, 1)`` for a measure or ``(-1, 1)`` for a
        difference. With bounds the promise holds for every number of values and however skewed
        they are; without, from ``start`` on and in the limit, with narrower intervals.
    start : int, optional
        Values before which nothing is said: 100 by default, 1 with bounds.
    tightest_at : int, default 500
        Number of values at which the intervals are to be tightest, without bounds: when you
        expect to decide.

    Returns
    -------
    ConfidenceSequence
        Centre and ends per value.

    Raises
    ------
    MeasureError
        If ``confidence`` is not between 0 and 1, or the bounds are in the wrong order.
    NonFiniteError
        If a value is NaN or infinite.
    ShapeError
        If there is no value, one lies outside the bounds, or a count is out of range.

    Notes
    -----
    Without bounds, the asymptotic confidence sequence of [1]_, theorem 2.2: mean plus or minus
    ``deviation * sqrt(2 * (t * rho**2 + 1) / (t * rho)**2 * log(sqrt(t * rho**2 + 1) / alpha))``,
    with the rho that is best at ``tightest_at``. As long as all values are equal their deviation
    is not known, and the intervals are infinite. In simulations of 5,000 looks from the 100th value
    on, 3 to 5 % of the sequences missed the mean for normal, symmetric and paired differences,
    but 7 % for a mean of 0.9 of zeros and ones, and 10 % for 0.95: start at 200 there, or pass
    the bounds.

    With bounds, the empirical-Bernstein sequence of [2]_, theorem 2, and the intersection of all
    intervals so far. Its centre is a weighted mean.

    References
    ----------
    .. [1] I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas, "Time-uniform central
       limit theory and asymptotic confidence sequences", Annals of Statistics 52(6), 2024.
    .. [2] I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by betting",
       JRSS B 86(1), 2024.

    Examples
    --------
    >>> differences = [0.5, 0.0, 0.0, -0.25, 0.5] * 80
    >>> found = confidence_sequence(differences)
    >>> found.decided(), found
    (100, ConfidenceSequence(0.1044 to 0.1956 after 400 values))
    """
    confidence = share("confidence", confidence, example=0.95)
    column = as_values("values", values)
    if bounds is not None:
        bounds = _checked(bounds, column)
    first = (START if bounds is None else 1) if start is None else as_count("start", start)
    tightest_at = as_count("tightest_at", tightest_at)
    found = _core.confidence_sequence(
        column,
        confidence=confidence,
        start=first,
        tightest_at=float(tightest_at),
        bounds=bounds,
    )
    for array in found:
        array.flags.writeable = False
    return ConfidenceSequence(*found, len(column), confidence, first, tightest_at, bounds)


def _checked(bounds: tuple[float, float], column: F64Array) -> tuple[float, float]:
    least, most = map(float, bounds)
    if not -np.inf < least < most < np.inf:
        msg = f"bounds={bounds!r} are no bounds; pass the least and the largest value, (0, 1)."
        raise MeasureError(msg)
    outside = np.flatnonzero((column < least) | (column > most))
    if len(outside):
        place = int(outside[0])
        msg = f"values[{place}] is {column[place]:g}, outside {least:g} to {most:g}; widen bounds."
        raise ShapeError(msg)
    return least, most
