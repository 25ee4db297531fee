"""Parity with trec_eval through pytrec_eval (pytrec-eval-terrier 0.5.11, trec_eval 9.0.8).

That trec_eval compares scores as f32, so f64 scores are compared with ``score_dtype="f32"``, or
scores are drawn that f32 holds exactly.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from embedsmith.metrics import evaluate_run

pytrec_eval = pytest.importorskip("pytrec_eval", reason="parity needs pytrec-eval-terrier")

# Ours, and trec_eval's name for the same thing. RR@k has no name there.
NAMES = {
    "nDCG": "ndcg",
    "nDCG@5": "ndcg_cut_5",
    "nDCG@10": "ndcg_cut_10",
    "nDCG@100": "ndcg_cut_100",
    "AP": "map",
    "AP@10": "map_cut_10",
    "RR": "recip_rank",
    "R@5": "recall_5",
    "R@100": "recall_100",
    "P@5": "P_5",
    "P@30": "P_30",
    "Success@1": "success_1",
    "Success@10": "success_10",
    "Rprec": "Rprec",
    "Bpref": "bpref",
    "infAP": "infAP",
    "IPrec@0": "iprec_at_recall_0.00",
    "IPrec@0.1": "iprec_at_recall_0.10",
    "IPrec@0.35": "iprec_at_recall_0.35",
    "IPrec@1": "iprec_at_recall_1.00",
    "11pt": "11pt_avg",
    "SetP": "set_P",
    "SetR": "set_recall",
    "SetAP": "set_map",
    "SetF": "set_F",
    "NumRet": "num_ret",
    "NumRel": "num_rel",
    "NumRelRet": "num_rel_ret",
    "NumQ": "num_q",
}
# Measures that take no threshold.
WITHOUT_LEVEL = ("nDCG", "NumRet", "NumQ")
TREC_EVAL = {
    "ndcg",
    "map",
    "recip_rank",
    "ndcg_cut.5,10,100",
    "map_cut.10",
    "recall.5,100",
    "P.5,30",
    "success.1,10",
    "Rprec",
    "bpref",
    "infAP",
    "iprec_at_recall.0,0.1,0.35,1",
    "11pt_avg",
    "set_P",
    "set_recall",
    "set_map",
    "set_F",
    "num_ret",
    "num_rel",
    "num_rel_ret",
    "num_q",
}


def _case(seed: int, draw_score, n_queries: int = 40):
    """Return random judgements and run; grades from -1 to 3, lists from 1 to 120 documents."""
    rng = random.Random(seed)  # noqa: S311 - test data, not a secret
    docs = [f"d{i}" for i in range(150)] + ["D7", "é1", "d-1", "d_1", "\U0001f600"]
    qrels, run = {}, {}
    for q in range(n_queries):
        judged = rng.sample(docs, rng.randint(1, 60))
        qrels[f"q{q}"] = {doc: rng.choice([-1, 0, 0, 1, 1, 2, 3]) for doc in judged}
        found = rng.sample(docs, rng.randint(1, 120))
        run[f"q{q}"] = {doc: draw_score(rng) for doc in found}
    return qrels, run


def _expected(qrels, run, level: int = 1) -> dict[str, dict[str, float]]:
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, TREC_EVAL, relevance_level=level)
    found: dict[str, dict[str, float]] = evaluator.evaluate(run)
    return found


def _assert_equal(qrels, run, level: int = 1, **options: Any) -> None:
    expected = _expected(qrels, run, level)
    names = {
        ours
        if level == 1
        else ours.replace("@", f"(rel={level})@")
        if "@" in ours
        else f"{ours}(rel={level})": theirs
        for ours, theirs in NAMES.items()
        if level == 1 or not ours.startswith(WITHOUT_LEVEL)
    }
    table = evaluate_run(qrels, run, list(names), confidence=None, **options)
    for ours, theirs in names.items():
        theirs_by_query = [expected[query][theirs] for query in table.query_ids]
        np.testing.assert_allclose(
            table.per_query[ours], theirs_by_query, rtol=0, atol=1e-9, err_msg=ours
        )


@pytest.mark.parametrize("seed", range(8))
def test_measures_equal_trec_eval_on_heavy_ties(seed):
    # Five distinct scores: most documents tie, so most ranks come from the ids.
    _assert_equal(*_case(seed, lambda rng: float(rng.randint(0, 4))))


@pytest.mark.parametrize("seed", range(4))
def test_measures_equal_trec_eval_without_ties(seed):
    _assert_equal(*_case(seed, lambda rng: float(np.float32(rng.gauss(0, 1)))))


@pytest.mark.parametrize("seed", range(4))
def test_f32_scores_reproduce_the_ties_that_trec_eval_makes_by_rounding(seed):
    # Steps of 1e-9 around 1 vanish in f32 (its step there is 1.2e-7): f64 ranks them apart.
    def score(rng: random.Random) -> float:
        return 1.0 + rng.randint(0, 50) * 1e-9 + rng.randint(0, 2)

    qrels, run = _case(seed, score)
    _assert_equal(qrels, run, score_dtype="f32")
    with pytest.raises(AssertionError):
        _assert_equal(qrels, run, score_dtype="f64")


@pytest.mark.parametrize("level", [2, 3])
def test_relevance_thresholds_equal_trec_eval_levels(level):
    qrels, run = _case(99, lambda rng: float(rng.randint(0, 9)))
    _assert_equal(qrels, run, level=level)


def test_means_equal_trec_eval_with_all_judged_queries_counted():
    # trec_eval -c: a judged query that the run lacks counts as 0 in the mean.
    qrels, run = _case(5, lambda rng: float(rng.randint(0, 4)))
    del run["q3"], run["q8"]
    expected = _expected(qrels, run)
    with pytest.warns(UserWarning, match=r"2 of 40 judged queries are not in the run: 'q3', 'q8'"):
        table = evaluate_run(qrels, run, ["AP", "nDCG@10"], confidence=None)
    for ours, theirs in (("AP", "map"), ("nDCG@10", "ndcg_cut_10")):
        mean = sum(values[theirs] for values in expected.values()) / 40
        assert table.mean[ours] == pytest.approx(mean, abs=1e-9)


def test_arrays_equal_trec_eval_on_heavy_ties():
    rng = np.random.default_rng(3)
    doc_ids = [f"d{i}" for i in range(300)]
    query_ids = [f"q{i}" for i in range(60)]
    scores = -np.sort(-rng.integers(0, 6, (60, 40)).astype(np.float32), axis=1)
    rows = np.stack([rng.permutation(300)[:40] for _ in query_ids])
    qrels = {
        query: {doc_ids[d]: int(rng.integers(0, 4)) for d in rng.permutation(300)[:50]}
        for query in query_ids
    }
    as_dicts = {
        query: {doc_ids[d]: float(s) for d, s in zip(rows[i], scores[i], strict=True)}
        for i, query in enumerate(query_ids)
    }
    expected = _expected(qrels, as_dicts)
    names = {ours: theirs for ours, theirs in NAMES.items() if not ours.endswith("@100")}
    table = evaluate_run(
        qrels, (scores, rows), list(names), query_ids=query_ids, doc_ids=doc_ids, confidence=None
    )
    for ours, theirs in names.items():
        np.testing.assert_allclose(
            table.per_query[ours], [expected[q][theirs] for q in query_ids], rtol=0, atol=1e-9
        )


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_the_weight_of_set_f_is_the_square_of_beta(beta):
    qrels, run = _case(7, lambda rng: float(rng.randint(0, 4)))
    found = pytrec_eval.RelevanceEvaluator(qrels, {f"set_F.{beta * beta}"}).evaluate(run)
    table = evaluate_run(qrels, run, [f"SetF(beta={beta})"], confidence=None)
    name = next(iter(next(iter(found.values()))))
    expected = [found[query][name] for query in table.query_ids]
    np.testing.assert_allclose(table.per_query[table.measures[0]], expected, rtol=0, atol=1e-9)


def test_geometric_means_equal_trec_eval():
    qrels, run = _case(8, lambda rng: float(rng.randint(0, 4)))
    # A query that finds nothing: its AP of 0 counts as 0.00001.
    qrels["none"], run["none"] = {"d1": 1}, {"d2": 1.0}
    found = pytrec_eval.RelevanceEvaluator(qrels, {"gm_map"}).evaluate(run)
    logs = [values["gm_map"] for values in found.values()]
    expected = pytrec_eval.compute_aggregated_measure("gm_map", logs)
    table = evaluate_run(qrels, run, ["gMAP"])
    assert table.mean["gMAP"] == pytest.approx(expected, abs=1e-9)
    low, high = table.ci["gMAP"]
    assert low < table.mean["gMAP"] < high


def test_sums_equal_trec_eval():
    qrels, run = _case(9, lambda rng: float(rng.randint(0, 4)))
    names = {"NumRet": "num_ret", "NumRel": "num_rel", "NumRelRet": "num_rel_ret", "NumQ": "num_q"}
    found = pytrec_eval.RelevanceEvaluator(qrels, set(names.values())).evaluate(run)
    table = evaluate_run(qrels, run, list(names))
    for ours, theirs in names.items():
        values = [by_query[theirs] for by_query in found.values()]
        assert table.mean[ours] == pytrec_eval.compute_aggregated_measure(theirs, values)
    # The sum of other queries would be another: there is no interval to give.
    assert table.ci == {}
