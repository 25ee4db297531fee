"""What a task family is: what it reads, what it measures, and how it says so."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from embedsmith._core import mean
from embedsmith.evaluation.tasks._resampling import interval_of
from embedsmith.exceptions import MeasureError
from embedsmith.metrics import MetricTable
from embedsmith.metrics._evaluate import N_RESAMPLES, measure_intervals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedsmith._typing import F32Array, F64Array, Json, Metric, Task
    from embedsmith.datasets import Run
    from embedsmith.evaluation.tasks._resampling import Resampling
    from embedsmith.metrics._table import IntervalMethod

__all__ = ["Family", "Measured", "Texts", "Vectors", "WholeSet", "tabulate"]


@dataclass(frozen=True)
class Texts:
    """What an encoder is to embed, by role; distinct within a role.

    Attributes
    ----------
    queries, documents : tuple of str
        A task whose texts are all of one kind has queries only: models with prompts are trained
        to take their query prompt for such tasks.
    """

    queries: tuple[str, ...]
    documents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vectors:
    """The embeddings of ``Texts``, row by row.

    Attributes
    ----------
    queries, documents : ndarray of shape (n_texts, dim), float32
        As in ``Texts``.
    metric : {"cosine", "dot", "l2"}
        The similarity that the model was made for.
    """

    queries: F32Array
    documents: F32Array
    metric: Metric


@dataclass(frozen=True)
class WholeSet:
    """A measure over all items together.

    Attributes
    ----------
    value : float
        Over the items as they are.
    draws : ndarray of shape (n_resamples,), float64
        Over each resample; NaN where a resample leaves it undefined.
    """

    value: float
    draws: F64Array


@dataclass(frozen=True)
class Measured:
    """What one model is worth on one task.

    Attributes
    ----------
    table : MetricTable
        Measures and intervals.
    draws : dict of str to ndarray
        Resampled values of the measures over the whole set: models that were resampled alike
        are compared by them.
    details : dict
        For ``ModelResult.details``.
    notes : tuple of str
        What a reader must know about the numbers.
    run : Run or None
        Ranked documents, if the task ranks any.
    """

    table: MetricTable
    draws: Mapping[str, F64Array] = field(default_factory=dict)
    details: Json = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    run: Run | None = None


class Family(ABC):
    """One task over one labelled set.

    Attributes
    ----------
    task : str
        Name of the task.
    defaults : tuple of str
        The measures shown if none are named; the first one is quoted.
    definitions : dict of str to str
        Every measure that the task has, with its meaning.
    """

    task: ClassVar[Task]
    defaults: ClassVar[tuple[str, ...]]
    definitions: ClassVar[Mapping[str, str]]

    @property
    @abstractmethod
    def texts(self) -> Texts:
        """What is to be embedded."""

    @property
    @abstractmethod
    def gold(self) -> tuple[str | float, ...]:
        """The right answer of each item."""

    @property
    @abstractmethod
    def counts(self) -> Mapping[str, int]:
        """Fields of ``DataSummary`` that this task fills."""

    @property
    def options(self) -> dict[str, Any]:
        """Fields of ``Settings`` that decide its numbers."""
        return {}

    @abstractmethod
    def measure(
        self, vectors: Vectors, measures: Sequence[str], *, confidence: float, threads: int | None
    ) -> Measured:
        """Return what the embeddings are worth.

        Parameters
        ----------
        vectors : Vectors
            Of ``texts``.
        measures : sequence of str
            Names that ``chosen`` returned.
        confidence : float
            Level of the intervals.
        threads : int or None
            For the bootstrap.
        """

    def define(self, measures: Sequence[str]) -> dict[str, str]:
        """Return the meaning of some measures."""
        return {name: self.definitions[name] for name in measures}

    def chosen(self, measures: str | Sequence[str] | None) -> tuple[str, ...]:
        """Return the measures asked for by their names in the task.

        Parameters
        ----------
        measures : str, sequence of str or None
            Names, comma-separated in a string, in any case; None are the defaults, ``"all"`` is
            all.

        Raises
        ------
        MeasureError
            If the task has no such measure; offers the nearest.
        """
        if measures is None:
            return self.defaults
        listed = measures.split(",") if isinstance(measures, str) else map(str, measures)
        names = [name.strip() for name in listed if name.strip()]
        if [name.lower() for name in names] == ["all"]:
            return tuple(self.definitions)
        if not names:
            msg = f"measures is empty. Name some of {', '.join(self.definitions)}, or 'all'."
            raise MeasureError(msg)
        return tuple(dict.fromkeys(map(self._known, names)))

    def _known(self, name: str) -> str:
        known = {key.lower(): key for key in self.definitions}
        # "l2" is what the searches of this package call the Euclidean distance.
        key = name.lower().replace("l2_", "euclidean_")
        if key in known:
            return known[key]
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {known[near[0]]!r}? There" if near else "there"
        msg = (
            f"{name!r} is no measure of the task {self.task}; {hint} are "
            f"{', '.join(self.definitions)}."
        )
        raise MeasureError(msg)


def tabulate(
    measures: Sequence[str],
    item_ids: tuple[str, ...],
    items: Mapping[str, F64Array],
    whole: Mapping[str, WholeSet],
    *,
    confidence: float,
    resampling: Resampling,
    threads: int | None,
) -> MetricTable:
    """Return a table of measures that are means over items, and of measures over all items.

    Parameters
    ----------
    measures : sequence of str
        All of them, in order.
    item_ids : tuple of str
        What the values of ``items`` belong to.
    items : mapping of str to ndarray of shape (n_items,), float64
        Measures whose value is the mean of these; BCa intervals.
    whole : mapping of str to WholeSet
        The others; percentile intervals.
    confidence : float
        Level of the intervals.
    resampling : Resampling
        By which ``whole`` was resampled.
    threads : int or None
        For the bootstrap of the means.
    """
    columns = {name: _locked(items[name]) for name in measures if name in items}
    ci: dict[str, tuple[float, float]] = {}
    methods: dict[str, IntervalMethod] = {}
    if columns:
        ci, methods = measure_intervals(
            columns,
            confidence=confidence,
            n_resamples=N_RESAMPLES,
            seed=resampling.seed,
            threads=threads,
        )
    for name, measured in whole.items():
        ci[name], methods[name] = interval_of(
            measured.value, measured.draws, confidence, n_items=resampling.n_items
        )
    means = {
        name: mean(columns[name]) if name in columns else whole[name].value for name in measures
    }
    return MetricTable(
        measures=tuple(measures),
        query_ids=item_ids,
        per_query=columns,
        mean=means,
        ci={name: ci[name] for name in measures},
        ci_method={name: methods[name] for name in measures},
        n_queries=len(item_ids),
        n_missing=0,
        n_unjudged=0,
        n_no_relevant=0,
        tie_share=0.0,
        settings={
            "confidence": confidence,
            "n_resamples": N_RESAMPLES,
            "n_resamples_whole_set": resampling.n_resamples,
            "seed": resampling.seed,
        },
        whole_set=tuple(name for name in measures if name in whole),
    )


def _locked(values: F64Array) -> F64Array:
    values = values.copy()
    values.flags.writeable = False
    return values
