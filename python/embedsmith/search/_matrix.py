"""The core's search, of matrices that are ready."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from embedsmith._core import topk as core_topk
from embedsmith._validate import as_count, as_exclude, as_mask, as_metric, as_progress
from embedsmith.search._hits import TopK
from embedsmith.search._stats import SearchStats

if TYPE_CHECKING:
    from embedsmith._typing import F32Array, F64Array, Metric, Progress
    from embedsmith._validate import CorpusMatrix
    from embedsmith.search._content import Plane

__all__ = ["search_matrix"]


def search_matrix(
    queries: F32Array,
    corpus: CorpusMatrix,
    *,
    norms: F64Array | None,
    k: int,
    metric: Metric,
    exclude: Any,
    where: Any,
    threads: int | None,
    at_least: F64Array | None = None,
    plane: Plane | None = None,
    stats: bool = False,
    progress: Progress | None = None,
    precision: str | None = None,
) -> TopK:
    """Search a matrix that is ready; `norms` and `plane` are the core's, if known.

    ``precision`` ("int8", "bf16", "f32") forces the pass that finds the candidates, for tests.
    """
    values, half = corpus
    # No query can get more rows than there are, and a k beyond 64 bits is as good as all.
    k = min(as_count("k", k, most=None), max(values.shape[0], 1))
    metric = as_metric(metric)
    began = time.perf_counter()
    scores, rows, exact, counts = core_topk(
        queries,
        values,
        k,
        metric,
        None if exclude is None else as_exclude(exclude, queries.shape[0]),
        None if where is None else as_mask("where", where, values.shape[0]),
        norms,
        None if threads is None else as_count("threads", threads),
        at_least,
        half,
        None if plane is None else plane.arrays(),
        as_progress(progress),
        precision,
    )
    seconds = time.perf_counter() - began
    n_docs = values.shape[0]
    took = SearchStats.of(counts, seconds, queries.shape, n_docs) if stats else None
    return TopK(scores, rows, exact, took, metric=metric, n_docs=n_docs)
