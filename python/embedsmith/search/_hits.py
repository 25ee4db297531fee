"""What a search returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from typing_extensions import Self

    from embedsmith._typing import F32Array, F64Array, I64Array, Metric
    from embedsmith.search._stats import SearchStats

__all__ = ["TopK"]


class _Pair(NamedTuple):
    scores: F32Array
    rows: I64Array


class TopK(_Pair):
    """Hits per query, best first: a pair that unpacks as ``scores, rows``.

    Attributes
    ----------
    scores : ndarray of shape (n_queries, width), float32
        Similarities, descending; for ``metric="l2"`` squared distances, ascending. ``-inf``
        (``inf`` for l2) where no row is left.
    rows : ndarray of shape (n_queries, width), int64
        Positions in the corpus; -1 where no row is left.
    exact : ndarray of shape (n_queries, width), float64
        The canonical scores, which decide the order; ``scores`` is what float32 keeps of them.
    stats : SearchStats or None
        What the search took, if it was asked to tell.
    metric : {"cosine", "dot", "l2"} or None
        How the vectors were compared; None if the hits were put together by hand.
    n_docs : int or None
        Rows of the corpus that was searched, likewise. Hits that are narrower than that were cut
        at ``k``: what comes after them is unknown, which :func:`embedsmith.merge_topk` heeds.
    """

    exact: F64Array
    stats: SearchStats | None
    metric: Metric | None
    n_docs: int | None

    def __new__(
        cls,
        scores: F32Array,
        rows: I64Array,
        exact: F64Array | None = None,
        stats: SearchStats | None = None,
        *,
        metric: Metric | None = None,
        n_docs: int | None = None,
    ) -> Self:
        """Join the arrays of one search; without ``exact``, the scores are taken as they are."""
        hits = super().__new__(cls, scores, rows)
        hits.exact = scores.astype("float64") if exact is None else exact
        hits.stats = stats
        hits.metric = metric
        hits.n_docs = n_docs
        return hits

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        positional = (self.scores, self.rows, self.exact, self.stats)
        return positional, {"metric": self.metric, "n_docs": self.n_docs}
