"""Each preset beside the tool it is named after, on random judgements and runs with ties.

Against pytrec-eval-terrier 0.5.11, mteb 2.26, sentence-transformers 6.2 and ir_measures 0.4.3.
BEIR's package is not installed: its own measures are written out here from its description, and
its others are pytrec_eval's. The same goes for the script that scores MS MARCO runs.
"""

from __future__ import annotations

import random
import warnings
from typing import Any

import numpy as np
import pytest

from embedsmith.exceptions import MeasureError
from embedsmith.metrics import evaluate_run, parse_measure

KS = [1, 3, 10]


def _case(seed: int, *, levels: int = 5, self_ids: bool = False, n_queries: int = 30):
    """Return judgements with grades -1 to 3, and a run that lacks one query, ties and shuffled."""
    rng = random.Random(seed)  # noqa: S311 - test data, not a secret
    docs = [f"d{i}" for i in range(80)]
    qrels: dict[str, dict[str, int]] = {}
    run: dict[str, dict[str, float]] = {}
    for q in range(n_queries):
        judged = rng.sample(docs, rng.randint(1, 40))
        qrels[str(q)] = {doc: rng.choice([-1, 0, 0, 1, 1, 2, 3]) for doc in judged}
        qrels[str(q)][rng.choice(judged)] = 1
        found = rng.sample(docs, rng.randint(1, 60))
        # Steps of 1e-9 are apart in f64 and tie in f32.
        run[str(q)] = {d: rng.randint(0, levels) / 4 + rng.randint(0, 3) * 1e-9 for d in found}
        if self_ids:
            run[str(q)][str(q)] = 9.0
    del run["3"]
    return qrels, run


def _measured(qrels, run, names: list[str], preset: Any, **options: Any):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*judged queries are not in the run")
        return evaluate_run(qrels, run, names, preset=preset, confidence=None, **options)


@pytest.mark.parametrize("seed", range(3))
def test_pytrec_eval_query_by_query_and_on_average(seed):
    pytrec_eval = pytest.importorskip("pytrec_eval")
    qrels, run = _case(seed)
    theirs = {"ndcg_cut_10", "map", "recip_rank", "recall_100", "P_5", "bpref", "success_1"}
    asked = {name.replace("cut_", "cut.").replace("P_", "P.") for name in theirs}
    asked = {a.replace("recall_", "recall.").replace("success_", "success.") for a in asked}
    found = pytrec_eval.RelevanceEvaluator(qrels, asked).evaluate(run)
    for preset in ("pytrec_eval", "trec_eval-9"):
        table = _measured(qrels, run, sorted(theirs), preset)
        for name in theirs:
            ours = str(parse_measure(name))
            by_query = dict(zip(table.query_ids, table.per_query[ours], strict=True))
            for query, values in found.items():
                assert by_query[query] == pytest.approx(values[name], abs=1e-12), name
            # pytrec_eval averages over the queries found, trec_eval -c over all that are judged.
            n = len(found) if preset == "pytrec_eval" else len(qrels)
            mean = sum(values[name] for values in found.values()) / n
            assert table.mean[ours] == pytest.approx(mean, abs=1e-12)


def test_trec_eval_10_compares_in_f64_and_rounds_levels_to_the_nearest():
    # 4 of 5 relevant found, at ranks 1, 2, 4 and 8. Recall 0.5 asks for 2.5 documents: 3 by
    # version 10, and 3 by the whole part of 2.5 + 0.9 too; 0.45 for 2.25: 2, and 3.
    qrels = {"q": dict.fromkeys("abcde", 1)}
    run = {"q": ["a", "b", "x", "c", "y", "z", "w", "d"]}
    assert _measured(qrels, run, ["IPrec@0.45"], "trec_eval-10").mean == {
        'IPrec(rounding="trec_eval-10")@0.45': 1.0
    }
    assert _measured(qrels, run, ["IPrec@0.45"], "trec_eval-9").mean == {"IPrec@0.45": 0.75}
    apart = {"q": {"a": 1.0 + 1e-12, "x": 1.0}}
    assert _measured(qrels, apart, ["RR"], "trec_eval-10").mean["RR"] == 1.0
    assert _measured(qrels, apart, ["RR"], "trec_eval-9").mean["RR"] == 0.5


