"""Models measured on a task other than retrieval, and compared on its items."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._phrases import counted
from embedsmith.backends import Bm25
from embedsmith.datasets import RerankingSet
from embedsmith.evaluation._compare_measured import compare_measured
from embedsmith.evaluation._model_result import ModelResult
from embedsmith.evaluation._result import DataSummary
from embedsmith.evaluation.tasks import family_of
from embedsmith.exceptions import MeasureError, ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import Task
    from embedsmith.backends import Encoder
    from embedsmith.datasets import Qrels, TaskData
    from embedsmith.evaluation._models import OpenModel
    from embedsmith.evaluation._runner import EmbeddedTask, Runner
    from embedsmith.evaluation._statement import Judge
    from embedsmith.evaluation.tasks import Experiments, Family, Measured
    from embedsmith.metrics import RunComparison

__all__ = ["TaskJob", "refuse_axes"]


class TaskJob:
    """What a task other than retrieval asks of each model.

    Parameters
    ----------
    data : TaskData
        Decides the task.
    measures : str, sequence of str or None
        As ``Family.chosen`` takes them.
    judge : Judge
        Its level, seed and threads are those of all intervals; it judges nothing.
    experiments : Experiments
        The random part.

    Raises
    ------
    MeasureError
        If the task has no such measure.
    """

    variation: None = None

    def __init__(
        self,
        data: TaskData,
        measures: str | Sequence[str] | None,
        judge: Judge,
        experiments: Experiments,
    ) -> None:
        self._family = family_of(data, experiments)
        self._judge = judge
        self.task: Task = data.task
        self.depth = 0
        self.qrels: Qrels | None = data.dataset.qrels if isinstance(data, RerankingSet) else None
        self.measures = self._family.chosen(measures)
        self.summary = _summary(data, self._family)
        self.definitions = self._family.define(self.measures)
        self.gold = self._family.gold
        self.settings: dict[str, Any] = {
            "task": data.task,
            "columns": data.columns,
            "candidates": getattr(data, "candidates_path", None),
            **self._family.options,
        }

    def run(
        self, runner: Runner, opened: Sequence[OpenModel]
    ) -> tuple[tuple[ModelResult, ...], RunComparison | None]:
        """Return what each model is worth, and their paired differences.

        Parameters
        ----------
        runner : Runner
            Embeds.
        opened : sequence of OpenModel
            Released one after another.

        Raises
        ------
        ModelError
            If one is a model of words; said before any of them runs.
        """
        encoders = [_encoder_of(entry, self.task) for entry in opened]
        models = []
        measured: dict[str, Measured] = {}
        for entry, encoder in zip(opened, encoders, strict=True):
            embedded = runner.embed(entry.label, encoder, self._family.texts)
            # Its memory is to be free before the next one loads.
            entry.release()
            found = self._family.measure(
                embedded.vectors,
                self.measures,
                confidence=self._judge.confidence,
                threads=self._judge.threads,
            )
            measured[entry.label] = found
            models.append(_model_result(entry.label, embedded, found, self.summary))
        if len(models) == 1:
            return tuple(models), None
        comparison = compare_measured(
            measured,
            confidence=self._judge.confidence,
            seed=self._judge.seed,
            threads=self._judge.threads,
        )
        return tuple(models), replace(comparison, unit=self.summary.unit)


def refuse_axes(task: Task, **asked: object) -> None:
    """Refuse questions that only retrieval answers.

    Parameters
    ----------
    task : str
        The task that was asked.
    **asked : object
        Arguments by name; empty ones were not asked.

    Raises
    ------
    MeasureError
        With the first one that was.
    """
    for name, value in asked.items():
        if value is not None and value not in ((), [], ""):
            msg = f"{name} asks about retrieval, and the task is {task}. Leave it out."
            raise MeasureError(msg)


def _encoder_of(entry: OpenModel, task: Task) -> Encoder:
    """Return the encoder of a model.

    Raises
    ------
    ModelError
        If it is a model of words.
    """
    model = entry.model
    if isinstance(model, Bm25):
        msg = (
            f"{entry.label} is a model of words and makes no vectors, which the task "
            f"{task} is about. Leave it out, or name an encoder: 'all-MiniLM-L6-v2'."
        )
        raise ModelError(msg)
    return model


def _summary(data: TaskData, family: Family) -> DataSummary:
    """Return what recognises a data set of this task.

    Parameters
    ----------
    data : TaskData
        Named, and hashed.
    family : Family
        Counts its parts.
    """
    texts = (*family.texts.queries, *family.texts.documents)
    counts = {
        "n_documents": 0,
        "n_judgements": 0,
        "n_unjudged": 0,
        "n_dropped": 0,
        "n_blank_documents": sum(not text.strip() for text in family.texts.documents),
        "n_blank_queries": sum(not text.strip() for text in family.texts.queries),
        "n_repeated_documents": 0,
        "n_texts": len(texts),
        "n_synthetic": data.dataset.n_synthetic if isinstance(data, RerankingSet) else 0,
        **family.counts,
    }
    return DataSummary(name=data.name, split=data.split, hash=data.hash, unit=data.unit, **counts)


def _model_result(
    label: str, embedded: EmbeddedTask, measured: Measured, data: DataSummary
) -> ModelResult:
    """Return one model's part of a result.

    Parameters
    ----------
    label : str
        Name of the model in the result.
    embedded : EmbeddedTask
        Who made the vectors, and how.
    measured : Measured
        What they are worth.
    data : DataSummary
        For the statement.
    """
    return ModelResult(
        name=label,
        spec=embedded.spec,
        fingerprint=embedded.fingerprint,
        dim=embedded.dim,
        encoder=embedded.encoder,
        table=measured.table,
        run=measured.run,
        # Of a candidate list everything is kept.
        depth=0 if measured.run is None else int(np.diff(measured.run.offsets).max()),
        truncation=embedded.truncation,
        verdict=None,
        statement=_statement(label, embedded, measured, data),
        timing=embedded.timing,
        details={**measured.details, "notes": list(measured.notes)},
        draws=measured.draws,
    )


def _statement(label: str, embedded: EmbeddedTask, measured: Measured, data: DataSummary) -> str:
    """Return the first measure as a sentence that can be quoted."""
    table = measured.table
    name = table.measures[0]
    low, high = table.ci[name]
    items = counted(data.n_queries, data.unit)
    level = 100 * table.settings["confidence"]
    return (
        f"{label} (fingerprint {embedded.fingerprint.short}) on {data.title}, split {data.split}: "
        f"{name} is {table.mean[name]:.3f} over {items} "
        f"({level:g} % interval {low:.3f} to {high:.3f})."
    )
