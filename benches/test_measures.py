"""Six measures of a run in memory: from arrays, and from dicts of dicts, beside the peers.

All compute nDCG@10, AP, RR, R@100, P@10 and Success@10, without intervals. Each peer gets the form
its documentation calls fastest, made outside the timing: ranx arrays sorted by score, or its own
Qrels and Run; pytrec_eval an evaluator (its judgements copied beforehand); sentence-transformers
the lists that its evaluator collects. "embedsmith" takes judgements as compressed rows of numbers,
"embedsmith, prepared" has an `Evaluator` made beforehand from them, and "embedsmith, string ids"
takes a dict of dicts, which it looks up in each call. ranx compiles on its
first call, which ``first_s`` of a record tells; its cache is empty at the start. "numpy" is what
one writes by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from benches import judged
from benches.engines import THREADS
from benches.judged import MEASURES
from benches.vectors import scaled
from embedsmith.metrics import Evaluator, evaluate_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benches.conftest import Bench

    Means = Callable[[], dict[str, float]]

N_QUERIES = scaled(100_000)
SHAPE = {"queries": N_QUERIES, "docs": judged.N_DOCS, "depth": judged.DEPTH, "relevant": 4}


def embedsmith_arrays() -> Means:
    run = judged.make(N_QUERIES)
    offsets = np.arange(0, run.relevant.size + 1, judged.RELEVANT)
    qrels = offsets, run.relevant.ravel(), np.ones(run.relevant.size, dtype=np.int64)
    results = run.scores, run.rows
    return lambda: evaluate_run(qrels, results, MEASURES, confidence=None, threads=THREADS).mean


def embedsmith_prepared() -> Means:
    run = judged.make(N_QUERIES)
    offsets = np.arange(0, run.relevant.size + 1, judged.RELEVANT)
    qrels = offsets, run.relevant.ravel(), np.ones(run.relevant.size, dtype=np.int64)
    evaluator = Evaluator(qrels, MEASURES, confidence=None, threads=THREADS)
    results = run.scores, run.rows
    return lambda: evaluator.evaluate(results).mean


def embedsmith_ids() -> Means:
    run = judged.make(N_QUERIES)
    qrels, query_ids, doc_ids = run.qrels(), run.query_ids, judged.doc_ids()
    return lambda: (
        evaluate_run(
            qrels,
            (run.scores, run.rows),
            MEASURES,
            query_ids=query_ids,
            doc_ids=doc_ids,
            confidence=None,
            threads=THREADS,
        ).mean
    )


def embedsmith_dicts() -> Means:
    run = judged.make(N_QUERIES)
    qrels, results = run.qrels(), run.run()
    return lambda: evaluate_run(qrels, results, MEASURES, confidence=None, threads=THREADS).mean


def ranx_arrays() -> Means:
    import ranx

    run = judged.make(N_QUERIES)
    qrels = np.stack([run.relevant, np.ones_like(run.relevant)], axis=2).astype(np.float64)
    results = np.stack([run.rows, run.scores], axis=2).astype(np.float64)
    del run
    return lambda: judged.named(ranx.evaluate(qrels, results, list(judged.RANX)), judged.RANX)


def numpy_arrays() -> Means:
    run = judged.make(N_QUERIES)
    discounts = 1 / np.log2(np.arange(2, judged.DEPTH + 2))
    ideal = discounts[: judged.RELEVANT].sum()

    def call() -> dict[str, float]:
        hits = np.zeros(run.rows.shape, dtype=bool)
        for column in run.relevant.T:
            hits |= run.rows == column[:, None]
        counts = hits.cumsum(axis=1)
        first = hits.argmax(axis=1)
        values = (
            (hits[:, :10] * discounts[:10]).sum(axis=1) / ideal,
            (hits * counts / np.arange(1, judged.DEPTH + 1)).sum(axis=1) / judged.RELEVANT,
            np.where(counts[:, -1] > 0, 1 / (first + 1), 0.0),
            counts[:, 99] / judged.RELEVANT,
            counts[:, 9] / 10,
            counts[:, 9] > 0,
        )
        return {name: float(value.mean()) for name, value in zip(MEASURES, values, strict=True)}

    return call


def sentence_transformers_lists() -> Means:
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    run = judged.make(N_QUERIES)
    evaluator = InformationRetrievalEvaluator(
        queries=dict.fromkeys(run.query_ids, ""),
        corpus=dict.fromkeys(judged.doc_ids(), ""),
        relevant_docs={query: set(grades) for query, grades in run.qrels().items()},
        mrr_at_k=[judged.DEPTH],
        accuracy_at_k=[10],
        precision_recall_at_k=[10, 100],
    )
    documents = judged.doc_ids()
    lists = [
        [
            {"corpus_id": documents[row], "score": score}
            for row, score in zip(*of_query, strict=True)
        ]
        for of_query in zip(run.rows.tolist(), run.scores.tolist(), strict=True)
    ]

    def call() -> dict[str, float]:
        found = evaluator.compute_metrics(lists)
        keys = (
            ("ndcg@k", 10),
            ("map@k", 100),
            ("mrr@k", judged.DEPTH),
            ("recall@k", 100),
            ("precision@k", 10),
            ("accuracy@k", 10),
        )
        return {ours: float(found[key][k]) for ours, (key, k) in zip(MEASURES, keys, strict=True)}

    return call


def pytrec_eval_dicts() -> Means:
    import pytrec_eval

    run = judged.make(N_QUERIES)
    evaluator = pytrec_eval.RelevanceEvaluator(
        run.qrels(), {"ndcg_cut.10", "map", "recip_rank", "recall.100", "P.10", "success.10"}
    )
    results = run.run()
    return lambda: judged.averaged(evaluator.evaluate(results))


def ranx_dicts() -> Means:
    import ranx

    run = judged.make(N_QUERIES)
    qrels, results = run.qrels(), run.run()
    return lambda: judged.named(
        ranx.evaluate(ranx.Qrels(qrels), ranx.Run(results), list(judged.RANX)), judged.RANX
    )


def ranx_own_types() -> Means:
    import ranx

    run = judged.make(N_QUERIES)
    qrels, results = ranx.Qrels(run.qrels()), ranx.Run(run.run())
    return lambda: judged.named(ranx.evaluate(qrels, results, list(judged.RANX)), judged.RANX)


def ir_measures_dicts() -> Means:
    import ir_measures

    run = judged.make(N_QUERIES)
    qrels, results = run.qrels(), run.run()
    measures = [ir_measures.parse_measure(name) for name in MEASURES]

    def call() -> dict[str, float]:
        found = ir_measures.calc_aggregate(measures, qrels, results)
        return {str(name): float(found[one]) for name, one in zip(MEASURES, measures, strict=True)}

    return call


ARRAYS: dict[str, Callable[[], Means]] = {
    "embedsmith": embedsmith_arrays,
    "embedsmith, prepared": embedsmith_prepared,
    "embedsmith, string ids": embedsmith_ids,
    "ranx": ranx_arrays,
    "numpy": numpy_arrays,
    "sentence-transformers": sentence_transformers_lists,
}
DICTS: dict[str, Callable[[], Means]] = {
    "embedsmith": embedsmith_dicts,
    "pytrec_eval": pytrec_eval_dicts,
    "ranx": ranx_dicts,
    "ranx own types": ranx_own_types,
    "ir_measures": ir_measures_dicts,
}


@pytest.mark.parametrize("engine", ARRAYS)
def test_arrays(bench: Bench, engine: str, tmp_path: Path) -> None:
    means = bench(
        ARRAYS[engine],
        engine=engine,
        baseline="ranx",
        shape=SHAPE,
        dtype="float32",
        threads=THREADS,
        k=judged.DEPTH,
        environment=judged.numba_environment(tmp_path, THREADS),
    )
    judged.check(means, judged.make(N_QUERIES))


@pytest.mark.parametrize("engine", DICTS)
def test_dicts(bench: Bench, engine: str, tmp_path: Path) -> None:
    means = bench(
        DICTS[engine],
        engine=engine,
        baseline="pytrec_eval",
        shape=SHAPE,
        dtype="float64",
        threads=THREADS,
        k=judged.DEPTH,
        environment=judged.numba_environment(tmp_path, THREADS),
    )
    judged.check(means, judged.make(N_QUERIES))
