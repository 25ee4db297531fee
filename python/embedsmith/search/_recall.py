"""How much of the exact answer another index finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from embedsmith import _core
from embedsmith._phrases import counted
from embedsmith._validate import as_count
from embedsmith.exceptions import DataError, MeasureError, ShapeError
from embedsmith.search._result_rows import HOLE, result_rows
from embedsmith.search._topk import TopK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import BoolArray, F64Array, I64Array

__all__ = ["IndexRecall", "recall_of"]


@dataclass(frozen=True, eq=False, repr=False)
class IndexRecall:
    """Recall of an index against the exact answer: per query, and what it is made of.

    Attributes
    ----------
    k : int
        Places of the exact answer that the index had to find.
    depth : int
        Places of the index's answer that were looked at.
    per_query : ndarray of shape (n_queries,), float64
        Share of the exact top ``k`` among the index's first ``depth``, in [0, 1]; read-only. 1 for
        a query to which no row is an answer.
    tie_aware : ndarray of shape (n_queries,), float64, or None
        The same, where any row that ties with the last place counts as right: which of them is
        returned is the index's order of ties, and no loss. None if ``exact`` holds no scores, or
        no places beyond ``k`` in which a tie could be seen.
    n_open_ties : int
        Queries whose tie runs up to the last place of ``exact`` and perhaps beyond, and whose
        ``tie_aware`` below 1 is therefore a lower bound. Search ``exact`` wider to close them.
    n_unfilled : int
        Places that the index left empty among its first ``depth``, over all queries.
    n_repeated : int
        Places that repeat a row, over all queries; a repeated row counts once.
    """

    k: int
    depth: int
    per_query: F64Array
    tie_aware: F64Array | None
    n_open_ties: int
    n_unfilled: int
    n_repeated: int

    @property
    def mean(self) -> float:
        """Mean recall over the queries, never rounded."""
        return _core.mean(self.per_query)

    @property
    def mean_tie_aware(self) -> float | None:
        """Mean of ``tie_aware``; what it is above ``mean`` was lost to the order of ties alone."""
        return None if self.tie_aware is None else _core.mean(self.tie_aware)

    @property
    def lowest(self) -> float:
        """Recall of the worst query."""
        return float(self.per_query.min())

    @property
    def perfect(self) -> float:
        """Share of the queries whose answer is complete."""
        return float((self.per_query == 1.0).mean())

    def interval(
        self, *, confidence: float = 0.95, n_resamples: int = 10_000, seed: int = 0
    ) -> tuple[float, float]:
        """Return the confidence interval of ``mean``, the queries being a sample.

        The bias-corrected and accelerated bootstrap of :func:`embedsmith.evaluate_run`, and its
        bound where all queries have one recall.

        Parameters
        ----------
        confidence : float, default 0.95
            Coverage, between 0 and 1.
        n_resamples : int, default 10_000
            Bootstrap resamples of the queries.
        seed : int, default 0
            Seed of the resamples.

        Returns
        -------
        (float, float)
            Lower and upper end.

        Raises
        ------
        MeasureError
            If ``confidence`` is not between 0 and 1.
        ShapeError
            If ``n_resamples`` or ``seed`` is out of range.
        """
        if not 0.0 < confidence < 1.0:
            msg = f"confidence={confidence!r} is not between 0 and 1; pass 0.95 for 95 %."
            raise MeasureError(msg)
        ((low, high, method),) = _core.bootstrap_intervals(
            self.per_query[None, :],
            confidence=confidence,
            n_resamples=as_count("n_resamples", n_resamples),
            seed=as_count("seed", seed, least=0),
            threads=None,
        )
        if method == "constant":
            return _core.constant_interval(
                float(self.per_query[0]), len(self.per_query), confidence=confidence
            )
        return low, high

    def __repr__(self) -> str:
        at = f"recall@{self.k}" if self.depth == self.k else f"recall {self.k}@{self.depth}"
        ties = "" if self.mean_tie_aware is None else f", tie-aware {self.mean_tie_aware:.4f}"
        return (
            f"IndexRecall({counted(len(self.per_query), 'query', 'queries')}: "
            f"{at} {self.mean:.4f}{ties}, lowest {self.lowest:.4f}, perfect {self.perfect:.4f})"
        )


def recall_of(
    index_results: Any,
    exact: Any,
    *,
    k: int | None = None,
    depth: int | None = None,
    ids: Sequence[Any] | np.ndarray[Any, Any] | None = None,
) -> IndexRecall:
    """Return how much of the exact answer another index found.

    Compares rows only: how the index scores them is its own affair. It does not search.

    Parameters
    ----------
    index_results : TopK, integer array of shape (n_queries, width), or sequence of sequences
        What the index returned, best first: the rows alone, which are the second result of faiss
        and the first of hnswlib. -1 marks an empty place. Lists may differ in length.
    exact : TopK, or integer array of shape (n_queries, width)
        The truth, such as :func:`embedsmith.topk` returns it for the same queries. A TopK wider
        than ``k`` tells what was lost to ties alone.
    k : int, optional
        Places of ``exact`` to find. May be left out if both are equally wide.
    depth : int, optional
        Places of ``index_results`` to look at; ``k`` by default. More than ``k`` measures the
        candidates of an index whose answer is scored again: "10@100" is ``k=10, depth=100``.
    ids : sequence of shape (n_docs,), optional
        The index's id of each row, where it knows rows by other names, as a vector database does.
        None in ``index_results`` then marks an empty place too.

    Returns
    -------
    IndexRecall
        Recall per query, its mean, minimum and interval, and what was lost to ties.

    Raises
    ------
    ShapeError
        If the arrays do not hold one list of rows per query each, their widths differ and ``k`` is
        not given, or ``k`` is more than ``exact`` holds.
    DataError
        If a row occurs twice in a query's exact answer, or an id twice in ``ids``, or the index
        returned an id that ``ids`` does not hold, or there are fewer ids than rows.

    Notes
    -----
    Equal vectors have equal scores, and an index may return either of them; ``mean`` counts that
    against it, since its answer is another one. ``mean_tie_aware`` does not: rows whose canonical
    score equals that of place ``k`` are worth the same.

    Examples
    --------
    >>> import numpy as np
    >>> import embedsmith as es
    >>> corpus = np.array([[1.0, 0.0], [0.6, 0.8], [0.6, 0.8], [0.0, 1.0]], dtype=np.float32)
    >>> exact = es.topk([[1.0, 0.1]], corpus, k=3)
    >>> exact.rows
    array([[0, 1, 2]])
    >>> found = np.array([[0, 2]])  # row 2 is as good as row 1
    >>> recall = es.recall_of(found, exact, k=2)
    >>> recall.mean, recall.mean_tie_aware
    (0.5, 1.0)

    A vector database knows documents by its own ids:

    >>> es.recall_of([["a", "d"]], exact, k=2, ids=["a", "b", "c", "d"])
    IndexRecall(1 query: recall@2 0.5000, tie-aware 0.5000, lowest 0.5000, perfect 0.0000)
    """
    truth = result_rows("exact", exact)
    found = result_rows("index_results", index_results, ids)
    if ids is not None and truth.max(initial=HOLE) >= len(ids):
        msg = (
            f"exact holds row {truth.max()}, but there are {len(ids)} ids. Pass one id per row of "
            "the corpus, in its order."
        )
        raise DataError(msg)
    if len(found) != len(truth) or not len(truth):
        msg = (
            f"index_results are for {len(found)} queries and exact is for {len(truth)}. "
            "Pass the answers to the same queries, one at least."
        )
        raise ShapeError(msg)
    k, depth = _places(k, depth, found.shape[1], truth.shape[1])
    found = found[:, :depth]
    matches = _match(truth, found)
    filled = truth[:, :k] != HOLE
    wanted = filled.sum(axis=1)
    scores = exact.exact if isinstance(exact, TopK) and truth.shape[1] > k else None
    tie_aware, n_open = None, 0
    if scores is not None:
        tied = _ties_at(truth, scores, k)
        certain = (matches.found[:, :k] & ~tied[:, :k]).sum(axis=1)
        ties = np.minimum((matches.found & tied).sum(axis=1), tied[:, :k].sum(axis=1))
        tie_aware = _shares(certain + ties, wanted)
        n_open = int((tied[:, -1] & (tie_aware < 1.0)).sum())
    return IndexRecall(
        k=k,
        depth=depth,
        per_query=_shares(matches.found[:, :k].sum(axis=1), wanted),
        tie_aware=tie_aware,
        n_open_ties=n_open,
        n_unfilled=int((found == HOLE).sum() + len(found) * (depth - found.shape[1])),
        n_repeated=matches.n_repeated,
    )


def _places(k: int | None, depth: int | None, found: int, truth: int) -> tuple[int, int]:
    """Return how many places of each side count."""
    if k is None:
        if found != truth:
            msg = (
                f"index_results are {found} wide and exact is {truth} wide. Say how many places "
                f"of exact are to be found: pass k={min(found, truth)}, for recall@"
                f"{min(found, truth)}."
            )
            raise ShapeError(msg)
        k = truth
    k = as_count("k", k)
    if k > truth:
        msg = (
            f"k={k}, but exact is {truth} wide. Search it with k={k} or more, or pass k={truth}. "
            "A corpus of fewer rows has no more places."
        )
        raise ShapeError(msg)
    depth = k if depth is None else as_count("depth", depth)
    if depth < k:
        msg = f"depth={depth} is less than k={k}: so few places cannot hold k rows; pass more."
        raise ShapeError(msg)
    return k, depth


class _Matches(NamedTuple):
    found: BoolArray
    n_repeated: int


def _match(truth: I64Array, found: I64Array) -> _Matches:
    """Return which places of the truth were found, and how many places found repeat a row."""
    width = truth.shape[1]
    # Sorted together, with the truth before what was found: a place is followed by its equal.
    both = np.concatenate([truth, found], axis=1)
    order = np.argsort(both, axis=1, kind="stable")
    sorted_rows = np.take_along_axis(both, order, axis=1)
    equal = (sorted_rows[:, :-1] == sorted_rows[:, 1:]) & (sorted_rows[:, :-1] != HOLE)
    twice = equal & (order[:, 1:] < width)
    if twice.any():
        query, place = (int(at[0]) for at in np.nonzero(twice))
        msg = (
            f"exact holds row {sorted_rows[query, place]} twice for query {query}. Pass the answer "
            "of an exact search, in which every row occurs once."
        )
        raise DataError(msg)
    followed = np.zeros(both.shape, dtype=np.bool_)
    np.put_along_axis(followed, order[:, :-1], equal, axis=1)
    return _Matches(followed[:, :width], int(followed[:, width:].sum()))


def _ties_at(truth: I64Array, scores: F64Array, k: int) -> BoolArray:
    """Return which places tie with place ``k``."""
    # An empty place k ties with empty places only: every row that there is was wanted.
    tied: BoolArray = (scores == scores[:, k - 1 : k]) & (truth != HOLE)
    return tied


def _shares(counts: I64Array, wanted: I64Array) -> F64Array:
    shares = np.ones(len(counts), dtype=np.float64)
    np.divide(counts, wanted, out=shares, where=wanted > 0)
    shares.flags.writeable = False
    return shares
