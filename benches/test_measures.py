"""Measuring a run: from dicts of dicts beside pytrec_eval and ranx, and from arrays.

All engines compute nDCG@10, R@100 and RR@10 per query, without intervals, on one thread of Python.
Each peer gets the form its documentation calls fastest: pytrec_eval an evaluator made beforehand
(judgements copied outside the timing), ranx its own Qrels and Run (compiled and sorted outside
it, so that only its arithmetic is timed), and beside it ranx from the same dicts as the others.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benches.vectors import scaled
from embedsmith import _core
from embedsmith.metrics import evaluate_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from benches.conftest import Bench

MEASURES = ["nDCG@10", "R@100", "RR@10"]
N_QUERIES = scaled(100_000)
N_DOCS = 100_000
DEPTH = 100
THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
SHAPE = {"queries": N_QUERIES, "docs": N_DOCS, "depth": DEPTH, "relevant": 4}


def _arrays() -> tuple[list[str], list[str], np.ndarray, np.ndarray, dict[str, dict[str, int]]]:
    """Return query ids, document ids, scores, rows, and four judgements per query, one unfound."""
    rng = np.random.default_rng(20)
    query_ids = [f"query-{i}" for i in range(N_QUERIES)]
    doc_ids = [f"document-{i}" for i in range(N_DOCS)]
    # Distinct rows, scattered as a search scatters them: the stride shares no factor with N_DOCS.
    start = rng.integers(0, N_DOCS, (N_QUERIES, 1))
    stride = 10 * rng.integers(1, N_DOCS // 10, (N_QUERIES, 1)) + 1
    places = (start + stride * np.arange(DEPTH + 1)) % N_DOCS
    rows, unfound = np.ascontiguousarray(places[:, :-1]), places[:, -1]
    scores = -np.sort(-rng.random((N_QUERIES, DEPTH), dtype=np.float32), axis=1)
    judged = {}
    for query, found, other in zip(query_ids, rows, unfound, strict=True):
        grades = {doc_ids[found[j]]: 1 + j % 2 for j in (1, 7, 30)}
        judged[query] = {**grades, doc_ids[other]: 1}
    return query_ids, doc_ids, scores, rows, judged


def _dicts() -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    query_ids, doc_ids, scores, rows, judged = _arrays()
    run = {
        query: dict(zip([doc_ids[row] for row in found], values.tolist(), strict=True))
        for query, found, values in zip(query_ids, rows, scores, strict=True)
    }
    return judged, run


def embedsmith_arrays() -> Callable[[], Any]:
    query_ids, doc_ids, scores, rows, judged = _arrays()
    return lambda: (
        evaluate_run(
            judged, (scores, rows), MEASURES, query_ids=query_ids, doc_ids=doc_ids, confidence=None
        ).mean
    )


def embedsmith_dicts() -> Callable[[], Any]:
    judged, run = _dicts()
    return lambda: evaluate_run(judged, run, MEASURES, confidence=None).mean


def pytrec_eval_dicts() -> Callable[[], Any]:
    import pytrec_eval

    judged, run = _dicts()
    evaluator = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10", "recall.100", "recip_rank"})

    def call() -> dict[str, float]:
        found = evaluator.evaluate(run)
        names = ("ndcg_cut_10", "recall_100", "recip_rank")
        return {
            ours: sum(values[theirs] for values in found.values()) / len(found)
            for ours, theirs in zip(MEASURES, names, strict=True)
        }

    return call


def ranx_dicts() -> Callable[[], Any]:
    import ranx

    judged, run = _dicts()
    names = ["ndcg@10", "recall@100", "mrr@10"]

    def call() -> dict[str, float]:
        found = ranx.evaluate(ranx.Qrels(judged), ranx.Run(run), names)
        return {ours: float(found[theirs]) for ours, theirs in zip(MEASURES, names, strict=True)}

    call()  # numba compiles on the first call
    return call


def ranx_own_types() -> Callable[[], Any]:
    import ranx

    judged, run = _dicts()
    qrels, own = ranx.Qrels(judged), ranx.Run(run)
    names = ["ndcg@10", "recall@100", "mrr@10"]

    def call() -> dict[str, float]:
        found = ranx.evaluate(qrels, own, names)
        return {ours: float(found[theirs]) for ours, theirs in zip(MEASURES, names, strict=True)}

    call()
    return call


PREPARE = {
    "embedsmith dicts": embedsmith_dicts,
    "embedsmith arrays": embedsmith_arrays,
    "pytrec_eval dicts": pytrec_eval_dicts,
    "ranx dicts": ranx_dicts,
    "ranx own types": ranx_own_types,
}


@pytest.mark.parametrize("engine", PREPARE)
def test_measures(bench: Bench, engine: str) -> None:
    means = bench(
        PREPARE[engine],
        engine=engine,
        baseline="pytrec_eval dicts",
        shape=SHAPE,
        dtype="float32" if "arrays" in engine else "float64",
        threads=THREADS,
        k=DEPTH,
    )
    # Every relevant document is at rank 2, 8 or 31, or not found.
    gained = 2 / np.log2(3) + 2 / np.log2(9)
    ideal = 2 + 2 / np.log2(3) + 1 / np.log2(4) + 1 / np.log2(5)
    expected = {"nDCG@10": gained / ideal, "R@100": 0.75, "RR@10": 0.5}
    assert means == pytest.approx(expected, abs=1e-9)


def resample(n: int) -> Callable[[], Any]:
    values = np.random.default_rng(21).beta(2, 1, (1, n))
    return lambda: _core.bootstrap_intervals(
        values, confidence=0.95, n_resamples=10_000, seed=0, threads=None
    )


def permute(n: int) -> Callable[[], Any]:
    values = np.random.default_rng(22).normal(size=n)
    return lambda: _core.randomisation_test(values, n_permutations=10_000, seed=0, threads=None)


def scipy_resample(n: int) -> Callable[[], Any]:
    from scipy import stats

    values = np.random.default_rng(21).beta(2, 1, n)
    return lambda: stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method="BCa", rng=0, batch=1000
    )


def scipy_permute(n: int) -> Callable[[], Any]:
    from scipy import stats

    values = np.random.default_rng(22).normal(size=n)
    return lambda: stats.permutation_test(
        (values,),
        np.mean,
        permutation_type="samples",
        n_resamples=10_000,
        rng=0,
        batch=1000,
        vectorized=True,
    )


@pytest.mark.parametrize(
    ("engine", "prepare"), [("embedsmith", resample), ("scipy", scipy_resample)]
)
def test_bca_interval(bench: Bench, engine: str, prepare: Callable[[int], Any]) -> None:
    bench(
        prepare,
        1000,
        engine=engine,
        baseline="scipy",
        shape={"queries": 1000, "resamples": 10_000},
        dtype="float64",
        threads=THREADS,
    )


@pytest.mark.parametrize(("engine", "prepare"), [("embedsmith", permute), ("scipy", scipy_permute)])
def test_randomisation_test(bench: Bench, engine: str, prepare: Callable[[int], Any]) -> None:
    bench(
        prepare,
        1000,
        engine=engine,
        baseline="scipy",
        shape={"queries": 1000, "permutations": 10_000},
        dtype="float64",
        threads=THREADS,
    )
