"""Reranking: whether similarities put the candidates of each query in the right order."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from embedsmith._phrases import counted
from embedsmith.datasets import Run
from embedsmith.evaluation._definitions import define
from embedsmith.evaluation.tasks._family import Family, Measured, Texts, Vectors
from embedsmith.evaluation.tasks._text_rows import distinct
from embedsmith.metrics import evaluate_run, parse_measure, parse_measures
from embedsmith.search import topk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedsmith._typing import Task
    from embedsmith.datasets import RerankingSet

__all__ = ["Reranking"]

_HOW = "Over each query's candidates alone; relevant documents that are not among them count."


class Reranking(Family):
    """The reranking task over queries with candidates.

    Parameters
    ----------
    data : RerankingSet
        Queries, judgements and candidates.
    seed : int
        Of the resampling.
    """

    task: ClassVar[Task] = "reranking"
    defaults: ClassVar[tuple[str, ...]] = ("AP", "nDCG@10", "RR@10")
    definitions: ClassVar[Mapping[str, str]] = {}

    def __init__(self, data: RerankingSet, *, seed: int) -> None:
        self._data, self._seed = data, seed
        corpus = dict(zip(data.dataset.corpus.ids, data.dataset.corpus.texts, strict=True))
        # Only what is a candidate of some query is embedded.
        self._doc_ids = tuple(dict.fromkeys(d for ids in data.candidates.values() for d in ids))
        self._documents, (doc_rows,) = distinct([corpus[d] for d in self._doc_ids])
        self._row_of = dict(zip(self._doc_ids, doc_rows.tolist(), strict=True))
        self._queries, (self._query_rows,) = distinct(data.dataset.queries.texts)

    @property
    def texts(self) -> Texts:
        """The distinct queries and candidates."""
        return Texts(self._queries, self._documents)

    @property
    def gold(self) -> tuple[str | float, ...]:
        """Nothing: the result holds the judgements."""
        return ()

    @property
    def counts(self) -> Mapping[str, int]:
        """Queries, candidates and judgements."""
        return {
            "n_queries": len(self._data),
            "n_documents": len(self._doc_ids),
            "n_judgements": self._data.dataset.qrels.n_pairs,
            "n_unjudged": self._data.dataset.n_unjudged,
            "n_dropped": self._data.dataset.n_dropped,
        }

    def chosen(self, measures: str | Sequence[str] | None) -> tuple[str, ...]:
        """Return the measures asked for, in the language of retrieval."""
        return tuple(map(str, parse_measures(self.defaults if measures is None else measures)))

    def define(self, measures: Sequence[str]) -> dict[str, str]:
        """Return the meaning of some measures."""
        return {name: f"{define(parse_measure(name))} {_HOW}" for name in measures}

    def measure(
        self, vectors: Vectors, measures: Sequence[str], *, confidence: float, threads: int | None
    ) -> Measured:
        """Return the measures of the order that the similarities give."""
        ranked: dict[str, dict[str, float]] = {}
        for place, query in enumerate(self._data.dataset.queries.ids):
            documents = self._data.candidates[query]
            # Equal texts are compared once, so that they tie to the last bit.
            rows, back = np.unique(
                np.array([self._row_of[document] for document in documents], dtype=np.int64),
                return_inverse=True,
            )
            hits = topk(
                vectors.queries[self._query_rows[place]][None, :],
                vectors.documents[rows],
                k=len(rows),
                metric=vectors.metric,
                threads=threads,
            )
            scores = np.empty(len(rows), dtype=np.float64)
            # A distance is a score when its sign is turned.
            scores[hits.rows[0]] = -hits.exact[0] if vectors.metric == "l2" else hits.exact[0]
            ranked[query] = dict(zip(documents, scores[back].tolist(), strict=True))
        qrels = self._data.dataset.qrels
        table = evaluate_run(
            qrels, ranked, measures, confidence=confidence, seed=self._seed, threads=threads
        )
        notes, given = [], {}
        if self._data.ordered:
            found = {
                query: {document: -float(rank) for rank, document in enumerate(documents)}
                for query, documents in self._data.candidates.items()
            }
            given = evaluate_run(qrels, found, measures, confidence=None, threads=threads).mean
            told = ", ".join(f"{name} {value:.4f}" for name, value in given.items())
            notes.append(f"the order in which the candidates were given has {told}.")
        if self._data.n_unreachable:
            total = counted(self._data.n_relevant, "relevant document")
            notes.append(
                f"{self._data.n_unreachable:,} of {total} are not among the candidates; "
                "no order finds them."
            )
        return Measured(table, details={"given_order": given}, notes=tuple(notes), run=Run(ranked))
