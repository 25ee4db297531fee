"""Seeded resamples of items, the same for every model: intervals and paired differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from embedsmith._core import constant_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from embedsmith._typing import F64Array, I64Array
    from embedsmith.metrics._table import IntervalMethod

__all__ = ["PairedDraws", "Resampling", "interval_of", "paired"]

_MOST = 10_000
_FEWEST = 1_000
# Items drawn in all: beyond 10,000 items there are fewer resamples, never under a thousand.
_BUDGET = 100_000_000
# Items drawn at a time, so that memory stays in the tens of megabytes.
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Resampling:
    """Bootstrap resamples of some items.

    Parameters
    ----------
    n_items : int
        Items to draw from, with replacement, as many as there are.
    seed : int
        Equal seeds draw equal items, whatever is measured on them.
    stream : int, default 0
        Another stream of the same seed is independent of the first.
    most : int, default 10,000
        Resamples wanted.
    """

    n_items: int
    seed: int
    stream: int = 0
    most: int = _MOST

    @property
    def n_resamples(self) -> int:
        """Number of resamples: ``most``, and fewer where there are very many items."""
        return min(self.most, max(_FEWEST, _BUDGET // max(self.n_items, 1)))

    def blocks(self) -> Iterator[I64Array]:
        """Yield how often each item was drawn, in blocks of resamples.

        Yields
        ------
        ndarray of shape (n_block, n_items), int64
            Rows sum to ``n_items``.
        """
        # Philox is counter-based: its stream does not depend on the platform.
        random = np.random.Generator(np.random.Philox([self.seed, self.stream]))
        n = self.n_items
        step = max(1, _BLOCK // n)
        for start in range(0, self.n_resamples, step):
            rows = min(step, self.n_resamples - start)
            drawn = random.integers(0, n, size=(rows, n), dtype=np.int64)
            drawn += np.arange(rows, dtype=np.int64)[:, None] * n
            yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)

    def draws(self, measure: Callable[[I64Array], F64Array]) -> F64Array:
        """Return a measure over each resample.

        Parameters
        ----------
        measure : callable
            From a block of counts to one row of values, or several, per resample.

        Returns
        -------
        ndarray of shape (n_resamples, ...), float64
            NaN where a resample leaves the measure undefined.
        """
        return np.concatenate([measure(block) for block in self.blocks()])


def interval_of(
    value: float, draws: F64Array, confidence: float, *, n_items: int | None = None
) -> tuple[tuple[float, float], IntervalMethod]:
    """Return the percentile interval of a measure over the whole set.

    Parameters
    ----------
    value : float
        Over the items as they are.
    draws : ndarray of shape (n_resamples,), float64
        Over the resamples; NaN are left out.
    confidence : float
        Level of the interval.
    n_items : int, optional
        If all resamples have one value in [-1, 1], the interval is the bound that
        :func:`embedsmith.decide` describes for as many items; without it, it has no width.

    Examples
    --------
    >>> interval_of(0.5, np.array([0.25, 0.5, np.nan, 0.75]), 0.5)
    ((0.375, 0.625), 'percentile')
    """
    defined = draws[~np.isnan(draws)]
    if not defined.size or np.ptp(defined) == 0.0:
        if n_items is None:
            return (value, value), "constant"
        low, high = constant_interval(abs(value), n_items, confidence=confidence)
        return ((low, high) if value >= 0.0 else (-high, -low)), "constant"
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return (float(low), float(high)), "percentile"


class PairedDraws(NamedTuple):
    """Difference of two models over the same resamples.

    Attributes
    ----------
    ci : (float, float)
        Percentile interval of the difference.
    p : float
        Two-sided: twice the smaller share of resamples on one side of 0, themselves counted.
    """

    ci: tuple[float, float]
    p: float


def paired(difference: float, a: F64Array, b: F64Array, confidence: float) -> PairedDraws:
    """Return the interval and the p-value of ``b - a``.

    Parameters
    ----------
    difference : float
        Over the items as they are.
    a, b : ndarray of shape (n_resamples,), float64
        Over the same resamples.
    confidence : float
        Level of the interval.

    Examples
    --------
    >>> paired(1.0, np.zeros(99), np.linspace(0.5, 1.5, 99), 0.5).p
    0.02
    """
    differences = b - a
    differences = differences[~np.isnan(differences)]
    ci, _ = interval_of(difference, differences, confidence)
    below = int(np.count_nonzero(differences <= 0.0))
    above = int(np.count_nonzero(differences >= 0.0))
    p = min(1.0, 2.0 * (min(below, above) + 1) / (differences.size + 1))
    return PairedDraws(ci, p)
