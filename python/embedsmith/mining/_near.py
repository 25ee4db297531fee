"""Candidates that say what a positive says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from embedsmith._typing import BoolArray, F32Array, F64Array, I64Array
    from embedsmith.mining._lists import RowLists
    from embedsmith.mining._texts import Shingles
    from embedsmith.mining._vectors import CorpusVectors

__all__ = ["near_by_cosine", "near_by_shingles"]

_PAIRS = 1_024


def near_by_cosine(
    vectors: CorpusVectors, rows: I64Array, owners: I64Array, positives: RowLists, limit: float
) -> BoolArray:
    """Tell which rows have a cosine of at least ``limit`` to a positive of their owner."""
    near = np.zeros(len(rows), dtype=bool)
    counts = positives.counts[owners]
    ends = np.cumsum(counts)
    first = 0
    while first < len(rows):
        before = int(ends[first] - counts[first])
        last = int(np.searchsorted(ends, before + _PAIRS, side="right"))
        last = max(last, first + 1)
        span = np.arange(first, last)
        lists = positives.take(owners[span])
        candidate = np.repeat(np.arange(len(span)), lists.counts)
        cosine = _cosines(vectors, rows[span], candidate, lists.rows)
        hit = cosine >= limit
        near[span] = np.bincount(candidate[hit], minlength=len(span)) > 0
        first = last
    return near


def _cosines(
    vectors: CorpusVectors, rows: I64Array, candidate: I64Array, others: I64Array
) -> F64Array:
    distinct, place = np.unique(others, return_inverse=True)
    a, b = vectors.gather(rows), vectors.gather(distinct)
    products = np.einsum("ij,ij->i", a[candidate], b[place.reshape(-1)], dtype=np.float64)
    lengths = _lengths(a)[candidate] * _lengths(b)[place.reshape(-1)]
    # Rounded, so that a limit of 1.0 meets equal vectors.
    cosines: F64Array = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return np.round(cosines, 9)


def _lengths(block: F32Array) -> F64Array:
    lengths: F64Array = np.sqrt(np.einsum("ij,ij->i", block, block, dtype=np.float64))
    return lengths


def near_by_shingles(
    shingles: Shingles, rows: I64Array, owners: I64Array, positives: RowLists, limit: float
) -> BoolArray:
    """Tell which rows share at least ``limit`` of their shingles with a positive of their owner."""
    return np.fromiter(
        (
            any(shingles.similarity(row, other) >= limit for other in positives.at(owner).tolist())
            for row, owner in zip(rows.tolist(), owners.tolist(), strict=True)
        ),
        dtype=bool,
        count=len(rows),
    )
