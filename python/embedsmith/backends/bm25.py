"""BM25, the baseline that needs no model."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._deps import require
from embedsmith._validate import as_count
from embedsmith.backends._fingerprint import Fingerprint
from embedsmith.backends._texts import checked_texts
from embedsmith.exceptions import DataError, ShapeError
from embedsmith.search import TopK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import F32Array

__all__ = ["Bm25"]

_FEATURE = "The BM25 baseline"


class Bm25:
    """Ranks documents by BM25 (Lucene's variant) over stemmed English words.

    Words are runs of two or more letters or digits, in lower case, without English stop words,
    stemmed by Snowball's English stemmer. Other languages are ranked without their own stop words
    and stems. Uses one thread and no randomness.

    Parameters
    ----------
    k1 : float, default 1.2
        How soon further occurrences of a word stop counting. Lucene's default.
    b : float, default 0.75
        How much long documents are held back: 0 not at all, 1 in full. Lucene's default.

    Raises
    ------
    MissingDependencyError
        If bm25s or PyStemmer is not installed.
    ShapeError
        If ``k1`` or ``b`` is out of range.

    References
    ----------
    Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009. The
    variant is that of Lucene: idf = ln(1 + (N - n + 0.5) / (n + 0.5)), and a word's weight is
    idf * tf / (tf + k1 * (1 - b + b * length / mean length)). Computed by the library bm25s.
    """

    spec = name = "bm25"

    def __init__(self, *, k1: float = 1.2, b: float = 0.75) -> None:
        if not (k1 >= 0 and 0 <= b <= 1):
            msg = f"k1 is {k1} and b is {b}; k1 must be at least 0 and b from 0 to 1."
            raise ShapeError(msg)
        self._library = require("bm25s", extra="bm25", feature=_FEATURE)
        stemmer = require("Stemmer", extra="bm25", feature=_FEATURE)
        self._stemmer = stemmer.Stemmer("english")
        self.k1, self.b = float(k1), float(b)
        self._index: Any = None
        self._n_docs = 0
        self.fingerprint = Fingerprint(
            {
                "schema": "embedsmith.fingerprint/1",
                "backend": "bm25",
                "variant": "lucene",
                "k1": self.k1,
                "b": self.b,
                "stop_words": "english (bm25s)",
                "stemmer": "english (Snowball)",
                # The libraries decide what a word is, so their versions are part of the space.
                "bm25s": metadata.version("bm25s"),
                "PyStemmer": metadata.version("PyStemmer"),
            }
        )

    def build(self, texts: Sequence[str]) -> None:
        """Index the documents, in place of earlier ones.

        Parameters
        ----------
        texts : sequence of str
            At least one.

        Raises
        ------
        DataError
            If there is no document, or one is not a string that UTF-8 can hold.
        """
        items = checked_texts(texts)
        if not items:
            msg = "There are no documents to index. Pass at least one text."
            raise DataError(msg)
        words = self._words(items)
        self._n_docs, self._index = len(items), None
        if any(words):
            index = self._library.BM25(
                k1=self.k1, b=self.b, method="lucene", backend="numpy", csc_backend="numpy"
            )
            index.index(words, show_progress=False)
            self._index = index

    def search(self, texts: Sequence[str], k: int = 10) -> TopK:
        """Return the best ``k`` documents for each query.

        Only documents that share a word with the query are retrieved.

        Parameters
        ----------
        texts : sequence of str
            The queries.
        k : int, default 10
            Rows wanted per query.

        Returns
        -------
        TopK
            ``scores``, float32 of shape (n_queries, min(k, n_docs)), descending; equal scores: the
            lower row first. ``rows``, int64 of the same shape, positions in the documents. Places
            without a retrieved document have row -1 and score -inf.

        Raises
        ------
        ShapeError
            If ``k < 1``, or nothing was built.
        DataError
            If a query is not a string that UTF-8 can hold.
        """
        k = as_count("k", k, most=None)
        if not self._n_docs:
            msg = "Nothing is indexed yet. Call build(documents) first."
            raise ShapeError(msg)
        items = checked_texts(texts)
        width = min(k, self._n_docs)
        scores = np.full((len(items), width), -np.inf, dtype=np.float32)
        rows = np.full((len(items), width), -1, dtype=np.int64)
        if self._index is None:
            return TopK(scores, rows)
        for query, words in enumerate(self._words(items)):
            ids = self._index.get_tokens_ids(words)
            if not ids:
                continue
            every: F32Array = self._index.get_scores_from_ids(ids)
            best = _best(every, width)
            scores[query, : len(best)] = every[best]
            rows[query, : len(best)] = best
        return TopK(scores, rows)

    def close(self) -> None:
        """Drop the index."""
        self._index, self._n_docs = None, 0

    def _words(self, items: list[str]) -> list[list[str]]:
        words: list[list[str]] = self._library.tokenize(
            items,
            stopwords="english",
            stemmer=self._stemmer,
            return_ids=False,
            show_progress=False,
        )
        return words


def _best(scores: F32Array, k: int) -> Any:
    """Return the rows of the best positive scores: score descending, then row ascending."""
    rows = np.flatnonzero(scores > 0)
    if rows.size > k:
        # Every row that ties with the k-th is kept until the rows have been compared.
        threshold = np.partition(scores[rows], rows.size - k)[rows.size - k]
        rows = rows[scores[rows] >= threshold]
    order = np.lexsort((rows, -scores[rows]))
    return rows[order[:k]]
