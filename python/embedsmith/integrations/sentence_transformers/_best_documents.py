"""The best documents of a corpus that comes in chunks, under any score function."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._deps import require
from embedsmith._validate import is_tensor
from embedsmith.exceptions import NonFiniteError, ShapeError
from embedsmith.integrations._similarities import as_similarities
from embedsmith.integrations.sentence_transformers._embeddings import beside
from embedsmith.integrations.sentence_transformers._score_functions import known_metric
from embedsmith.search import TopK, topk
from embedsmith.search._best import Best

if TYPE_CHECKING:
    from embedsmith._typing import F64Array, I64Array
    from embedsmith.integrations.sentence_transformers._score_functions import ScoreFunction

__all__ = ["BestDocuments"]

# Scores of a function that is not ours, held at once.
_SCORES_AT_ONCE = 1 << 22


class BestDocuments:
    """Keeps the best documents per query while a corpus is embedded chunk by chunk.

    What it holds does not grow with the corpus: the best places of each query, and while a chunk
    is searched what :func:`embedsmith.topk` needs, or 4 million scores of a foreign function.

    Parameters
    ----------
    score_function : callable
        Cosine, dot product and Euclidean distance, of sentence-transformers or a model, are
        searched exactly; any other is called on blocks of queries with a chunk's documents.
    queries : tensor or ndarray of shape (n_queries, dim)
        Embeddings.
    width : int
        Documents wanted per query.
    """

    def __init__(self, score_function: ScoreFunction, queries: Any, width: int) -> None:
        self._function = score_function
        self._metric = known_metric(score_function)
        self._queries = queries
        # A foreign function's scores are similarities: larger is better.
        self._best = Best(len(queries), width, self._metric or "dot")
        self._width = width
        self._n_docs = 0
        self._began = time.perf_counter()

    def add(self, documents: Any, ranks: I64Array) -> None:
        """Search a chunk.

        Parameters
        ----------
        documents : tensor or ndarray of shape (n_docs, dim)
            Embeddings.
        ranks : ndarray of shape (n_docs,), int64
            The place of each document in the order in which equal scores are ranked.

        Raises
        ------
        NonFiniteError
            If an embedding or a score is NaN or infinite.
        ShapeError
            If a foreign function returns no matrix of scores.
        """
        self._n_docs += len(documents)
        order = np.argsort(ranks)
        if (order[1:] < order[:-1]).any():
            # The search ranks equal scores by row.
            documents, ranks = _rows(documents, order), ranks[order]
        queries = beside(documents, self._queries)
        if self._metric is None:
            hits = self._by_function(queries, documents)
        else:
            hits = topk(queries, documents, k=self._width, metric=self._metric)
        rows = np.where(hits.rows < 0, -1, ranks[hits.rows])
        self._best.add(TopK(hits.scores, rows, hits.exact), 0)

    def hits(self) -> TopK:
        """Return the best documents per query: similarities, and their ranks as rows."""
        hits = self._best.hits(self._n_docs, time.perf_counter() - self._began)
        return hits if self._metric is None else as_similarities(hits, self._metric)

    def _by_function(self, queries: Any, documents: Any) -> TopK:
        width = min(self._width, len(documents))
        exact = np.empty((len(queries), width), dtype=np.float64)
        rows = np.empty((len(queries), width), dtype=np.int64)
        step = max(1, _SCORES_AT_ONCE // len(documents))
        for first in range(0, len(queries), step):
            block = queries[first : first + step]
            scores = self._function(block, documents)
            expected = (len(block), len(documents))
            if not is_tensor(scores) or tuple(scores.shape) != expected:
                seen = getattr(scores, "shape", type(scores).__name__)
                msg = (
                    f"the score function returned {seen} for {expected[0]} queries and "
                    f"{expected[1]} documents; a tensor of shape {expected} is expected."
                )
                raise ShapeError(msg)
            if not bool(scores.isfinite().all()):
                msg = (
                    "the score function returned NaN or infinity, which have no place in a "
                    "ranking. Look for such numbers in the embeddings: a learning rate that is too "
                    "high is the usual cause."
                )
                raise NonFiniteError(msg)
            found = _best_columns(scores.detach(), width)
            exact[first : first + step], rows[first : first + step] = found
        with np.errstate(over="ignore"):
            return TopK(exact.astype(np.float32), rows, exact)


def _rows(matrix: Any, order: I64Array) -> Any:
    if not is_tensor(matrix):
        return matrix[order]
    torch = require("torch", extra="st", feature="The evaluator")
    return matrix[torch.as_tensor(order, device=matrix.device)]


def _best_columns(scores: Any, width: int) -> tuple[F64Array, I64Array]:
    """Return the best scores of each line with their columns; of equal scores, the lower ones."""
    values, columns = scores.topk(width, dim=1, sorted=False)
    worst = values.min(dim=1, keepdim=True).values
    # torch keeps any of those that tie at the cut.
    tied = ((scores >= worst).sum(dim=1) > width).nonzero()[:, 0].tolist()
    exact = values.cpu().double().numpy()
    rows = columns.cpu().numpy().copy()
    for line in tied:
        own = scores[line].cpu().double().numpy()
        rows[line] = np.lexsort((np.arange(len(own)), -own))[:width]
        exact[line] = own[rows[line]]
    # A search's hits are in order.
    order = np.lexsort((rows, -exact), axis=-1)
    return np.take_along_axis(exact, order, axis=1), np.take_along_axis(rows, order, axis=1)
