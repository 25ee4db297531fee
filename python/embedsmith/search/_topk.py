"""The typed face of the core's search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from embedsmith._validate import as_corpus, as_count, as_matrix, as_metric, as_progress, on_cuda
from embedsmith.search._hits import TopK
from embedsmith.search._matrix import search_matrix
from embedsmith.search._ray import has_ray_refs, topk_ray
from embedsmith.search._shards import as_shards, topk_shards
from embedsmith.search._stats import SearchStats
from embedsmith.search._tensors import TensorTopK, as_tensor_hits, require_torch, topk_tensors

if TYPE_CHECKING:
    from embedsmith._typing import Metric, Progress

__all__ = ["SearchStats", "TopK", "search_matrix", "topk"]


@overload
def topk(
    queries: Any,
    corpus: Any,
    *,
    k: int = ...,
    metric: Metric = ...,
    exclude: Any = ...,
    where: Any = ...,
    threads: int | None = ...,
    stats: bool = ...,
    progress: Progress | None = ...,
    as_tensors: Literal[False] = ...,
) -> TopK: ...


@overload
def topk(
    queries: Any,
    corpus: Any,
    *,
    k: int = ...,
    metric: Metric = ...,
    exclude: Any = ...,
    where: Any = ...,
    threads: int | None = ...,
    stats: bool = ...,
    progress: Progress | None = ...,
    as_tensors: Literal[True],
) -> TensorTopK: ...


@overload
def topk(
    queries: Any,
    corpus: Any,
    *,
    k: int = ...,
    metric: Metric = ...,
    exclude: Any = ...,
    where: Any = ...,
    threads: int | None = ...,
    stats: bool = ...,
    progress: Progress | None = ...,
    as_tensors: bool,
) -> TopK | TensorTopK: ...


def topk(
    queries: Any,
    corpus: Any,
    *,
    k: int = 10,
    metric: Metric = "cosine",
    exclude: Any = None,
    where: Any = None,
    threads: int | None = None,
    stats: bool = False,
    progress: Progress | None = None,
    as_tensors: bool = False,
) -> TopK | TensorTopK:
    """Return the best ``k`` corpus rows for each query, exactly.

    Compares every query with every row: no index and no approximation.

    Parameters
    ----------
    queries : array_like of shape (n_queries, dim)
        C-contiguous float32 numpy arrays, memory maps and torch CPU tensors are borrowed for the
        call, never copied: do not write to them from another thread meanwhile. Other dtypes
        (float16, float64, bfloat16, int8), other layouts and lists are converted to float32 once.
        Where the corpus is on a CUDA device, queries on the CPU are copied to it.
    corpus : array_like of shape (n_docs, dim)
        Likewise; float16 and bfloat16 (of ml_dtypes or torch) are read as they are, too. A torch
        tensor on a CUDA device is searched there, converted tile by tile.
    k : int, default 10
        Rows wanted per query.
    metric : {"cosine", "dot", "l2"}, default "cosine"
        ``"cosine"`` divides by both norms, and a zero row scores 0. ``"l2"`` is the squared
        Euclidean distance, smallest first.
    exclude : sequence of sequences of int, or integer ndarray, optional
        Corpus rows that a query must not return: one list per query, or an integer array of shape
        (n_queries,) or (n_queries, m) in which -1 names no row.
    where : array_like of shape (n_docs,), bool, optional
        True where a row may be found; the other rows are not read.
    threads : int, optional
        Defaults to ``EMBEDSMITH_NUM_THREADS``, else to the processors granted to this process.
        Without effect on a CUDA device.
    stats : bool, default False
        Attach a :class:`SearchStats`: which pass ran, how many rows it could not rule out.
    progress : callable, optional
        Called as ``progress(done, total)``, in corpus rows, every 50 ms and at the end; what it
        raises stops the search. Not from another thread: from the caller's.
    as_tensors : bool, default False
        Return torch tensors on the corpus's device (on the CPU for what is no tensor) instead of
        numpy arrays.

    Returns
    -------
    TopK or TensorTopK
        ``scores`` (float32) and ``rows`` (int64), both of shape (n_queries, min(k, n_docs)). A
        query with fewer rows left after ``exclude`` and ``where`` has rows -1 and scores ``-inf``
        (``inf`` for l2) at its end.

    Raises
    ------
    ShapeError
        If the widths differ, an argument is no matrix of numbers or is empty, or ``k < 1``.
    NonFiniteError
        If a query, or a row that may be found, holds NaN or infinity.
    DataError
        If a file of the corpus cannot be read, is no whole ``.npy`` file, holds Python objects, or
        changes while it is searched.
    OutOfMemoryError
        If the answer fits no memory, or a CUDA device lacks memory for the search.
    DeviceError
        If ``EMBEDSMITH_ISA`` names an instruction set that this machine lacks, a tensor is neither
        on the CPU nor on a CUDA device, or the queries are on a CUDA device and the corpus is not
        there.
    MissingDependencyError
        If ``as_tensors`` is asked for without torch.

    Notes
    -----
    The score that ranks is the sum of exact float64 products of the float32 inputs in one fixed
    order; it is rounded to float32 only to be returned. Equal scores: the lower row first. So rows
    and score bits are the same for every number of threads, every batch size and every instruction
    set (``EMBEDSMITH_ISA`` forces ``scalar``, ``avx2``, ``avxvnni``, ``avx512``, ``avx512vnni``,
    ``avx512bf16`` or ``amx``), and the top 10 is a prefix of the top 100. What finds the candidates
    may be less precise, down to codes of 8 bits, under a proven error bound; only they are scored.
    Where a bound turns out too loose for the data, a more precise pass takes over on the way.

    O(n_queries * n_docs * dim). Drops the GIL and answers Ctrl-C. Extra memory: O(n_queries * k)
    for the answer, and about 100 MB for candidates, several times that on a corpus of near-equal
    rows; there, where only exact scores can tell rows apart, a search takes as long as scoring them
    all. For many searches of one corpus build an :class:`embedsmith.Index`.
    A score beyond float32 is returned as an infinity; the rows are right all the same.

    What is streamed is read in blocks of 64 MiB, the next one while the current one is searched:
    two blocks are all the memory that it needs, whatever the size of the corpus. Files are read and
    not mapped, so that a limit on address space does not matter. A folder holds its shards as
    ``.npy`` files, named so that they sort, such as ``00000.npy``; or with a manifest
    ``shards.json`` that lists each with its number of rows:
    ``{"version": 1, "shards": [{"file": "00000.npy", "rows": 100000}]}``. A list of lists of
    numbers, or of vectors of one axis, is a matrix and no list of shards.

    On a CUDA device the candidates come from float16 products on its tensor cores, under a bound
    that holds for their truncating sums, and the canonical scores are computed there: the same
    rows and bits again. Extra memory there: tiles of at most a quarter of what is free. Not yet
    measured on a GPU.

    Examples
    --------
    >>> import numpy as np
    >>> import embedsmith as es
    >>> corpus = np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 3.0]], dtype=np.float32)
    >>> hits = es.topk(np.array([[2.0, 0.0]]), corpus, k=2)
    >>> hits.rows
    array([[0, 2]])
    >>> hits.scores
    array([[1.        , 0.70710677]], dtype=float32)
    """
    if on_cuda(queries) or on_cuda(corpus):
        if threads is not None:
            as_count("threads", threads)
        found = topk_tensors(
            queries,
            corpus,
            k=k,
            metric=metric,
            exclude=exclude,
            where=where,
            stats=stats,
            progress=as_progress(progress),
        )
        if as_tensors:
            return found
        return TopK(*found.numpy(), found.stats, metric=as_metric(metric), n_docs=len(corpus))
    if as_tensors:
        require_torch()  # before the work
    how: dict[str, Any] = {
        "k": k,
        "metric": metric,
        "exclude": exclude,
        "where": where,
        "threads": threads,
        "stats": stats,
        "progress": progress,
    }
    if has_ray_refs(corpus):
        hits = topk_ray(queries, corpus, **how)
    elif (shards := as_shards(corpus)) is not None:
        hits = topk_shards(as_matrix("queries", queries), shards, **how)
    else:
        vectors = as_matrix("queries", queries)
        hits = search_matrix(vectors, as_corpus("corpus", corpus), norms=None, **how)
    return as_tensor_hits(*hits, hits.exact, hits.stats) if as_tensors else hits
