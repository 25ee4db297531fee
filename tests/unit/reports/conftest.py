"""Real results for reports: models that really ran, and what later stages add to them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from embedsmith.datasets import Corpus, Dataset, Qrels, Queries
from embedsmith.evaluation import (
    EvaluationResult,
    Expected,
    LatencyBucket,
    ModelResult,
    RecallCurve,
    Retrieved,
    Slice,
    Variant,
    WorstQuery,
    evaluate,
)
from embedsmith.metrics import compare_tables

if TYPE_CHECKING:
    from embedsmith.evaluation._variant import Precision

HOSTILE = "<script>alert('x')</script></style>\"'&amp;\u202ee\u0000\ud800{{7*7}}"


def bank(name: str = "policies", n: int = 40) -> Dataset:
    return Dataset.build(
        name,
        Corpus(
            tuple(f"d{i}" for i in range(n)),
            tuple(f"word{i} word{i % 7} common" for i in range(n)),
        ),
        Queries(tuple(f"q{i}" for i in range(n)), tuple(f"word{i} common" for i in range(n))),
        Qrels({f"q{i}": {f"d{i}": 1, f"d{(i + 7) % n}": 2} for i in range(n)}),
    )


@pytest.fixture(scope="session")
def plain_result() -> EvaluationResult:
    """Return three models without any of the optional parts."""
    result = evaluate(
        ["bm25", "fake:16", "fake:64"], bank(), measures="ndcg@10,recall@10,rr@10", cache=False
    )
    models = (
        dataclasses.replace(model, slices=(), curve=None, variants=(), worst=())
        for model in result.models
    )
    return dataclasses.replace(result, models=tuple(models))


@pytest.fixture(scope="session")
def full_result(plain_result: EvaluationResult) -> EvaluationResult:
    """Return the same result with every optional part filled."""
    return enriched(plain_result)


def enriched(result: EvaluationResult, text: str = "word common") -> EvaluationResult:
    """Return a result with groups, curves, smaller forms, worst queries and latency buckets."""
    return dataclasses.replace(
        result, models=tuple(_enriched(model, text) for model in result.models)
    )


def _enriched(model: ModelResult, text: str) -> ModelResult:
    measures = model.table.measures
    mean = {name: float(model.table.mean[name]) for name in measures}
    forms: list[tuple[int, Precision, int]] = [(8, "f32", 4), (4, "f32", 4)]
    forms.append((model.dim or 0, "int8", 1))

    def group(value, n, factor, *, small):
        means = {name: factor * mean[name] for name in measures}
        return Slice(
            "product",
            value,
            n,
            means,
            {name: (max(0.0, one - 0.1), min(1.0, one + 0.1)) for name, one in means.items()},
            small,
        )

    return dataclasses.replace(
        model,
        slices=(group("cards", 30, 0.9, small=False), group(f"loans {text}", 4, 0.5, small=True)),
        curve=RecallCurve((1, 2, 3, 5, 10, 20, 40), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)),
        variants=()
        if model.dim is None
        else tuple(
            Variant(
                dim,
                precision,
                dim * size,
                {name: 0.9 * mean[name] for name in measures},
                {name: (0.8 * mean[name], mean[name]) for name in measures},
                dict.fromkeys(measures, (-0.1, -0.15, -0.05)),
            )
            for dim, precision, size in forms
        ),
        worst=tuple(
            WorstQuery(
                f"q{i}",
                f"{text} {i}",
                measures[0],
                0.0,
                (Expected(f"d{i}", 2.0, None, f"{text} expected"), Expected("e", 1.0, 7, None)),
                (Retrieved("d9", 0.5, None, f"{text} retrieved"), Retrieved("d8", 0.4, 0.0, None)),
            )
            for i in range(3)
        ),
        timing=dataclasses.replace(
            model.timing,
            latency_buckets=(LatencyBucket(1, "1-8 tokens", 20, 1.0, 2.0, 3.0, cold=False),),
        ),
    )


def renamed(result: EvaluationResult, names: list[str]) -> EvaluationResult:
    """Return a result of as many models as names, copies of the first ones by turns."""
    models = tuple(
        dataclasses.replace(result.models[i % len(result.models)], name=name)
        for i, name in enumerate(names)
    )
    return dataclasses.replace(
        result,
        models=models,
        comparison=compare_tables({model.name: model.table for model in models}, n_resamples=200)
        if len(models) > 1
        else None,
    )
