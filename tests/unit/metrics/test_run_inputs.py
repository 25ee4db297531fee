"""Judgements and runs as people have them: types of ids and numbers, lists, arrays, frames."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import pytest

from embedsmith.exceptions import DataError, MeasureError, NonFiniteError, ShapeError
from embedsmith.metrics import Evaluator, evaluate_run

QRELS = {"q1": {"a": 3, "b": 1, "z": 2}, "q2": {"c": 1}}
RUN = {"q1": {"x": 9.0, "a": 8.0, "y": 7.0, "b": 6.0}, "q2": {"x": 2.0, "c": 1.0}}
NAMES = ["nDCG@3", "AP", "RR", "Bpref", "Judged@3"]
EXPECTED = {"nDCG@3": 0.0, "AP": ((1 / 2 + 2 / 4) / 3 + 1 / 2) / 2, "RR": 0.5}
NUMBERS = {"a": 1, "b": 2, "z": 3, "c": 4, "x": 5, "y": 6}


def _means(qrels: Any, run: Any, **options: Any) -> dict[str, float]:
    return evaluate_run(qrels, run, NAMES, confidence=None, **options).mean


PLAIN = _means(QRELS, RUN)


def test_the_reference_itself_is_right():
    ideal = 3 + 2 / math.log2(3) + 1 / 2
    assert PLAIN["AP"] == pytest.approx(EXPECTED["AP"])
    assert PLAIN["nDCG@3"] == pytest.approx((3 / math.log2(3) / ideal + 1 / math.log2(3)) / 2)


@pytest.mark.parametrize("make", [int, np.int64, np.int32])
def test_integer_ids_on_both_sides(make):
    qrels = {
        make(q): {make(NUMBERS[d]): g for d, g in docs.items()}
        for q, docs in enumerate(QRELS.values())
    }
    run = {
        make(q): {make(NUMBERS[d]): s for d, s in docs.items()}
        for q, docs in enumerate(RUN.values())
    }
    assert _means(qrels, run) == PLAIN
    assert evaluate_run(qrels, run, ["RR"]).query_ids == ("0", "1")


def test_integer_ids_tie_by_size_not_by_their_digits():
    run = {0: {9: 1.0, 10: 1.0}}
    assert evaluate_run({0: {10: 1}}, run, ["RR"]).mean["RR"] == 1.0
    assert evaluate_run({0: {10: 1}}, run, ["RR"], ties="docid_asc").mean["RR"] == 0.5


@pytest.mark.parametrize(
    ("score", "grade"),
    [(np.float32, np.int64), (np.float16, np.float32), (np.float64, float), (int, np.int8)],
)
def test_numbers_of_any_type(score, grade):
    run = {q: {d: score(s) for d, s in docs.items()} for q, docs in RUN.items()}
    qrels = {q: {d: grade(g) for d, g in docs.items()} for q, docs in QRELS.items()}
    assert _means(qrels, run) == PLAIN


def test_float_grades_are_gains_and_thresholds():
    qrels, run = {"q": {"a": 0.5, "b": 1.5}}, {"q": {"a": 2.0, "b": 1.0}}
    table = evaluate_run(qrels, run, ["nDCG", "P@2", "P(rel=0.5)@2", 'nDCG(gain="exp2")'])
    dcg = 0.5 + 1.5 / math.log2(3)
    assert table.mean["nDCG"] == pytest.approx(dcg / (1.5 + 0.5 / math.log2(3)))
    assert (table.mean["P@2"], table.mean["P(rel=0.5)@2"]) == (0.5, 1.0)
    a, b = 2**0.5 - 1, 2**1.5 - 1
    expected = (a + b / math.log2(3)) / (b + a / math.log2(3))
    assert table.mean['nDCG(gain="exp2")'] == pytest.approx(expected)


def test_ranked_lists_of_ids_and_of_pairs():
    ids = {q: list(docs) for q, docs in RUN.items()}
    pairs = {q: list(docs.items()) for q, docs in RUN.items()}
    arrays = {q: np.array(list(docs)) for q, docs in RUN.items()}
    for run in (ids, pairs, arrays, {q: tuple(docs) for q, docs in RUN.items()}):
        assert _means(QRELS, run) == PLAIN
    assert evaluate_run(QRELS, {"q1": [], "q2": ["c"]}, ["RR"]).mean["RR"] == 0.5


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        (["a", "b", "a"], r"run names document 'a' twice for query 'q1'"),
        ([("a", 1.0), ("a", 2.0)], r"run names document 'a' twice for query 'q1'"),
        ([("a", 1.0), ("b",)], r"a pair that is no \(id, score\) for query 'q1'"),
    ],
)
def test_lists_that_contradict_themselves_are_refused(documents, message):
    with pytest.raises(DataError, match=message):
        evaluate_run(QRELS, {"q1": documents, "q2": []}, ["RR"])
    with pytest.raises(DataError, match=r"run holds 'ab' for query 'q2'; pass a list of ids"):
        evaluate_run(QRELS, {"q1": [], "q2": "ab"}, ["RR"])


def _columns(names: tuple[str, str, str], mapping: Any) -> dict[str, list[Any]]:
    triples = [(q, d, number) for q, docs in mapping.items() for d, number in docs.items()]
    return {name: [triple[i] for triple in triples] for i, name in enumerate(names)}


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames(library):
    frames = pytest.importorskip(library)
    make = frames.table if library == "pyarrow" else frames.DataFrame
    qrels = make(_columns(("query-id", "corpus-id", "score"), QRELS))
    run = make(_columns(("qid", "docno", "score"), RUN))
    assert _means(qrels, run) == PLAIN
    again = make({"qid": ["q1", "q1"], "docno": ["a", "a"], "score": [1.0, 2.0]})
    with pytest.raises(DataError, match=r"run names document 'a' twice for query 'q1'"):
        evaluate_run(qrels, again, ["RR"])
    odd = make({"qid": ["q1"], "text": ["a"], "score": [1.0]})
    with pytest.raises(DataError, match=r"columns qid, text, score, none of which is the doc"):
        evaluate_run(qrels, odd, ["RR"])


def _arrays() -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    offsets = np.cumsum([0, *(len(docs) for docs in QRELS.values())])
    rows = np.array([NUMBERS[d] for docs in QRELS.values() for d in docs])
    grades = np.array([g for docs in QRELS.values() for g in docs.values()])
    scores = np.full((2, 4), -np.inf, dtype=np.float32)
    found = np.full((2, 4), -1)
    for i, docs in enumerate(RUN.values()):
        scores[i, : len(docs)] = list(docs.values())
        found[i, : len(docs)] = [NUMBERS[d] for d in docs]
    return (offsets, rows, grades), (scores, found)


def test_judgements_in_compressed_rows():
    qrels, run = _arrays()
    for grades in (np.int64, np.int8, np.float32, np.uint16):
        typed = (qrels[0], qrels[1].astype(np.int32), qrels[2].astype(grades))
        assert _means(typed, run) == PLAIN
    table = evaluate_run(qrels, run, ["RR"], query_ids=["q1", "q2"])
    assert table.query_ids == ("q1", "q2")


def test_rows_that_are_the_ids_of_judgements_need_no_lists_of_ids():
    _, run = _arrays()
    qrels = {q: {NUMBERS[d]: g for d, g in docs.items()} for q, docs in enumerate(QRELS.values())}
    assert _means(qrels, run) == PLAIN
    # Ids beyond any corpus are ids all the same.
    far = {q: {d + 2**40: g for d, g in docs.items()} for q, docs in qrels.items()}
    assert _means(far, (run[0], np.where(run[1] < 0, -1, run[1] + 2**40))) == PLAIN


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"offsets": [0, 3, 5]}, DataError, "offsets that do not rise from 0 to 4"),
        ({"offsets": [0, 5, 4]}, DataError, "offsets that do not rise"),
        ({"offsets": [0, 4]}, ShapeError, "2 lists but query_ids names 1|judgements are for 1"),
        ({"rows": [1, 1, 3, 4]}, DataError, "row 1 twice for query 0"),
        ({"grades": [1, 2, 3]}, DataError, "3 grades for 4 rows"),
        ({"grades": [1, np.nan, 3, 4]}, DataError, "the grade NaN"),
        ({"grades": ["1", "2", "3", "4"]}, ShapeError, "grades have dtype <U1"),
        ({"rows": [1.0, 2.0, 3.0, 4.0]}, ShapeError, "rows have dtype float64"),
        ({"rows": [1, 2, 3, -1]}, DataError, "rows hold -1, .* leave out what pads the lists"),
    ],
)
def test_compressed_rows_that_do_not_fit_are_refused(change, error, message):
    qrels, run = _arrays()
    parts = dict(zip(("offsets", "rows", "grades"), qrels, strict=True)) | change
    with pytest.raises(error, match=message):
        evaluate_run(tuple(parts.values()), run, ["RR"])


def test_chunks_collapse_to_the_best_score_of_their_document():
    run = {
        "q1": {"x#1": 9.0, "a#2": 8.0, "x#2": 7.5, "a#1": 1.0, "y#1": 7.0, "b#1": 6.0},
        "q2": {"x#1": 2.0, "c#1": 0.5, "c#2": 1.0},
    }
    chunks = {chunk for docs in run.values() for chunk in docs}
    by_id = {chunk: chunk.split("#")[0] for chunk in chunks}
    for collapse in (by_id, lambda chunk: chunk.split("#")[0]):
        assert _means(QRELS, run, collapse=collapse) == PLAIN
    ids = sorted(chunks)
    scores, rows = np.full((2, 6), -np.inf), np.full((2, 6), -1)
    for i, docs in enumerate(run.values()):
        ranked = sorted(docs, key=lambda chunk: -docs[chunk])
        scores[i, : len(docs)] = [docs[chunk] for chunk in ranked]
        rows[i, : len(docs)] = [ids.index(chunk) for chunk in ranked]
    named: dict[str, Any] = {"query_ids": ["q1", "q2"], "doc_ids": ids}
    assert _means(QRELS, (scores, rows), collapse=by_id, **named) == PLAIN
    del by_id["y#1"]
    with pytest.raises(DataError, match=r"names no document for the chunk 'y#1'"):
        evaluate_run(QRELS, run, ["RR"], collapse=by_id)
    with pytest.raises(DataError, match=r"collapse is a list; pass a mapping"):
        evaluate_run(QRELS, run, ["RR"], collapse=["a"])  # type: ignore[arg-type]
    run["q2"]["c#1"] = math.nan
    with pytest.raises(NonFiniteError, match=r"document \"c\" NaN"):
        evaluate_run(QRELS, run, ["RR"], collapse=lambda chunk: chunk.split("#")[0])


def test_a_list_may_leave_out_the_query_itself():
    qrels = {"q1": {"a": 1}, "q2": {"b": 1}}
    run = {"q1": {"q1": 9.0, "a": 8.0}, "q2": {"x": 9.0, "q1": 8.5, "b": 8.0}}
    assert evaluate_run(qrels, run, ["RR"]).mean["RR"] == (1 / 2 + 1 / 3) / 2
    assert evaluate_run(qrels, run, ["RR"], ignore_self=True).mean["RR"] == (1 + 1 / 3) / 2
    assert run["q1"] == {"q1": 9.0, "a": 8.0}
    ids = ["q1", "a", "b", "x"]
    arrays = (np.array([[9.0, 8.0, -np.inf], [9.0, 8.5, 8.0]]), np.array([[0, 1, -1], [3, 0, 2]]))
    named: dict[str, Any] = {"query_ids": ["q1", "q2"], "doc_ids": ids}
    table = evaluate_run(qrels, arrays, ["RR"], ignore_self=True, **named)
    assert table.mean["RR"] == (1 + 1 / 3) / 2
    # A tie with the query itself is none, and one beside it keeps its place.
    tied = (np.array([[1.0, 1.0, 1.0]]), np.array([[0, 1, 3]]))
    rules: dict[Any, int] = {"docid_desc": 2, "docid_asc": 1, "input": 1, "worst": 2}
    for rule, rank in rules.items():
        found = evaluate_run(
            {"q1": {"a": 1}}, tied, ["RR"], query_ids=["q1"], doc_ids=ids, ties=rule,
            ignore_self=True,
        )  # fmt: skip
        as_dict = {"q1": {"q1": 1.0, "a": 1.0, "x": 1.0}}
        other = evaluate_run({"q1": {"a": 1}}, as_dict, ["RR"], ties=rule, ignore_self=True)
        assert found.mean["RR"] == other.mean["RR"] == 1 / rank


def test_queries_without_relevant_documents_and_without_judgements_have_their_switches():
    qrels = {**QRELS, "q3": {"d": 0}}
    run = {**RUN, "q3": {"d": 1.0}, "extra": {"d": 1.0}}
    skipped = evaluate_run(qrels, run, ["RR"], no_relevant="skip")
    assert (skipped.query_ids, skipped.mean["RR"], skipped.n_no_relevant) == (("q1", "q2"), 0.5, 1)
    with pytest.raises(DataError, match=r"1 queries have no relevant document: 'q3'"):
        evaluate_run(qrels, run, ["RR"], no_relevant="error")
    counted = evaluate_run(qrels, run, ["RR", "Hole@1"], unjudged="zero")
    assert counted.query_ids == ("q1", "q2", "q3", "extra")
    assert (counted.mean["RR"], counted.n_unjudged) == (0.25, 1)
    assert counted.per_query["Hole@1"].tolist() == [1.0, 1.0, 0.0, 1.0]
    with pytest.raises(DataError, match=r"1 queries of the run have no judgements: 'extra'"):
        evaluate_run(qrels, run, ["RR"], unjudged="error")
    with pytest.raises(DataError, match="no query has a relevant document"):
        evaluate_run({"q": {"d": 0}}, {"q": {"d": 1.0}}, ["RR"], no_relevant="skip")


def test_an_evaluator_measures_many_runs_from_many_threads():
    rng = np.random.default_rng(0)
    qrels = {f"q{i}": {f"d{rng.integers(40)}": 1} for i in range(50)}
    ids = [f"d{i}" for i in range(40)]
    runs = {
        f"run {n}": {q: {d: float(rng.integers(9)) for d in ids} for q in qrels} for n in range(6)
    }
    evaluator = Evaluator(qrels, NAMES, confidence=None)
    expected = {name: _means(qrels, run) for name, run in runs.items()}
    assert {name: table.mean for name, table in evaluator.evaluate_many(runs).items()} == expected
    found: dict[str, dict[str, float]] = {}
    threads = [
        threading.Thread(target=lambda n=name, r=run: found.update({n: evaluator.evaluate(r).mean}))
        for name, run in runs.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


def test_an_evaluator_with_ids_takes_arrays_only():
    _, run = _arrays()
    ids = ["-", *NUMBERS]
    evaluator = Evaluator(QRELS, NAMES, query_ids=["q1", "q2"], doc_ids=ids, confidence=None)
    assert evaluator.evaluate(run).mean == PLAIN
    with pytest.raises(DataError, match="belong to a run of arrays"):
        evaluator.evaluate(RUN)
    with pytest.raises(ShapeError, match="1 lists but query_ids names 2"):
        evaluator.evaluate((run[0][:1], run[1][:1]))


# Input that crashes or fools other tools.


def test_judgements_that_are_all_negative_are_no_relevance():
    table = evaluate_run({"q": {"a": -1, "b": -2}}, {"q": {"a": 1.0, "b": 2.0}}, [*NAMES, "ERR"])
    assert table.mean == {"nDCG@3": 0, "AP": 0, "RR": 0, "Bpref": 0, "Judged@3": 1.0, "ERR": 0}
    assert table.n_no_relevant == 1


def test_a_lone_surrogate_is_an_id_like_any_other():
    lone = "d\ud800"
    assert evaluate_run({lone: {lone: 1}}, {lone: {"a": 2.0, lone: 1.0}}, ["RR"]).mean["RR"] == 0.5
    # In a tie it compares by the bytes that UTF-8 would give it: after "d~", before "\U0001f600".
    for other, rank in (("d~", 1), ("d\U0001f600", 2)):
        run = {"q": {other: 1.0, lone: 1.0}}
        assert evaluate_run({"q": {lone: 1}}, run, ["RR"]).mean["RR"] == 1 / rank
    with pytest.raises(NonFiniteError, match="NaN for query"):
        evaluate_run({lone: {lone: 1}}, {lone: {lone: math.nan}}, ["RR"])


def test_a_grade_of_a_million_is_a_gain_but_no_power_of_two():
    qrels, run = {"q": {"a": 1_000_000, "b": 1}}, {"q": {"b": 2.0, "a": 1.0}}
    table = evaluate_run(qrels, run, ["nDCG", "ERR", "P@1"])
    ideal = 1_000_000 + 1 / math.log2(3)
    assert table.mean["nDCG"] == pytest.approx((1 + 1_000_000 / math.log2(3)) / ideal)
    assert table.mean["ERR"] == pytest.approx(0.5)
    with pytest.raises(MeasureError, match=r"grade 1000000, and 2\^1000000 is more.*linear"):
        evaluate_run(qrels, run, ['nDCG(gain="exp2")'])
    with pytest.raises(MeasureError, match=r"grade 1000000, which has no gain"):
        evaluate_run(qrels, run, ["nDCG(gain={1:1})"])
    with pytest.raises(MeasureError, match=r"grade 1000000, but the measure says max_rel=3"):
        evaluate_run(qrels, run, ["ERR(max_rel=3)"])


def test_an_id_may_hold_nul():
    run = {"q\0": {"a\0b": 1.0, "a\0c": 1.0, "a": 1.0}}
    assert evaluate_run({"q\0": {"a\0c": 1}}, run, ["RR"]).mean["RR"] == 1.0
    assert evaluate_run({"q\0": {"a": 1}}, run, ["RR"]).mean["RR"] == pytest.approx(1 / 3)


def test_scores_beyond_f32_and_f64_have_their_place_or_are_refused():
    huge = {"q": {"a": 1e300, "b": 1e299, "c": math.inf, "d": -math.inf}}
    assert evaluate_run({"q": {"b": 1}}, huge, ["RR"]).mean["RR"] == pytest.approx(1 / 3)
    # In f32 the first three are infinite, and tie.
    f32 = evaluate_run({"q": {"b": 1}}, huge, ["RR"], score_dtype="f32", ties="expected")
    assert f32.mean["RR"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    with pytest.raises(DataError, match=r"document \"a\" the score 1000.* for query \"q\""):
        evaluate_run({"q": {"a": 1}}, {"q": {"a": 10**400}}, ["RR"])


def test_a_run_without_any_result_is_zero_by_every_measure_and_never_nan():
    names = ["nDCG", "DCG", "AP", "RR", "R@5", "P@5", "F@5", "Success@1", "Rprec", "Bpref", "infAP"]
    names += ["RBP", "ERR", "NERR", "IPrec@0", "11pt", "Judged@5", "Hole@5", "SetP", "SetR", "SetF"]
    names += ["SetAP", "NumRet", "NumRelRet", "P(judged_only=True)@5"]
    table = evaluate_run(QRELS, {"q1": {}, "q2": {}}, names)
    assert set(table.mean.values()) == {0.0}
    # Nothing is known of what was not found; and of nothing the geometric mean is its least.
    rest = evaluate_run(QRELS, {"q1": {}, "q2": {}}, ["RBP(residual=True)", "gMAP"])
    assert rest.mean["RBP(residual=True)"] == 1.0
    assert rest.mean["gMAP"] == pytest.approx(1e-5)
