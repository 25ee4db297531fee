"""All rows that score well enough, by searches that go ever deeper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedsmith import _core
from embedsmith._validate import CorpusMatrix
from embedsmith.search._topk import search_matrix

if TYPE_CHECKING:
    from embedsmith._typing import F32Array, F64Array, I64Array, Metric

__all__ = ["rows_within"]

_FIRST_K = 64
_GROWTH = 8
# Places of one search's answer: 20 bytes each.
_MOST_PLACES = 1 << 22


def rows_within(
    queries: F32Array,
    corpus: F32Array,
    *,
    metric: Metric,
    worst: float,
    exclude: I64Array | None,
    threads: int | None,
) -> list[tuple[I64Array, F64Array]]:
    """Return all rows per query that score no worse than a limit, best first.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, dim), float32
        Borrowed.
    corpus : ndarray of shape (n_docs, dim), float32
        Borrowed.
    metric : {"cosine", "dot", "l2"}
        As in :func:`embedsmith.topk`.
    worst : float
        Canonical score, itself included.
    exclude : ndarray of shape (n_queries,), int64, optional
        One row per query that it must not find.
    threads : int, optional
        As in :func:`embedsmith.topk`.

    Returns
    -------
    list of (rows, scores)
        One pair of arrays per query, int64 and float64.
    """
    norms = _core.row_norms(corpus, threads)
    found: list[tuple[I64Array, F64Array]] = [
        (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))
    ] * len(queries)
    pending = np.arange(len(queries))
    k = min(_FIRST_K, len(corpus))
    while len(pending):
        left = []
        step = max(_MOST_PLACES // k, 1)
        for start in range(0, len(pending), step):
            block = pending[start : start + step]
            hits = search_matrix(
                queries[block],
                CorpusMatrix(corpus, None),
                norms=norms,
                k=k,
                metric=metric,
                exclude=None if exclude is None else exclude[block],
                where=None,
                threads=threads,
                at_least=np.full(len(block), worst),
            )
            counts = (hits.rows >= 0).sum(axis=1)
            for query, rows, exact, count in zip(block, hits.rows, hits.exact, counts, strict=True):
                if count == k < len(corpus):
                    left.append(query)  # there may be more
                else:
                    found[query] = rows[:count].copy(), exact[:count].copy()
        pending = np.array(left, dtype=np.int64)
        k = min(k * _GROWTH, len(corpus))
    return found
