"""An exact search backend for mteb's retrieval and reranking tasks.

mteb is not imported: the backend has the shape of its ``IndexEncoderSearchProtocol``.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith import _core
from embedsmith._validate import as_count, as_matrix
from embedsmith.exceptions import DataError, MeasureError, ShapeError
from embedsmith.integrations._similarities import SIMILARITIES, as_similarities
from embedsmith.search import Index, topk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from embedsmith._typing import F32Array, Metric

__all__ = ["ExactSearchIndex"]

_LOGGER = logging.getLogger(__name__)

# Queries and documents that are scored by the model too, and how far its scores may lie from exact
# ones, as a share of the largest score that such vectors could have: bfloat16 is let pass.
_SAMPLED = 8
_TOLERANCE = 5e-3


class ExactSearchIndex:
    """Search the embeddings of an mteb model exactly.

    A backend for ``mteb.models.SearchEncoderWrapper(model, index_backend=...)``, in place of
    mteb's ``FaissSearchIndex``. It keeps all embeddings of a task in memory, on the CPU.

    Parameters
    ----------
    model : mteb encoder
        Its ``mteb_model_meta`` names the similarity: cosine, dot product or Euclidean. Where it
        names none, the one that agrees with ``model.similarity`` is taken.
    threads : int, optional
        Defaults as in :func:`embedsmith.topk`.

    Raises
    ------
    MeasureError
        If the model's similarity is another one, such as MaxSim.

    Notes
    -----
    Each search scores a few pairs by the model's own ``similarity`` too, and refuses to go on if
    the scores differ: a model may compute something else than its metadata say.

    Equal scores are ordered by the place in the corpus; mteb's own search keeps any of them.

    Examples
    --------
    The metadata of a model, without the model:

    >>> from types import SimpleNamespace
    >>> meta = SimpleNamespace(similarity_fn_name="cosine")
    >>> backend = ExactSearchIndex(SimpleNamespace(mteb_model_meta=meta))
    >>> backend.add_documents(np.array([[1.0, 0.0], [0.0, 2.0]]), ["d1", "d2"])
    >>> def cosine(queries, documents):
    ...     documents = documents / np.linalg.norm(documents, axis=1, keepdims=True)
    ...     return queries / np.linalg.norm(queries, axis=1, keepdims=True) @ documents.T
    >>> backend.search(np.array([[0.0, 1.0]]), 1, cosine)
    ([[1.0]], [[1]])
    """

    def __init__(self, model: Any, *, threads: int | None = None) -> None:
        self._named = _named_metric(model)
        self._threads = None if threads is None else as_count("threads", threads)
        self._parts: list[F32Array] = []
        self._ids: list[str] = []
        self._index: Index | None = None

    def add_documents(self, embeddings: Any, idxs: Iterable[str]) -> None:
        """Add documents, after those that were added before.

        Parameters
        ----------
        embeddings : ndarray or tensor of shape (n_docs, dim)
            Rounded to float32; a tensor on a GPU is copied.
        idxs : iterable of str
            Their ids, which reranking refers to.

        Raises
        ------
        ShapeError
            If there is not one id per row, or the embeddings are sparse or of several vectors each.
        NonFiniteError
            If a row holds NaN or infinity.
        """
        part = _on_cpu("embeddings", embeddings)
        _core.row_norms(part, self._threads)  # refuses such a row here, where it has its number
        ids = list(idxs)
        if len(ids) != len(part):
            msg = f"{len(part)} embeddings come with {len(ids)} ids; pass one id per row."
            raise ShapeError(msg)
        self._parts.append(part)
        self._ids += ids
        self._index = None

    def search(
        self,
        embeddings: Any,
        top_k: int,
        similarity_fn: Callable[[Any, Any], Any],
        top_ranked: Mapping[str, Sequence[str]] | None = None,
        query_idx_to_id: Mapping[int, str] | None = None,
    ) -> tuple[list[list[float]], list[list[int]]]:
        """Return the best documents per query, or the best among those listed for it.

        Parameters
        ----------
        embeddings : ndarray or tensor of shape (n_queries, dim)
            Of the queries.
        top_k : int
            Documents wanted per query; all of them, if there are fewer.
        similarity_fn : callable
            The model's own similarity; called on a few pairs, to check that it is the one that is
            computed here.
        top_ranked : mapping of str to sequence of str, optional
            The documents to rank per query. A query without any gets none, and is logged.
        query_idx_to_id : mapping of int to str, optional
            The id of each query; needed with ``top_ranked``.

        Returns
        -------
        scores : list of list of float
            Similarities, descending.
        places : list of list of int
            Of the documents in the order in which they were added; with ``top_ranked``, in the
            query's list.

        Raises
        ------
        DataError
            If nothing was added, or ``top_ranked`` names a document that was not.
        MeasureError
            If ``similarity_fn`` computes something else.
        """
        queries = _on_cpu("embeddings", embeddings)
        documents = self._documents()
        metric = _checked_metric(self._named, similarity_fn, queries, documents)
        if top_ranked is not None:
            return self._rerank(
                queries,
                documents,
                metric=metric,
                top_k=top_k,
                top_ranked=top_ranked,
                query_ids=query_idx_to_id,
            )
        if self._index is None or self._index.metric != metric:
            self._index = Index(documents, metric=metric, threads=self._threads)
        hits = as_similarities(self._index.search(queries, top_k, threads=self._threads), metric)
        return hits.scores.tolist(), hits.rows.tolist()

    def clear(self) -> None:
        """Forget all documents."""
        self._parts, self._ids, self._index = [], [], None

    def _documents(self) -> F32Array:
        if not self._ids:
            msg = "No documents were added; call add_documents before search."
            raise DataError(msg)
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0]

    def _rerank(
        self,
        queries: F32Array,
        documents: F32Array,
        *,
        metric: Metric,
        top_k: int,
        top_ranked: Mapping[str, Sequence[str]],
        query_ids: Mapping[int, str] | None,
    ) -> tuple[list[list[float]], list[list[int]]]:
        if query_ids is None:
            msg = "top_ranked lists documents by query id; pass query_idx_to_id too."
            raise DataError(msg)
        row_of = {doc_id: row for row, doc_id in enumerate(self._ids)}
        scores: list[list[float]] = []
        places: list[list[int]] = []
        for number, query in enumerate(queries):
            ranked = top_ranked.get(query_ids[number], ())
            if not len(ranked):
                _LOGGER.warning("No documents to rank for query %s", query_ids[number])
                scores.append([])
                places.append([])
                continue
            absent = [doc_id for doc_id in ranked if doc_id not in row_of]
            if absent:
                msg = (
                    f"top_ranked lists {absent[0]!r} for query {query_ids[number]!r}, which is not "
                    "in the corpus. Correct the task's data."
                )
                raise DataError(msg)
            candidates = documents[[row_of[doc_id] for doc_id in ranked]]
            hits = topk(query[None], candidates, k=top_k, metric=metric, threads=self._threads)
            hits = as_similarities(hits, metric)
            scores.append(hits.scores[0].tolist())
            places.append(hits.rows[0].tolist())
        return scores, places


def _named_metric(model: Any) -> Metric | None:
    """Return the metric that a model's metadata name; None if they name none."""
    named = getattr(model.mteb_model_meta, "similarity_fn_name", None)
    if named is None:
        return None
    name = str(getattr(named, "value", named))
    if name not in SIMILARITIES:
        msg = (
            f"The model's similarity is {name!r}; {', '.join(SIMILARITIES)} are searched here. "
            "Evaluate this model with mteb's own search: leave index_backend out."
        )
        raise MeasureError(msg)
    return SIMILARITIES[name]


