"""Is an engine's answer the exact one? Asked of numpy, in float64, for some of the queries."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from benches.vectors import Vectors

N_CHECKED = 16
BLOCK_ROWS = 65_536
# What rounding may change in the score of two vectors of length 1: a sum in float64 in another
# order; products and sums in float32, whose error grows with the root of the dimension.
EXACT = 1e-12
FLOAT32 = 3e-6


def check(vectors: Vectors, rows: np.ndarray, k: int, *, tolerance: float) -> None:
    """Fail unless each query got ``k`` different rows whose scores are the best there are.

    Rows may swap inside the tolerance, and equal vectors may stand for each other.

    Parameters
    ----------
    vectors : Vectors
        What was searched.
    rows : ndarray of shape (n_queries, k), int64
        The answer, best first.
    k : int
        Rows wanted.
    tolerance : float
        `EXACT`, or `FLOAT32` for an engine that ranks by rounded scores.
    """
    assert rows.shape == (vectors.n_queries, k)
    scores = _all_scores(vectors)
    for row, own in zip(rows, scores, strict=False):
        assert len(set(row.tolist())) == k
        best = -np.sort(np.partition(-own, k - 1)[:k])
        found = own[row]
        worst = float(np.abs(found - best).max())
        assert worst <= tolerance, f"a score is {worst:.2g} away from the exact one"


@lru_cache(maxsize=1)
def _all_scores(vectors: Vectors) -> np.ndarray:
    queries, corpus = vectors.sample(N_CHECKED)
    wide = queries.astype(np.float64)
    scores = np.empty((len(queries), vectors.n_docs))
    for start in range(0, vectors.n_docs, BLOCK_ROWS):
        block = corpus[start : start + BLOCK_ROWS].astype(np.float64)
        np.matmul(wide, block.T, out=scores[:, start : start + len(block)])
    return scores
