"""Whether an export finds what its original finds, by two one-sided tests on a labelled set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from embedsmith.metrics import equivalence, evaluate_run
from embedsmith.search import topk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from embedsmith._typing import F32Array, Json, Metric
    from embedsmith.backends._protocol import Role
    from embedsmith.metrics import MetricTable

__all__ = ["RetrievalSet", "compare_retrieval"]

_MEASURES = ("nDCG@10", "R@10")
_K = 10
# Passages are searched deeper, so that ten documents are left when they are joined.
_K_PASSAGES = 200
_ALPHA = 0.05


class _Texts(Protocol):
    @property
    def ids(self) -> Sequence[str]: ...

    @property
    def texts(self) -> Sequence[str]: ...


class _Documents(_Texts, Protocol):
    @property
    def documents(self) -> Sequence[str] | None: ...


class RetrievalSet(Protocol):
    """A labelled set, such as `embedsmith.load_dataset` returns."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    @property
    def hash(self) -> str:
        """Of the content."""
        ...

    @property
    def corpus(self) -> _Documents:
        """The documents."""
        ...

    @property
    def queries(self) -> _Texts:
        """The judged queries."""
        ...

    @property
    def qrels(self) -> Mapping[str, Mapping[str, int]]:
        """The judgements."""
        ...


class _Embeds(Protocol):
    def encode(self, texts: Sequence[str], role: Role) -> F32Array: ...


def compare_retrieval(
    original: _Embeds,
    export: _Embeds,
    data: RetrievalSet,
    *,
    margin: float,
    metric: Metric,
    tell: Callable[[str], object],
) -> Json:
    """Return each measure's difference with its interval, its test and its verdict.

    The verdict is ``"equivalent"`` where the test shows a difference below the margin,
    ``"different"`` where the difference that was seen is beyond it, else ``"not enough evidence"``:
    the set is too small, or the queries differ too much, for a claim either way.
    """
    tell(
        f"searching {len(data.corpus.ids):,} documents for {len(data.queries.ids):,} queries "
        "with both"
    )
    tables = [_measured(each, data, metric) for each in (original, export)]
    measures = {}
    for name in tables[0].measures:
        test = equivalence(tables[0], tables[1], margin=margin, measure=name, alpha=_ALPHA)
        if test.equivalent:
            verdict = "equivalent"
        elif abs(test.difference) > margin:
            verdict = "different"
        else:
            verdict = "not enough evidence"
        measures[name] = {
            "original": tables[0].mean[name],
            "export": tables[1].mean[name],
            "difference": test.difference,
            "ci": [float(end) for end in test.ci],
            "confidence": 1.0 - 2.0 * _ALPHA,
            "p": test.p,
            "margin": margin,
            "verdict": verdict,
        }
    return {
        "data": data.name,
        "hash": data.hash,
        "queries": len(data.queries.ids),
        "documents": len(data.corpus.ids),
        "test": f"two one-sided paired t-tests at {_ALPHA:g}",
        "measures": measures,
    }


def _measured(model: _Embeds, data: RetrievalSet, metric: Metric) -> MetricTable:
    corpus = data.corpus
    hits = topk(
        model.encode(data.queries.texts, "query"),
        model.encode(corpus.texts, "document"),
        k=min(len(corpus.ids), _K if corpus.documents is None else _K_PASSAGES),
        metric=metric,
    )
    scores: Any = -np.asarray(hits.scores) if metric == "l2" else hits.scores
    collapse: Any = None
    if corpus.documents is not None:
        collapse = dict(zip(corpus.ids, corpus.documents, strict=True))
    return evaluate_run(
        data.qrels,
        (scores, hits.rows),
        _MEASURES,
        query_ids=data.queries.ids,
        doc_ids=corpus.ids,
        collapse=collapse,
        confidence=None,
    )