def _checked_metric(
    named: Metric | None,
    similarity_fn: Callable[[Any, Any], Any],
    queries: F32Array,
    documents: F32Array,
) -> Metric:
    """Return the metric that agrees with the model's similarity on a sample."""
    queries = queries[:_SAMPLED].astype(np.float32)
    documents = documents[:: -(-len(documents) // _SAMPLED)].astype(np.float32)
    theirs = _to_numpy(similarity_fn(queries, documents)).astype(np.float64)
    for metric in SIMILARITIES.values() if named is None else [named]:
        ours = _all_pairs(queries, documents, metric)
        allowed = _TOLERANCE * _largest_score(queries, documents, metric)
        if theirs.shape == ours.shape and np.abs(theirs - ours).max() <= allowed:
            return metric
    expected = ", ".join(SIMILARITIES) if named is None else f"{named}, as its metadata say"
    msg = (
        f"The model's similarity does not compute {expected}. Correct similarity_fn_name in "
        "mteb_model_meta, or leave index_backend out."
    )
    raise MeasureError(msg)


def _all_pairs(queries: F32Array, documents: F32Array, metric: Metric) -> np.ndarray[Any, Any]:
    hits = as_similarities(topk(queries, documents, k=len(documents), metric=metric), metric)
    scores = np.empty_like(hits.exact)
    np.put_along_axis(scores, hits.rows, hits.exact, axis=1)
    return scores


def _largest_score(queries: F32Array, documents: F32Array, metric: Metric) -> float:
    if metric == "cosine":
        return 1.0
    one, other = (float(np.linalg.norm(each, axis=1).max()) for each in (queries, documents))
    return one * other if metric == "dot" else one + other


def _on_cpu(argument: str, embeddings: Any) -> F32Array:
    if hasattr(embeddings, "detach"):
        if "strided" not in str(embeddings.layout):
            msg = (
                f"{argument} are a sparse tensor. Evaluate this model with mteb's own search: "
                "leave index_backend out."
            )
            raise ShapeError(msg)
        embeddings = embeddings.detach().cpu()
    return as_matrix(argument, embeddings)


def _to_numpy(scores: Any) -> np.ndarray[Any, Any]:
    if hasattr(scores, "detach"):
        scores = scores.detach().cpu().float().numpy()
    return np.asarray(scores)
