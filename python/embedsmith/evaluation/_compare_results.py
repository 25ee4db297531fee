"""Compare models of several stored results, if their numbers can be compared at all."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith.evaluation._compare_measured import compare_measured
from embedsmith.evaluation._settings import Settings
from embedsmith.exceptions import DataError
from embedsmith.metrics import Measure, compare_tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from embedsmith._typing import Json
    from embedsmith.evaluation._model_result import ModelResult
    from embedsmith.evaluation._result import DataSummary, EvaluationResult
    from embedsmith.metrics import RunComparison

__all__ = ["ComparedModel", "ResultComparison", "compare_results"]

# What is a model's own, or only shown beside the numbers: two models may differ in it. Everything
# else, also what is added later, decides the numbers.
_FREE = frozenset(
    {
        "data",
        "models",
        "measures",
        "device",
        "batch_size",
        "max_tokens",
        "truncate_dim",
        "precision",
        "query_prompt",
        "document_prompt",
        "trust_remote_code",
        "fine_tune_below",
        "keep_above",
        "slices",
        "small_slice",
        "worst",
        "excerpts",
        "excerpt_chars",
        "dims",
        "precisions",
        "rescore_depth",
    }
)
_TWO = 2


@dataclass(frozen=True)
class ComparedModel:
    """A model of one of several results.

    Attributes
    ----------
    name : str
        Unique in the comparison: the model's own, with its result's before it where two agree.
    sources : tuple of str
        The results that hold it with the same fingerprint and the same values.
    model : ModelResult
        Its part of the first of them.
    """

    name: str
    sources: tuple[str, ...]
    model: ModelResult


@dataclass(frozen=True)
class ResultComparison:
    """Models of several results, paired query by query.

    Attributes
    ----------
    data : DataSummary
        The data set, the same in all.
    models : tuple of ComparedModel
        In the order of the results.
    measures : tuple of str
        Those compared; the first leads.
    comparison : RunComparison
        All paired differences.
    """

    data: DataSummary
    models: tuple[ComparedModel, ...]
    measures: tuple[str, ...]
    comparison: RunComparison

    def to_dict(self) -> Json:
        """Return the comparison as plain values for JSON.

        Returns
        -------
        dict
            Schema ``embedsmith.compared/1``: data, models with means and intervals, differences.
        """
        return {
            "schema": "embedsmith.compared/1",
            "data": {
                "name": self.data.name,
                "split": self.data.split,
                "hash": self.data.hash,
                "n_queries": self.data.n_queries,
                "n_synthetic": self.data.n_synthetic,
            },
            "models": [
                {
                    "name": one.name,
                    "sources": list(one.sources),
                    "spec": one.model.spec,
                    "fingerprint": one.model.fingerprint.digest,
                    "measures": {
                        measure: {
                            "mean": one.model.table.mean[measure],
                            "interval": list(one.model.table.ci.get(measure, ())) or None,
                        }
                        for measure in self.measures
                    },
                }
                for one in self.models
            ],
            "comparison": self.comparison.to_dict(),
        }


def compare_results(
    results: Mapping[str, EvaluationResult],
    measures: str | Measure | Iterable[str | Measure] | None = None,
    **options: Any,
) -> ResultComparison:
    """Return the paired differences between the models of several results.

    Takes the values per query as they were stored, and those per resample of measures over a whole
    set (Spearman's, V-measure); embeds, searches and measures nothing. A model
    that several results hold, with one fingerprint and the same values, counts once.

    Parameters
    ----------
    results : mapping of str to EvaluationResult
        One or more by name, such as the file's; together they hold two models or more.
    measures : str, Measure or iterable of them, optional
        Those to compare; by default all that the results have, which must be the same.
    **options
        As for :func:`embedsmith.metrics.compare_tables`: ``correction``, ``confidence``, ``seed``
        and so on. Confidence and seed are those of the results by default.

    Returns
    -------
    ResultComparison
        Models, means and differences.

    Raises
    ------
    DataError
        If the results are of other data, another split or task, or were measured with other
        settings: names what differs. If they hold fewer than two models.
    MeasureError
        If a result lacks a measure that was asked for.

    Examples
    --------
    >>> compare_results({})
    Traceback (most recent call last):
    embedsmith.exceptions.DataError: there is no result to compare. Name one or more.
    """
    if not results:
        msg = "there is no result to compare. Name one or more."
        raise DataError(msg)
    names = list(results)
    first = results[names[0]]
    for name in names[1:]:
        _check_comparable(names[0], first, name, results[name], any_measures=measures is not None)
    models = _models(results)
    if len(models) < _TWO:
        msg = (
            f"{' and '.join(names)} hold one model together ({models[0].name}). "
            "Name a result of another model, or of another version of it."
        )
        raise DataError(msg)
    settings = {"confidence": first.settings.confidence, "seed": first.settings.seed, **options}
    if any(one.model.table.whole_set for one in models):
        _check_resampled(models)
        listed = None if measures is None else _listed(measures)
        comparison = compare_measured({one.name: one.model for one in models}, listed, **settings)
    else:
        tables = {one.name: one.model.table for one in models}
        comparison = compare_tables(tables, measures, **settings)
    return ResultComparison(
        data=first.data,
        models=models,
        measures=comparison.measures,
        comparison=replace(comparison, unit=first.data.unit),
    )


def _listed(measures: str | Measure | Iterable[str | Measure]) -> list[str]:
    if isinstance(measures, str):
        return [name.strip() for name in measures.split(",") if name.strip()]
    return [str(one) for one in ([measures] if isinstance(measures, Measure) else measures)]


def _check_resampled(models: tuple[ComparedModel, ...]) -> None:
    """Refuse models whose resamples were not kept: there is nothing to pair."""
    for one in models:
        lacking = [name for name in one.model.table.whole_set if name not in one.model.draws]
        if lacking:
            msg = (
                f"{one.sources[0]} does not hold the resamples of {', '.join(lacking)} "
                f"({one.name}), by which measures over a whole set are compared: it was written "
                "before they were kept. Evaluate again; cached embeddings are not made again."
            )
            raise DataError(msg)


def _check_comparable(
    a: str, first: EvaluationResult, b: str, other: EvaluationResult, *, any_measures: bool
) -> None:
    """Refuse two results whose numbers mean different things."""
    differ = [
        (what, one, two)
        for what, one, two in (
            ("task", first.task, other.task),
            ("data hash", first.data.hash, other.data.hash),
            ("split", first.data.split, other.data.split),
        )
        if one != two
    ]
    if differ:
        told = "; ".join(f"{what} {one} against {two}" for what, one, two in differ)
        msg = (
            f"{a} and {b} cannot be compared, since they were not measured on the same: {told}. "
            f"Evaluate both on the same data and split."
        )
        raise DataError(msg)
    settings = [
        (field.name, getattr(first.settings, field.name), getattr(other.settings, field.name))
        for field in fields(Settings)
        if field.name not in _FREE
    ]
    table_a, table_b = first.models[0].table.settings, other.models[0].table.settings
    settings += [(key, table_a.get(key), table_b.get(key)) for key in sorted({*table_a, *table_b})]
    if not any_measures and set(first.settings.measures) != set(other.settings.measures):
        settings.append(("measures", first.settings.measures, other.settings.measures))
    told = "; ".join(
        dict.fromkeys(
            f"{name} {_value(one)} against {_value(two)}"
            for name, one, two in settings
            if one != two
        )
    )
    if told:
        msg = (
            f"{a} and {b} cannot be compared, since their numbers were made in other ways: {told}. "
            "Evaluate one of them again with the settings of the other"
            + (", or name measures that both have." if "measures" in told else ".")
        )
        raise DataError(msg)


def _value(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _models(results: Mapping[str, EvaluationResult]) -> tuple[ComparedModel, ...]:
    """Return every model once, under a name of its own."""
    found: list[tuple[list[str], ModelResult]] = []
    for source, result in results.items():
        for model in result.models:
            same = next((held for held, known in found if _same(known, model)), None)
            if same is None:
                found.append(([source], model))
            else:
                same.append(source)
    taken = [model.name for _, model in found]
    names = [
        model.name if taken.count(model.name) == 1 else f"{sources[0]}: {model.name}"
        for sources, model in found
    ]
    return tuple(
        ComparedModel(name, tuple(dict.fromkeys(sources)), model)
        for name, (sources, model) in zip(names, found, strict=True)
    )


def _same(a: ModelResult, b: ModelResult) -> bool:
    """Tell whether two parts are of one model, and say the same."""
    return (
        a.name == b.name
        and a.fingerprint == b.fingerprint
        and a.table.query_ids == b.table.query_ids
        and dict(a.table.mean) == dict(b.table.mean)
        and a.table.per_query.keys() == b.table.per_query.keys()
        and all(
            np.array_equal(values, b.table.per_query[measure])
            for measure, values in a.table.per_query.items()
        )
    )
