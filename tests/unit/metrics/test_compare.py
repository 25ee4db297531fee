"""compare_runs and compare_tables."""

from __future__ import annotations

import json

import numpy as np
import pytest

from embedsmith.exceptions import DataError, MeasureError
from embedsmith.metrics import RunComparison, compare_runs, compare_tables, evaluate_run

N = 60
QRELS = {f"q{i}": {"a": 1} for i in range(N)}
GOOD = {q: {"a": 2.0, "b": 1.0} for q in QRELS}
# Rank 2 for two queries of three.
FAIR = {q: {"a": 2.0 if i % 3 == 0 else 0.5, "b": 1.0} for i, q in enumerate(QRELS)}
SAME = {q: dict(found) for q, found in FAIR.items()}


def test_a_clear_difference_is_found_with_its_direction():
    pair = compare_runs(QRELS, {"fair": FAIR, "good": GOOD}, ["RR"]).pairs[0]
    # 40 of 60 queries gain 0.5.
    assert pair.difference == pytest.approx(1 / 3)
    assert (pair.wins, pair.ties, pair.losses) == (40, 20, 0)
    assert pair.verdict == "better"
    # All 40 differ by 0.5 to one side: 2 of 2^40 arrangements, counted.
    assert pair.p == pair.p_corrected == 2 / 2**40
    assert pair.p_exact
    assert pair.ci[0] > 0.2
    assert pair.ci[1] < 0.45
    back = compare_runs(QRELS, {"good": GOOD, "fair": FAIR}, ["RR"]).pairs[0]
    assert (back.verdict, back.difference) == ("worse", -pair.difference)


def test_identical_runs_give_no_evidence():
    pair = compare_runs(QRELS, {"a": FAIR, "b": SAME}, ["RR"]).pairs[0]
    assert (pair.difference, pair.ci, pair.p, pair.p_exact) == (0.0, (0.0, 0.0), 1.0, True)
    assert (pair.ties, pair.verdict) == (N, "not enough evidence")


@pytest.mark.parametrize(
    ("n", "p", "verdict"),
    [
        (1, 1.0, "not enough evidence"),
        (2, 0.5, "not enough evidence"),
        (5, 2 / 32, "not enough evidence"),
        (6, 2 / 64, "better"),
    ],
)
def test_constant_differences_are_tested_exactly(n, p, verdict):
    qrels = {f"q{i}": {"a": 1} for i in range(n)}
    better = {q: {"a": 2.0, "b": 1.0} for q in qrels}
    worse = {q: {"a": 0.0, "b": 1.0} for q in qrels}
    pair = compare_runs(qrels, {"a": worse, "b": better}, ["RR"]).pairs[0]
    assert (pair.p, pair.p_exact, pair.verdict) == (p, True, verdict)
    assert pair.ci == (0.5, 0.5)


def test_holm_answers_for_all_pairs_of_one_measure():
    runs = {"fair": FAIR, "same": SAME, "good": GOOD}
    comparison = compare_runs(QRELS, runs, ["RR", "R@1"])
    assert [(p.measure, p.a, p.b) for p in comparison.pairs[:4]] == [
        ("RR", "fair", "same"),
        ("RR", "fair", "good"),
        ("RR", "same", "good"),
        ("R@1", "fair", "same"),
    ]
    # p = 1, 2/2^40, 2/2^40: the smallest is multiplied by 3, the next by 2 and kept monotone.
    corrected = [pair.p_corrected for pair in comparison.pairs[:3]]
    assert corrected == [1.0, 6 / 2**40, 6 / 2**40]
    plain = compare_runs(QRELS, runs, ["RR", "R@1"], correction="none")
    assert [pair.p_corrected for pair in plain.pairs] == [pair.p for pair in plain.pairs]
    # A second measure does not change the answers of the first.
    assert comparison.pairs[:3] == compare_runs(QRELS, runs, ["RR"]).pairs


def test_tables_are_paired_by_query_whatever_their_order():
    fair = evaluate_run(QRELS, FAIR, ["RR"])
    backwards = evaluate_run(dict(reversed(QRELS.items())), FAIR, ["RR"])
    assert fair.query_ids != backwards.query_ids
    assert compare_tables({"a": fair, "b": backwards}).pairs[0].ties == N


def test_results_do_not_depend_on_threads_and_follow_the_seed():
    rng = np.random.default_rng(0)
    # Ranks 1 to 30, so that means differ in more than a few steps.
    a, b = (
        {q: {doc: rng.random() for doc in ["a", *map(str, range(29))]} for q in QRELS}
        for _ in range(2)
    )
    one, many, other = (
        compare_runs(QRELS, {"a": a, "b": b}, ["RR"], threads=threads, seed=seed)
        for threads, seed in ((1, 0), (3, 0), (1, 1))
    )
    assert one == many
    assert one.pairs != other.pairs


def test_arrays_and_dicts_are_compared_with_each_other():
    arrays = (np.tile([2.0, 1.0], (N, 1)), np.tile([0, 1], (N, 1)))
    pair = compare_runs(
        QRELS, {"dicts": GOOD, "arrays": arrays}, "rr", query_ids=list(QRELS), doc_ids=["a", "b"]
    ).pairs[0]
    assert pair.ties == N


def test_json_and_frames_keep_the_comparison():
    comparison = compare_runs(QRELS, {"a": FAIR, "b": GOOD}, "rr,r@1", n_resamples=100)
    written = json.loads(json.dumps(comparison.to_dict()))
    assert RunComparison.from_dict(written) == comparison
    with pytest.raises(DataError, match=r"not 'embedsmith\.comparison/2'"):
        RunComparison.from_dict({**written, "schema": None})
    with pytest.raises(DataError, match="compare again"):
        RunComparison.from_dict({k: v for k, v in written.items() if k != "pairs"})
    pytest.importorskip("pandas", reason="needs pandas")
    frame = comparison.to_pandas()
    assert frame["ci_low"].tolist() == [pair.ci[0] for pair in comparison.pairs]


def test_what_cannot_be_paired_is_refused():
    table = evaluate_run(QRELS, FAIR, ["RR"])
    with pytest.raises(DataError, match=r"1 run\(s\) to compare"):
        compare_tables({"a": table})
    with pytest.raises(MeasureError, match=r"'a' lacks AP; it has RR"):
        compare_tables({"a": table, "b": table}, "map")
    fewer = evaluate_run({"q0": {"a": 1}}, FAIR, ["RR"])
    with pytest.raises(DataError, match="different queries: 59 are in one only, such as 'q1'"):
        compare_tables({"a": table, "b": fewer})
    with pytest.raises(MeasureError, match="did you mean 'holm'"):
        compare_tables({"a": table, "b": table}, correction="hollm")  # type: ignore[arg-type]


def test_what_is_no_mean_over_queries_is_not_paired() -> None:
    qrels = {"a": {"x": 1}, "b": {"x": 1}}
    runs = {"one": {"a": ["x"], "b": ["y", "x"]}, "two": {"a": ["y", "x"], "b": ["y", "x"]}}
    tables = {name: evaluate_run(qrels, run, "gMAP,AP,NumRet") for name, run in runs.items()}
    assert compare_tables(tables).measures == ("AP",)
    with pytest.raises(MeasureError, match="gMAP is no mean over queries.*AP for gMAP"):
        compare_tables(tables, "AP,gMAP")