@pytest.mark.parametrize("seed", range(3))
def test_mteb(seed):
    metrics = pytest.importorskip("mteb._evaluators.retrieval_metrics")
    qrels, run = _case(seed)
    found = metrics.calculate_retrieval_scores(run, qrels, KS)
    capped = metrics.recall_cap(qrels, run, KS)
    names = [f"{name}@{k}" for name in ("ndcg", "map", "recall", "p", "mrr", "hit") for k in KS]
    table = _measured(qrels, run, [*names, *(f"r_cap@{k}" for k in KS)], "mteb")
    # mteb rounds what it reports to 5 places; its own MRR it does not.
    pairs = {"nDCG": found.ndcg, "AP": found.map, "R": found.recall, "P": found.precision}
    theirs = {"nDCG": "NDCG", "AP": "MAP", "R": "Recall", "P": "P"}
    for k in KS:
        for ours, scores in pairs.items():
            assert round(table.mean[f"{ours}@{k}"], 5) == scores[f"{theirs[ours]}@{k}"]
        assert table.mean[f"RR@{k}"] == pytest.approx(found.mrr[f"MRR@{k}"], abs=1e-12)
        assert round(table.mean[f"Success@{k}"], 5) == round(found.hit_rate[f"HitRate@{k}"], 5)
        np.testing.assert_allclose(
            sorted(table.per_query[f"R(cap=True)@{k}"]), sorted(capped[f"R_cap_at_{k}"]), rtol=1e-12
        )


def _beir_rr(qrels, run, k: int) -> float:
    """Return BEIR's own MRR@k over the queries of the run: ties in the order of the run."""
    total = 0.0
    for query, scores in run.items():
        ranked = sorted(scores.items(), key=lambda item: item[1], reverse=True)[:k]
        relevant = {doc for doc, grade in qrels[query].items() if grade > 0}
        ranks = [i + 1 for i, (doc, _) in enumerate(ranked) if doc in relevant]
        total += 1 / ranks[0] if ranks else 0.0
    return total / len(run)


