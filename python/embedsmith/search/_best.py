"""The best places that some queries have so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedsmith.exceptions import OutOfMemoryError
from embedsmith.search._hits import TopK
from embedsmith.search._stats import SearchStats

if TYPE_CHECKING:
    from embedsmith._typing import F64Array, I64Array, Metric

__all__ = ["PLACES_AT_ONCE", "Best", "empty_places", "keep_best", "rounded", "worst"]

# Places sorted at once, so that sorting takes some 10 MB.
PLACES_AT_ONCE = 1 << 18


class Best:
    """The best places of each query over parts of a corpus that are searched one by one.

    Parameters
    ----------
    queries, width : int
        Number of queries, and of places for each.
    metric : {"cosine", "dot", "l2"}
        Which scores are the better ones.
    """

    def __init__(self, queries: int, width: int, metric: Metric) -> None:
        self._metric = metric
        self._exact, self._rows = empty_places(queries, width, metric)
        self._begun = False
        self._stats: list[SearchStats] = []

    def floor(self) -> F64Array | None:
        """Return the canonical scores below which a row cannot enter; None if any can."""
        return self._exact[:, -1].copy() if self._begun else None

    def add(self, hits: TopK, before: int) -> None:
        """Take in the hits of the part that comes after `before` rows."""
        self._begun = True
        if hits.stats is not None:
            self._stats.append(hits.stats)
        lengths = (hits.rows >= 0).sum(axis=1)
        changed = np.flatnonzero(lengths)
        width = self._rows.shape[1]
        step = max(1, PLACES_AT_ONCE // max(2 * width, 1))
        for first in range(0, len(changed), step):
            chosen = changed[first : first + step]
            longest = int(lengths[chosen].max())
            new_rows = hits.rows[chosen, :longest]
            exact = np.concatenate([self._exact[chosen], hits.exact[chosen, :longest]], axis=1)
            shifted = np.where(new_rows < 0, -1, new_rows + before)
            rows = np.concatenate([self._rows[chosen], shifted], axis=1)
            self._exact[chosen], self._rows[chosen] = keep_best(exact, rows, width, self._metric)

    def hits(self, n_docs: int, seconds: float) -> TopK:
        """Return the best of all parts, which have `n_docs` rows together and took `seconds`."""
        hits = rounded(self._exact, self._rows, self._metric, n_docs)
        if self._stats:
            hits.stats = SearchStats.joined(self._stats, seconds)
        return hits


def worst(metric: Metric) -> float:
    """Return the score of a place that no row takes."""
    return np.inf if metric == "l2" else -np.inf


def empty_places(queries: int, width: int, metric: Metric) -> tuple[F64Array, I64Array]:
    """Return canonical scores and rows of places that no row takes yet.

    Raises
    ------
    OutOfMemoryError
        If no memory holds them.
    """
    try:
        exact = np.full((queries, width), worst(metric), dtype=np.float64)
        return exact, np.full((queries, width), -1, dtype=np.int64)
    except (MemoryError, ValueError) as error:
        msg = (
            f"the answer needs {16 * queries * width} bytes, which this machine does not have. "
            "Ask for less at once: fewer queries a call, or a smaller k."
        )
        raise OutOfMemoryError(msg) from error


def keep_best(
    exact: F64Array, rows: I64Array, width: int, metric: Metric
) -> tuple[F64Array, I64Array]:
    """Return the best ``width`` places of each line: by canonical score, then by row."""
    order = np.lexsort((rows, exact if metric == "l2" else -exact), axis=-1)[:, :width]
    return np.take_along_axis(exact, order, axis=1), np.take_along_axis(rows, order, axis=1)


def rounded(exact: F64Array, rows: I64Array, metric: Metric, n_docs: int | None) -> TopK:
    """Return hits whose scores are the canonical ones as float32 keeps them."""
    with np.errstate(over="ignore"):
        return TopK(exact.astype(np.float32), rows, exact, metric=metric, n_docs=n_docs)
