"""Measuring what was found, always against the same judgements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedsmith.datasets import Run
from embedsmith.metrics import MetricTable, evaluate_run
from embedsmith.search import TopK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import Metric
    from embedsmith.datasets import Dataset
    from embedsmith.evaluation._passages import Passages
    from embedsmith.metrics import Measure

__all__ = ["Measurer", "as_scores"]


@dataclass(frozen=True)
class Measurer:
    """Measures hits on one data set.

    Attributes
    ----------
    data : Dataset
        Judgements, and the ids behind the rows.
    seed : int
        Of the intervals.
    threads : int or None
        Without effect on the numbers.
    passages : Passages or None
        If the corpus holds passages, of which documents.
    """

    data: Dataset
    seed: int
    threads: int | None
    passages: Passages | None = None

    @property
    def doc_ids(self) -> tuple[str, ...]:
        """The documents that judgements name."""
        return self.data.corpus.ids if self.passages is None else self.passages.ids

    def documents(self, hits: TopK) -> TopK:
        """Return hits whose rows are places in ``doc_ids``."""
        if self.passages is None:
            return hits
        return TopK(hits.scores, self.passages.documents(hits.rows), hits.exact)

    def run(self, hits: TopK) -> Run:
        """Return hits as a run of documents."""
        found = self.documents(hits)
        return Run.from_topk(found.scores, found.rows, self.data.queries.ids, self.doc_ids)

    def table(
        self, hits: TopK, measures: Sequence[Measure], *, confidence: float | None = None
    ) -> MetricTable:
        """Return the measures of hits whose larger scores are better.

        Parameters
        ----------
        hits : TopK
            One list for each query of the data set, of rows of its corpus: of passages, those that
            stand for their documents, each document once.
        measures : sequence of Measure
            What to measure.
        confidence : float, optional
            Level of the intervals; None computes none.

        Returns
        -------
        MetricTable
            Over the judged queries.
        """
        return evaluate_run(
            self.data.qrels,
            self.documents(hits),
            measures,
            query_ids=self.data.queries.ids,
            doc_ids=self.doc_ids,
            confidence=confidence,
            seed=self.seed,
            threads=self.threads,
        )


def as_scores(hits: TopK, metric: Metric) -> TopK:
    """Return hits whose larger scores are better: a distance is one when its sign is turned."""
    return TopK(-hits.scores, hits.rows, -hits.exact) if metric == "l2" else hits
