"""A corpus compared with itself: near-duplicate pairs, and every row's best other rows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedsmith._core import pairs_above as core_pairs_above
from embedsmith._core import topk_self as core_topk_self
from embedsmith._validate import as_corpus, as_count, as_metric, as_number, as_progress
from embedsmith.exceptions import ShapeError
from embedsmith.search._content import built
from embedsmith.search._hits import TopK
from embedsmith.search._stats import SearchStats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedsmith._typing import F32Array, F64Array, I64Array, Metric, Progress
    from embedsmith.search._content import IndexContent

__all__ = ["MAX_PAIRS", "Pairs", "neighbours_within", "pairs_above", "pairs_within", "topk_self"]

# Their arrays take 28 bytes a pair, and 16 more while they are found.
MAX_PAIRS = 10_000_000


@dataclass(frozen=True, eq=False, repr=False)
class Pairs:
    """Pairs of rows of one corpus, the best score first, then by ``first`` and ``second``.

    ``len()`` counts them, and iterating gives ``(first, second, score)`` for each.

    Attributes
    ----------
    first : ndarray of shape (n_pairs,), int64
        The lower row of each pair.
    second : ndarray of shape (n_pairs,), int64
        The higher row of each pair.
    scores : ndarray of shape (n_pairs,), float32
        Similarities, descending; for ``metric="l2"`` squared distances, ascending.
    exact : ndarray of shape (n_pairs,), float64
        The canonical scores, which decide the order and who is in; ``scores`` is what float32
        keeps of them.
    """

    first: I64Array
    second: I64Array
    scores: F32Array
    exact: F64Array

    def __len__(self) -> int:
        return int(self.first.shape[0])

    def __iter__(self) -> Iterator[tuple[int, int, float]]:
        return zip(self.first.tolist(), self.second.tolist(), self.scores.tolist(), strict=True)

    def __repr__(self) -> str:
        return f"Pairs({len(self)} pairs)"


def pairs_above(
    embeddings: Any,
    threshold: float = 0.95,
    *,
    metric: Metric = "cosine",
    max_pairs: int = MAX_PAIRS,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Pairs:
    """Return all pairs of rows that score at least ``threshold``, exactly.

    Compares every row with every other one, each pair once: near-duplicate and paraphrase mining
    without an index and without a limit on pairs per row.

    Parameters
    ----------
    embeddings : array_like of shape (n, dim)
        Borrowed if it is C-contiguous float32, float16 or bfloat16, else converted to float32 once.
        Do not write to it from another thread meanwhile.
    threshold : float, default 0.95
        Score that a pair must reach; for ``metric="l2"``, squared distance that it must not exceed.
        The canonical float64 score is what is compared, and an equal one is in.
    metric : {"cosine", "dot", "l2"}, default "cosine"
        As in :func:`embedsmith.topk`.
    max_pairs : int, default 10_000_000
        More pairs are an error, raised as soon as they are found: a low threshold can ask for half
        of n squared.
    threads : int, optional
        Defaults to ``EMBEDSMITH_NUM_THREADS``, else to the processors granted to this process.
    progress : callable, optional
        Called as ``progress(done, total)`` every 50 ms and at the end; what it raises stops the
        search.

    Returns
    -------
    Pairs
        ``first``, ``second`` (int64, ``first < second``), ``scores`` (float32) and ``exact``
        (float64), each of shape (n_pairs,), the best first, then by the rows.

    Raises
    ------
    ShapeError
        If ``embeddings`` is no matrix of numbers or is empty, or ``threshold`` is no number.
    NonFiniteError
        If a row holds NaN or infinity.
    OutOfMemoryError
        If there are more than ``max_pairs`` pairs.

    Notes
    -----
    Pairs and the bits of their scores are the same for every number of threads and every
    instruction set, and those that :func:`embedsmith.topk` gives. O(n**2 * dim / 2). Extra memory:
    the rows' 8-bit codes (a byte a value, and 56 bytes a row) and the answer. Drops the GIL and
    answers Ctrl-C.

    Examples
    --------
    >>> import numpy as np
    >>> import embedsmith as es
    >>> rows = np.array([[1.0, 0.0], [0.0, 2.0], [0.1, 1.0], [3.0, 0.0]], dtype=np.float32)
    >>> for first, second, score in es.pairs_above(rows, 0.9):
    ...     print(first, second, round(score, 4))
    0 3 1.0
    1 2 0.995
    """
    # Before the corpus is read.
    threshold = as_number("threshold", threshold)
    max_pairs = as_count("max_pairs", max_pairs)
    progress = as_progress(progress)
    content = _content(embeddings, metric, threads)
    return pairs_within(
        content, threshold, max_pairs=max_pairs, threads=threads, progress=progress, argument=_NAME
    )


def topk_self(
    embeddings: Any,
    k: int = 10,
    *,
    metric: Metric = "cosine",
    threads: int | None = None,
    stats: bool = False,
    progress: Progress | None = None,
) -> TopK:
    """Return the best ``k`` other rows for each row, exactly.

    Compares every row with every other one. A row is not its own neighbour, but copies of it are.

    Parameters
    ----------
    embeddings : array_like of shape (n, dim)
        As in :func:`embedsmith.pairs_above`.
    k : int, default 10
        Rows wanted per row.
    metric : {"cosine", "dot", "l2"}, default "cosine"
        As in :func:`embedsmith.topk`.
    threads : int, optional
        Defaults to ``EMBEDSMITH_NUM_THREADS``, else to the processors granted to this process.
    stats : bool, default False
        Attach a :class:`embedsmith.search.SearchStats`.
    progress : callable, optional
        Called as ``progress(done, total)`` every 50 ms and at the end; what it raises stops the
        search.

    Returns
    -------
    TopK
        ``scores`` (float32), ``rows`` (int64) and ``exact`` (float64), each of shape
        (n, min(k, n - 1)), the best first, equal scores by the lower row. Every place is filled.

    Raises
    ------
    ShapeError
        If ``embeddings`` is no matrix of numbers or is empty, or ``k < 1``.
    NonFiniteError
        If a row holds NaN or infinity.
    OutOfMemoryError
        If the answer fits no memory.

    Notes
    -----
    Rows and score bits are those of ``topk(embeddings, embeddings, k=k, exclude=np.arange(n))``,
    in less time from ten thousand rows on. O(n**2 * dim / 2). Extra memory: the rows' 8-bit codes
    (a byte a value, and 56 bytes a row), the answer, and for candidates about 1 KB a row at
    ``k=10`` (4 KB at 100), up to three times that where rows are nearly equal. Fewer rows than ten
    thousand, and those whose candidates would take more than 1 GB, are searched for batch by
    batch instead, and each pair is looked at twice. Drops the GIL and
    answers Ctrl-C.

    Examples
    --------
    >>> import numpy as np
    >>> import embedsmith as es
    >>> rows = np.array([[1.0, 0.0], [0.0, 2.0], [0.1, 1.0], [3.0, 0.0]], dtype=np.float32)
    >>> es.topk_self(rows, k=1).rows
    array([[3],
           [2],
           [1],
           [0]])
    """
    k = as_count("k", k, most=None)
    progress = as_progress(progress)
    content = _content(embeddings, metric, threads)
    return neighbours_within(
        content, k, threads=threads, stats=stats, progress=progress, argument=_NAME
    )


_NAME = "embeddings"


def _content(embeddings: Any, metric: Metric, threads: int | None) -> IndexContent:
    metric = as_metric(metric)
    threads = None if threads is None else as_count("threads", threads)
    vectors = as_corpus(_NAME, embeddings)
    if not len(vectors.values):
        msg = f"{_NAME} is empty; pass at least one row."
        raise ShapeError(msg)
    return built(vectors, metric, None, threads=threads, progress=None, argument=_NAME)


def pairs_within(
    content: IndexContent,
    threshold: float,
    *,
    max_pairs: int,
    threads: int | None,
    progress: Progress | None,
    argument: str = "corpus",
    precision: str | None = None,
) -> Pairs:
    """Find the pairs of a corpus that is ready.

    ``argument`` names it in errors; ``precision`` ("int8", "bf16", "f32") forces the pass that
    finds candidates, for tests.
    """
    return Pairs(
        *core_pairs_above(
            content.vectors,
            as_number("threshold", threshold),
            as_count("max_pairs", max_pairs),
            content.metric,
            content.norms,
            None if content.plane is None else content.plane.arrays(),
            None if threads is None else as_count("threads", threads),
            content.half,
            as_progress(progress),
            precision,
            argument,
        )
    )


def neighbours_within(
    content: IndexContent,
    k: int,
    *,
    threads: int | None,
    stats: bool,
    progress: Progress | None,
    argument: str = "corpus",
    precision: str | None = None,
) -> TopK:
    """Find the best other rows in a corpus that is ready; see :func:`pairs_within`."""
    rows = content.norms.shape[0]
    # No row has more others than there are, and a k beyond 64 bits is as good as all.
    k = min(as_count("k", k, most=None), rows)
    began = time.perf_counter()
    scores, found, exact, counts = core_topk_self(
        content.vectors,
        k,
        content.metric,
        content.norms,
        None if content.plane is None else content.plane.arrays(),
        None if threads is None else as_count("threads", threads),
        content.half,
        as_progress(progress),
        precision,
        argument,
    )
    seconds = time.perf_counter() - began
    took = SearchStats.of(counts, seconds, content.vectors.shape, rows) if stats else None
    return TopK(scores, found, exact, took, metric=content.metric, n_docs=rows)
