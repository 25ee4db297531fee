"""``semantic_search``, as sentence-transformers calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

import numpy as np

from embedsmith._validate import as_count
from embedsmith.exceptions import MeasureError
from embedsmith.integrations._similarities import SIMILARITIES, as_similarities
from embedsmith.integrations.sentence_transformers._embeddings import beside, matrix
from embedsmith.integrations.sentence_transformers._score_functions import known_metric
from embedsmith.search import TopK, topk

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import Enum

    from embedsmith._typing import Metric

__all__ = ["semantic_search"]

Hits: TypeAlias = list[list[dict[str, int | float]]]


@overload
def semantic_search(
    query_embeddings: Any,
    corpus_embeddings: Any,
    query_chunk_size: int = ...,
    corpus_chunk_size: int = ...,
    top_k: int = ...,
    score_function: str | Enum | Callable[..., Any] = ...,
    *,
    as_arrays: Literal[False] = ...,
    threads: int | None = ...,
) -> Hits: ...
@overload
def semantic_search(
    query_embeddings: Any,
    corpus_embeddings: Any,
    query_chunk_size: int = ...,
    corpus_chunk_size: int = ...,
    top_k: int = ...,
    score_function: str | Enum | Callable[..., Any] = ...,
    *,
    as_arrays: Literal[True],
    threads: int | None = ...,
) -> TopK: ...
def semantic_search(  # noqa: PLR0917  # their arguments, in their order
    query_embeddings: Any,
    corpus_embeddings: Any,
    query_chunk_size: int = 100,
    corpus_chunk_size: int = 500_000,
    top_k: int = 10,
    score_function: str | Enum | Callable[..., Any] = "cosine",
    *,
    as_arrays: bool = False,
    threads: int | None = None,
) -> Hits | TopK:
    """Return the best ``top_k`` corpus rows for each query, as sentence-transformers does.

    The search is exact, and its answer is the same for any chunk size, thread and machine.

    Parameters
    ----------
    query_embeddings : array_like or tensor of shape (n_queries, dim), or a list of vectors
        A single vector is one query. Rounded to float32 where it holds more; moved to the device
        of ``corpus_embeddings``.
    corpus_embeddings : array_like or tensor of shape (n_docs, dim), or a list of vectors
        Likewise. A matrix or a tensor is borrowed as in :func:`embedsmith.topk`, a list is copied.
    query_chunk_size, corpus_chunk_size : int, default 100 and 500_000
        Taken so that calls need no change. They bound the memory of sentence-transformers, which
        holds a chunk's scores; no such matrix exists here, and the answer does not depend on them.
    top_k : int, default 10
        Rows wanted per query; all rows, if there are fewer.
    score_function : callable or str, default "cosine"
        ``util.cos_sim``, ``util.dot_score`` or ``util.euclidean_sim`` of sentence-transformers, a
        model's ``similarity``, or their names "cosine", "dot" and "euclidean".
    as_arrays : bool, default False
        Return arrays, without a dict per hit: its time and memory grow with the hits.
    threads : int, optional
        Defaults as in :func:`embedsmith.topk`.

    Returns
    -------
    list of list of dict, or TopK
        Per query the dicts ``{"corpus_id": int, "score": float}``, best first. With ``as_arrays``
        the same numbers as ``rows`` and ``scores``, of shape (n_queries, min(top_k, n_docs)).
        Scores are float32 and descend: ``"euclidean"`` is the negative distance.

    Raises
    ------
    MeasureError
        If ``score_function`` is any other: it would have to be called on all pairs.
    ShapeError
        If the widths differ, an argument is no matrix of numbers, a tensor is sparse, or a count
        is less than 1.
    NonFiniteError
        If an embedding holds NaN or infinity.
    DeviceError
        As in :func:`embedsmith.topk`.

    Notes
    -----
    What differs from sentence-transformers: equal scores are ordered by row; scores are rounded
    once, from float64; an embedding with NaN is an error, and so are sparse tensors and
    ``top_k=0``.

    Examples
    --------
    >>> import numpy as np
    >>> from embedsmith.integrations.sentence_transformers import semantic_search
    >>> corpus = np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 4.0]], dtype=np.float32)
    >>> hits = semantic_search(corpus[2], corpus, top_k=2, score_function="dot", as_arrays=True)
    >>> hits.rows, hits.scores
    (array([[2, 1]]), array([[25.,  4.]], dtype=float32))
    """
    as_count("query_chunk_size", query_chunk_size)
    as_count("corpus_chunk_size", corpus_chunk_size)
    top_k = as_count("top_k", top_k, most=None)
    metric = _metric(score_function)
    corpus = matrix("corpus_embeddings", corpus_embeddings)
    queries = beside(corpus, matrix("query_embeddings", query_embeddings))
    if not len(queries) or not len(corpus):
        shape = (len(queries), 0)
        hits = TopK(np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.int64))
    else:
        hits = as_similarities(
            topk(queries, corpus, k=top_k, metric=metric, threads=threads), metric
        )
    if as_arrays:
        return hits
    return [
        [{"corpus_id": row, "score": score} for row, score in zip(rows, scores, strict=True)]
        for rows, scores in zip(hits.rows.tolist(), hits.scores.tolist(), strict=True)
    ]


def _metric(score_function: str | Enum | Callable[..., Any]) -> Metric:
    metric = known_metric(score_function)
    if metric is not None:
        return metric
    msg = (
        f"score_function={score_function!r} is none that this search computes. Pass "
        "sentence_transformers.util's cos_sim, dot_score or euclidean_sim, or one of "
        f"{', '.join(map(repr, SIMILARITIES))}; for another function call "
        "sentence_transformers.util.semantic_search."
    )
    raise MeasureError(msg)
