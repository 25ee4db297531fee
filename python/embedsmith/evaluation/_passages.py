"""From the best passages to the best documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from embedsmith.search import TopK

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedsmith._typing import I64Array
    from embedsmith.datasets import Corpus, Dataset

__all__ = ["Passages", "Search", "best_documents"]


class Search(Protocol):
    """Finds the best passages, of all queries or of those at some places."""

    def __call__(self, depth: int, places: I64Array | None = None) -> TopK:
        """Return the best ``depth`` passages."""


@dataclass(frozen=True, eq=False)
class Passages:
    """Which document each passage of a corpus is a part of.

    Attributes
    ----------
    ids : tuple of str
        The documents, in the order of their first passages.
    document_of : ndarray of shape (n_passages,), int64
        Place of each passage's document in ``ids``.
    """

    ids: tuple[str, ...]
    document_of: I64Array

    @classmethod
    def of(cls, corpus: Corpus) -> Passages | None:
        """Return the passages of a corpus, or None if its texts are whole documents."""
        if corpus.documents is None:
            return None
        place: dict[str, int] = {}
        rows = [place.setdefault(one, len(place)) for one in corpus.documents]
        return cls(tuple(place), np.array(rows, dtype=np.int64))

    def documents(self, rows: I64Array) -> I64Array:
        """Return the place of each passage's document; -1 stays -1."""
        found: I64Array = np.where(rows < 0, -1, self.document_of[rows])
        return found

    def finder(self, data: Dataset, hits: TopK) -> Callable[[str, str], str]:
        """Return a function from a query and a document to the passage that stands for it.

        It is the one that was found, and the document's first where none was.
        """
        row_of = dict(zip(data.queries.ids, range(len(data.queries)), strict=True))
        # The first of each: rows are visited from the last to the first.
        first = {
            self.ids[of]: place for place, of in reversed([*enumerate(map(int, self.document_of))])
        }

        def passage(query: str, document: str) -> str:
            for row in map(int, hits.rows[row_of[query]]):
                if row >= 0 and self.ids[self.document_of[row]] == document:
                    return data.corpus.ids[row]
            return data.corpus.ids[first[document]]

        return passage


def best_documents(search: Search, passages: Passages | None, depth: int, n_queries: int) -> TopK:
    """Return the best documents of each query, each by its best passage.

    Where the best passages are of too few documents, a query is searched deeper, until it has
    ``depth`` documents, or all that the search can find.

    Parameters
    ----------
    search : callable
        Finds passages; the best 10 are the first of the best 100.
    passages : Passages or None
        None: texts are documents, and nothing is to be collapsed.
    depth : int
        Documents wanted per query.
    n_queries : int
        Queries that are searched.

    Returns
    -------
    TopK
        Rows are those of the best passages; -1 where no document is left.
    """
    if passages is None:
        return search(depth)
    n_passages = len(passages.document_of)
    wanted = min(depth, len(passages.ids))
    scores = np.full((n_queries, wanted), -np.inf, dtype=np.float32)
    rows = np.full((n_queries, wanted), -1, dtype=np.int64)
    exact = np.full((n_queries, wanted), -np.inf, dtype=np.float64)
    # As if the passages of a document stood together in the lists, which they often do.
    asked = min(n_passages, wanted * max(1, round(n_passages / len(passages.ids))))
    places = np.arange(n_queries, dtype=np.int64)
    while True:
        hits = search(asked, None if len(places) == n_queries else places)
        short = []
        for place, found in enumerate(hits.rows):
            kept = _first_of_each(passages.documents(found))[:wanted]
            query = places[place]
            rows[query, : len(kept)] = found[kept]
            scores[query, : len(kept)] = hits.scores[place, kept]
            exact[query, : len(kept)] = hits.exact[place, kept]
            # A list that ends before it is full has no more to give.
            if len(kept) < wanted and found[-1] >= 0:
                short.append(query)
        if not short or asked == n_passages or hits.rows.shape[1] < asked:
            if hits.metric == "l2":
                # A distance that nothing has is beyond all others.
                scores[rows < 0] = exact[rows < 0] = np.inf
            return TopK(scores, rows, exact, metric=hits.metric, n_docs=n_passages)
        places = np.array(short, dtype=np.int64)
        asked = min(n_passages, 2 * asked)


def _first_of_each(documents: I64Array) -> I64Array:
    """Return the positions at which a document appears first, ascending."""
    found, first = np.unique(documents, return_index=True)
    return np.sort(first[found >= 0])
