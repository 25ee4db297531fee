"""An evaluation of retrieval: tables, verdicts, differences, and what is told of each model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from embedsmith.evaluation._definitions import define
from embedsmith.evaluation._measurer import Measurer, as_scores
from embedsmith.evaluation._model_result import ModelResult
from embedsmith.evaluation._passages import Passages
from embedsmith.evaluation._resampling import Resampling
from embedsmith.evaluation._result import DataSummary
from embedsmith.evaluation._slices import Slicer
from embedsmith.evaluation._statement import VERDICT_MEASURE
from embedsmith.evaluation._variants import Variation, as_variant
from embedsmith.exceptions import ShapeError
from embedsmith.metrics import compare_tables, parse_measure
from embedsmith.metrics._compare import paired_measures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import Task
    from embedsmith.datasets import Dataset, Qrels
    from embedsmith.evaluation._axes import Axes
    from embedsmith.evaluation._models import OpenModel
    from embedsmith.evaluation._progress import Progress
    from embedsmith.evaluation._runner import Observation, Runner
    from embedsmith.evaluation._statement import Judge
    from embedsmith.metrics import Measure, RunComparison, Verdict

__all__ = ["RetrievalJob", "deepest"]

_LEAST_DEPTH = 100
# AP, RR and nDCG without a cutoff look at the whole list; trec_eval's runs hold 1,000 documents.
_OPEN_DEPTH = 1000


class RetrievalJob:
    """What retrieval asks of each model.

    Parameters
    ----------
    data : Dataset
        What they are asked.
    measures : tuple of Measure
        Of the tables.
    judge : Judge
        Of the verdicts; its level, seed and threads are those of all intervals.
    axes : Axes
        Further questions about each model.
    depth : int or None
        Documents kept per query; None chooses.
    progress : Progress
        Hears of the variants.

    Raises
    ------
    ShapeError
        If ``depth`` is too small for the measures.
    DataError
        If no query has a field to slice by.
    """

    task: ClassVar[Task] = "retrieval"
    gold: ClassVar[tuple[str | float, ...]] = ()

    def __init__(
        self,
        data: Dataset,
        measures: tuple[Measure, ...],
        judge: Judge,
        axes: Axes,
        *,
        depth: int | None,
        progress: Progress,
    ) -> None:
        self._data, self._parsed, self._judge, self._axes = data, measures, judge, axes
        self.depth = _depth(depth, measures)
        self._resampling = Resampling(judge.confidence, judge.seed, judge.threads)
        self._slicer = Slicer(axes.slices, axes.small_slice, self._resampling)
        self._slicer.check(data.queries)
        self._measurer = Measurer(data, judge.seed, judge.threads, Passages.of(data.corpus))
        self.variation: Variation | None = Variation(
            axes.plan, self._measurer, measures, self.depth, progress
        )
        self.measures = tuple(str(measure) for measure in measures)
        self.qrels: Qrels | None = data.qrels

    @property
    def settings(self) -> dict[str, Any]:
        """What of ``Settings`` is this task's own."""
        return {**self._axes.settings(), "collapse": self._data.collapse}

    @property
    def definitions(self) -> dict[str, str]:
        """What each measure means."""
        return {str(measure): define(measure) for measure in self._parsed}

    @property
    def summary(self) -> DataSummary:
        """What recognises the data set."""
        return _summary(self._data)

    def run(
        self, runner: Runner, opened: Sequence[OpenModel]
    ) -> tuple[tuple[ModelResult, ...], RunComparison | None]:
        """Return what each model retrieves, and their paired differences.

        Parameters
        ----------
        runner : Runner
            Embeds and searches.
        opened : sequence of OpenModel
            Released one after another.
        """
        models: list[ModelResult] = []
        for entry in opened:
            observation = runner.run(entry.label, entry.model)
            # Its memory is to be free before the next one loads.
            entry.release()
            models.append(self._measured(entry.label, observation))
        # A baseline goes first, so that each difference tells what a model adds to it.
        in_order = sorted(models, key=lambda model: model.dim is not None)
        comparison = None
        if len(models) > 1 and paired_measures(models[0].table):
            comparison = compare_tables(
                {model.name: model.table for model in in_order},
                confidence=self._judge.confidence,
                seed=self._judge.seed,
                threads=self._judge.threads,
            )
        return self._slicer.cut(models, self._data.queries, in_order[0].name), comparison

    def _measured(self, label: str, observation: Observation) -> ModelResult:
        hits = as_scores(observation.hits, observation.metric)
        data, judge, measurer = self._data, self._judge, self._measurer
        table = measurer.table(hits, self._parsed, confidence=judge.confidence)
        decisive = measurer.table(hits, [parse_measure(VERDICT_MEASURE)])
        verdict: Verdict | None = None
        if observation.dim is None:
            statement = judge.describe(label, observation.fingerprint, data, decisive)
        else:
            verdict, statement = judge.judge(label, observation.fingerprint, data, decisive)
        result = ModelResult(
            name=label,
            spec=observation.spec,
            fingerprint=observation.fingerprint,
            dim=observation.dim,
            encoder=observation.encoder,
            table=table,
            run=measurer.run(hits),
            depth=self.depth,
            truncation=observation.truncation,
            verdict=verdict,
            statement=statement,
            timing=observation.timing,
            variants=tuple(
                as_variant(form, measured, table, self._resampling)
                for form, measured in observation.variants
            ),
        )
        return self._axes.answer(result, measurer, hits)


def deepest(measures: Sequence[Measure]) -> int:
    """Return the largest cutoff of some measures; 0 if none has one."""
    return max(measure.cutoff or 0 for measure in measures)


def _depth(depth: int | None, measures: Sequence[Measure]) -> int:
    """Return how many documents to keep per query, and refuse too few for the measures."""
    least = deepest((*measures, parse_measure(VERDICT_MEASURE)))
    if depth is None:
        is_open = any(measure.cutoff is None for measure in measures)
        return max(least, _OPEN_DEPTH if is_open else _LEAST_DEPTH)
    if depth < least:
        msg = (
            f"depth is {depth}, but the measures look at the first {least} documents (the "
            f"verdict at {VERDICT_MEASURE}). Raise it to {least}, or leave it out."
        )
        raise ShapeError(msg)
    return depth


def _summary(data: Dataset) -> DataSummary:
    passages = data.corpus.documents
    return DataSummary(
        name=data.name,
        split=data.split,
        hash=data.hash,
        n_documents=len(set(data.corpus.judged_ids)),
        n_queries=len(data.queries),
        n_judgements=data.qrels.n_pairs,
        n_unjudged=data.n_unjudged,
        n_dropped=data.n_dropped,
        n_blank_documents=data.corpus.n_empty,
        n_blank_queries=data.queries.n_empty,
        n_repeated_documents=len(data.corpus) - len(set(data.corpus.texts)),
        n_passages=None if passages is None else len(passages),
        n_synthetic=data.n_synthetic,
    )
