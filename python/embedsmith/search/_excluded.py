"""Rows that queries must not return, by the part of the corpus they are in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._validate import Exclusions, as_exclude
from embedsmith.exceptions import ShapeError

if TYPE_CHECKING:
    from embedsmith._typing import I64Array

__all__ = ["ExcludedByRow"]


class ExcludedByRow:
    """Exclusions in the order of their rows.

    Parameters
    ----------
    exclude : sequence of sequences of int, or integer ndarray
        As :func:`embedsmith.topk` takes it.
    n_queries, n_docs : int
        What it must fit.

    Raises
    ------
    ShapeError
        If there is not one list per query, or a row is none of the corpus.
    """

    _queries: I64Array
    _rows: I64Array
    _n_queries: int

    def __init__(self, exclude: Any, n_queries: int, n_docs: int) -> None:
        offsets, rows = as_exclude(exclude, n_queries)
        queries = np.repeat(np.arange(n_queries), np.diff(offsets))
        outside = (rows < 0) | (rows >= n_docs)
        if outside.any():
            first = int(np.argmax(outside))
            msg = (
                f"exclude names row {rows[first]} for query {queries[first]}, but corpus has rows "
                f"0 to {n_docs - 1}. Rows are positions in corpus, not document ids."
            )
            raise ShapeError(msg)
        order = np.argsort(rows, kind="stable")
        self._queries, self._rows, self._n_queries = queries[order], rows[order], n_queries

    def within(self, first: int, last: int) -> Exclusions | None:
        """Return the exclusions of the rows from `first` to before `last`, counted from `first`."""
        begin, end = np.searchsorted(self._rows, (first, last))
        if begin == end:
            return None
        order = np.argsort(self._queries[begin:end], kind="stable")
        counts = np.bincount(self._queries[begin:end], minlength=self._n_queries)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Exclusions(offsets, self._rows[begin:end][order] - first)