@pytest.mark.parametrize("seed", range(3))
def test_beir_drops_the_query_from_its_list_and_orders_its_own_measures_by_the_run(seed):
    pytrec_eval = pytest.importorskip("pytrec_eval")
    qrels, run = _case(seed, self_ids=True)
    table = _measured(qrels, run, ["NDCG@10", "MAP@10", "Recall@10", "P@10", "MRR@10"], "beir")
    others = {q: {d: s for d, s in scores.items() if d != q} for q, scores in run.items()}
    asked = {"ndcg_cut.10", "map_cut.10", "recall.10", "P.10"}
    found = pytrec_eval.RelevanceEvaluator(qrels, asked).evaluate(others)
    names = {"nDCG@10": "ndcg_cut_10", "AP@10": "map_cut_10", "R@10": "recall_10", "P@10": "P_10"}
    for ours, theirs in names.items():
        mean = sum(values[theirs] for values in found.values()) / len(found)
        assert table.mean[ours] == pytest.approx(mean, abs=1e-12)
    assert table.mean["RR@10"] == pytest.approx(_beir_rr(qrels, others, 10), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_sentence_transformers(seed):
    st = pytest.importorskip("sentence_transformers.sentence_transformer.evaluation")
    qrels, run = _case(seed)
    qrels["none"], run["none"] = {"d1": 0}, {"d1": 1.0}
    qrels.pop("3")
    relevant = {q: {d for d, g in docs.items() if g > 0} for q, docs in qrels.items()}
    evaluator = st.InformationRetrievalEvaluator(
        queries={q: q for q in qrels},
        corpus={f"d{i}": "" for i in range(80)},
        relevant_docs=relevant,
        **dict.fromkeys(("mrr_at_k", "ndcg_at_k", "accuracy_at_k", "map_at_k"), KS),
        precision_recall_at_k=KS,
    )
    hits = [
        [{"corpus_id": doc, "score": score} for doc, score in run[q].items()]
        for q in evaluator.queries_ids
    ]
    found = evaluator.compute_metrics(hits)
    table = _measured(
        qrels,
        run,
        [f"{m}@{k}" for m in ("mrr", "ndcg", "accuracy", "map", "precision", "recall") for k in KS],
        "sentence-transformers",
    )
    assert (table.n_queries, table.n_no_relevant) == (len(qrels) - 1, 1)
    canonical = {
        "mrr@k": "RR@{}",
        "ndcg@k": 'nDCG(gain="binary")@{}',
        "accuracy@k": "Success@{}",
        "map@k": 'AP(norm="min_k")@{}',
        "precision@k": "P@{}",
        "recall@k": "R@{}",
    }
    for theirs, ours in canonical.items():
        for k in KS:
            assert table.mean[ours.format(k)] == pytest.approx(found[theirs][k], abs=1e-12), theirs


def test_ms_marco_counts_every_judged_query_and_keeps_the_order_of_the_run():
    qrels, run = _case(4)
    ranked = {q: sorted(scores, key=lambda d: -scores[d]) for q, scores in run.items()}
    table = _measured(qrels, ranked, ["RR"], "msmarco")
    total = 0.0
    for query, docs in ranked.items():
        ranks = [i + 1 for i, d in enumerate(docs[:10]) if qrels[query].get(d, 0) > 0]
        total += 1 / ranks[0] if ranks else 0.0
    assert table.mean["RR@10"] == pytest.approx(total / len(qrels), abs=1e-12)


def test_named_arguments_go_before_a_preset_and_what_differs_is_refused():
    qrels, run = {"q": {"a": 1}}, {"q": {"a": 1.0, "b": 1.0}}
    for preset in ("beir", "mteb"):
        asc = evaluate_run(qrels, run, ["RR", "nDCG"], preset=preset, ties="docid_asc")
        assert asc.mean["RR"] == asc.mean["nDCG"] == 1.0
        assert asc.settings["preset"] == preset
        with pytest.raises(MeasureError, match="judged for any query"):
            evaluate_run(qrels, run, ["Hole@10"], preset=preset)
    f64 = {"q": {"a": 1.0 + 1e-12, "b": 1.0}}
    assert evaluate_run(qrels, f64, "RR", preset="pytrec_eval", score_dtype="f64").mean["RR"] == 1
    assert evaluate_run(qrels, f64, "RR", preset="pytrec_eval").mean["RR"] == 0.5


IR_MEASURES = [
    "Judged@10",
    "nDCG(gains={1:3,2:5,3:9})@10",
    "P(judged_only=True)@5",
    "AP(judged_only=True)",
    "nDCG(judged_only=True)@5",
    "AP(rel=2)@20",
    "IPrec(judged_only=True)@0.3",
    "Rprec(rel=2)",
    "NumRelRet",
    "SetF",
]


@pytest.mark.parametrize("name", IR_MEASURES)
def test_ir_measures_means_the_same_by_the_same_name(name):
    ir_measures = pytest.importorskip("ir_measures")
    qrels, run = _case(6)
    # Distinct scores: ir_measures orders ties in Judged by the smaller id, elsewhere not.
    run = {q: {d: float(i) for i, d in enumerate(docs)} for q, docs in run.items()}
    theirs = ir_measures.parse_measure(name)
    found = {m.query_id: m.value for m in ir_measures.iter_calc([theirs], qrels, run)}
    table = _measured(qrels, run, [name], "pytrec_eval")
    assert str(parse_measure(str(theirs))) == table.measures[0]
    for query, value in zip(table.query_ids, table.per_query[table.measures[0]], strict=True):
        assert value == pytest.approx(found[query], abs=1e-9)


def test_graded_measures_equal_gdeval():
    # gdeval takes grades up to 4 as the scale, and prints five places.
    ir_measures = pytest.importorskip("ir_measures")
    rng = random.Random(5)  # noqa: S311 - test data, not a secret
    docs = [f"d{i}" for i in range(60)]
    qrels = {
        str(q): {d: rng.choice([0, 0, 1, 2, 4]) for d in rng.sample(docs, 30)} for q in range(1, 20)
    }
    run = {q: {d: rng.random() for d in rng.sample(docs, 40)} for q in qrels}
    for theirs, ours in (("ERR@20", "ERR(max_rel=4)@20"), ("nDCG(dcg='exp-log2')@20",) * 2):
        try:
            values = list(ir_measures.iter_calc([ir_measures.parse_measure(theirs)], qrels, run))
        except (OSError, RuntimeError, ValueError) as error:
            pytest.skip(f"gdeval needs perl: {error}")
        found = {metric.query_id: metric.value for metric in values}
        table = evaluate_run(qrels, run, [ours], confidence=None)
        for query, value in zip(table.query_ids, table.per_query[table.measures[0]], strict=True):
            assert value == pytest.approx(found[query], abs=6e-6)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("ndcg_burges@10", "ndcg_burges@10"), ("rbp.95", "rbp.95"), ("f1@10", "f1@10")],
)
def test_ranx_means_the_same_by_the_same_name(theirs, ours):
    ranx = pytest.importorskip("ranx")
    qrels, run = _case(7)
    positive = {
        q: {d: g for d, g in docs.items() if g > 0} for q, docs in qrels.items() if q != "3"
    }
    if theirs.startswith("rbp"):
        # ranx multiplies by the grade, and goes beyond 1; the paper's relevance is from 0 to 1.
        positive = {q: dict.fromkeys(docs, 1) for q, docs in positive.items()}
    run = {q: {d: float(i) for i, d in enumerate(docs)} for q, docs in run.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its compiler's
        found = ranx.evaluate(ranx.Qrels(positive), ranx.Run(run), theirs)
    assert evaluate_run(positive, run, [ours]).mean[str(parse_measure(ours))] == pytest.approx(
        found
    )
