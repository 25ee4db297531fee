"""evaluate_run on mappings: goldens, decided semantics, bad input."""

from __future__ import annotations

import math
import signal
import warnings
from collections import OrderedDict
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from embedsmith.exceptions import DataError, MeasureError, NonFiniteError, ShapeError
from embedsmith.metrics import decide, evaluate_run

QRELS = {"q1": {"a": 3, "b": 1, "z": 2}, "q2": {"c": 1}}
RUN = {"q1": {"x": 9.0, "a": 8.0, "y": 7.0, "b": 6.0}, "q2": {"x": 2.0, "y": 1.0}}


def test_goldens_of_a_list_that_fits_on_one_line():
    # q1 ranks x, a (grade 3), y, b (grade 1); z (grade 2) is not found. q2 finds nothing.
    names = ["nDCG", "nDCG@3", "AP", "RR", "R@2", "R@4", "P@2", "P@5", "P(rel=2)@5", "Success@1"]
    table = evaluate_run(QRELS, RUN, names)
    ideal = 3 + 2 / math.log2(3) + 1 / math.log2(4)
    expected = {
        "nDCG": (3 / math.log2(3) + 1 / math.log2(5)) / ideal,
        "nDCG@3": (3 / math.log2(3)) / ideal,
        "AP": (1 / 2 + 2 / 4) / 3,
        "RR": 1 / 2,
        "R@2": 1 / 3,
        "R@4": 2 / 3,
        "P@2": 1 / 2,
        "P@5": 2 / 5,
        "P(rel=2)@5": 1 / 5,
        "Success@1": 0.0,
    }
    for name, value in expected.items():
        assert table.per_query[name].tolist() == pytest.approx([value, 0.0], abs=1e-15)
        assert table.mean[name] == pytest.approx(value / 2, abs=1e-15)
    assert table.measures == tuple(names)
    assert (table.n_queries, table.n_missing, table.n_unjudged) == (2, 0, 0)


@pytest.mark.parametrize(
    ("rule", "ranks"),
    [("docid_desc", (3, 1)), ("docid_asc", (1, 3)), ("input", (2, 1))],
)
def test_ties_are_broken_by_the_rule(rule, ranks):
    # "d10" < "d2" < "d9" by bytes; the run lists d9, d10, d2. Ranks of d10 and of d9.
    run = {"q": {"d9": 1.0, "d10": 1.0, "d2": 1.0}}
    for doc, rank in zip(("d10", "d9"), ranks, strict=True):
        table = evaluate_run({"q": {doc: 1}}, run, ["RR"], ties=rule)
        assert table.mean["RR"] == 1 / rank
        assert table.tie_share == 1.0


def test_ties_can_be_refused_but_only_those_that_matter():
    run = {"q": {"a": 2.0, "b": 1.0, "c": 1.0}}
    assert evaluate_run({"q": {"a": 1}}, run, ["RR"], ties="error").mean["RR"] == 1.0
    with pytest.raises(DataError, match=r"\"b\" ties with another one for query \"q\" \(score 1\)"):
        evaluate_run({"q": {"b": 1}}, run, ["RR"], ties="error")


def test_ids_compare_by_bytes():
    # U+FFFF sorts before U+1F600 by code point and by UTF-8, after it by UTF-16.
    run = {"q": {"\uffff": 1.0, "\U0001f600": 1.0}}
    assert evaluate_run({"q": {"\U0001f600": 1}}, run, ["RR"]).mean["RR"] == 1.0


def test_tie_share_counts_relevant_documents_retrieved():
    # a and b tie with each other; c does not; d is not retrieved.
    qrels = {"q": {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}}
    run = {"q": {"a": 1.0, "b": 1.0, "c": 0.5, "e": 0.25}}
    assert evaluate_run(qrels, run, ["RR"]).tie_share == 0.5
    assert evaluate_run(qrels, {"q": {"x": 1.0}}, ["RR"]).tie_share == 0.0


def test_missing_queries_score_0_and_are_named_once():
    run = {"q2": {"c": 1.0}}
    with pytest.warns(UserWarning, match=r"1 of 2 judged queries are not in the run: 'q1'") as seen:
        table = evaluate_run(QRELS, run, ["RR"])
    assert len(seen) == 1
    assert table.per_query["RR"].tolist() == [0.0, 1.0]
    assert (table.n_missing, table.n_queries, table.mean["RR"]) == (1, 2, 0.5)


def test_missing_queries_can_be_skipped_or_refused():
    run = {"q2": {"c": 1.0}}
    with pytest.warns(UserWarning, match="left out"):
        table = evaluate_run(QRELS, run, ["RR"], missing="skip")
    assert (table.query_ids, table.mean["RR"], table.n_missing) == (("q2",), 1.0, 1)
    with pytest.raises(DataError, match=r"not in the run: 'q1'.*missing=\"zero\""):
        evaluate_run(QRELS, run, ["RR"], missing="error")


def test_queries_without_judgements_or_without_relevant_documents_are_counted():
    qrels = {**QRELS, "q3": {"d": 0, "e": -1}, "q4": {}}
    run = {**RUN, "q3": {"d": 1.0}, "q4": {"d": 1.0}, "extra": {"d": 1.0}}
    table = evaluate_run(qrels, run, ["nDCG", "AP", "R@5"])
    assert (table.n_unjudged, table.n_no_relevant, table.n_queries) == (1, 2, 4)
    assert all(table.per_query[name][2:].tolist() == [0.0, 0.0] for name in table.measures)


def test_an_empty_list_scores_0_by_every_measure():
    names = ["nDCG", "nDCG@5", "AP", "RR", "R@5", "P@5", "Success@5"]
    table = evaluate_run(QRELS, {"q1": {}, "q2": {}}, names)
    assert set(table.mean.values()) == {0.0}


def test_negative_grades_gain_nothing():
    table = evaluate_run({"q": {"a": -2, "b": 1}}, {"q": {"a": 2.0, "b": 1.0}}, ["nDCG", "P@1"])
    assert table.mean["nDCG"] == pytest.approx(1 / math.log2(3))
    assert table.mean["P@1"] == 0.0


@pytest.mark.parametrize("grade", [True, 2.0, np.int64(2), np.float32(2.0), np.bool_(1)])
def test_whole_grades_of_any_type_are_taken(grade):
    assert evaluate_run({"q": {"a": grade}}, {"q": {"a": 1.0}}, ["nDCG"]).mean["nDCG"] == 1.0


@pytest.mark.parametrize("grade", ["1", None, math.nan, math.inf, 2**70, [1]])
def test_other_grades_are_refused_by_query_and_document(grade):
    with pytest.raises(DataError, match=r"document 'a' the grade .* query \"q\".*finite numbers"):
        evaluate_run({"q": {"a": grade}}, {"q": {"a": 1.0}}, ["nDCG"])


@pytest.mark.parametrize("score", [1, np.float32(1.0), np.float64(1.0), np.int32(1), True])
def test_scores_of_any_number_type_are_taken(score):
    assert evaluate_run({"q": {"a": 1}}, {"q": {"b": 0, "a": score}}, ["RR"]).mean["RR"] == 1.0


@pytest.mark.parametrize("score", ["1.0", None, [1.0]])
def test_scores_that_are_no_numbers_are_refused_by_query_and_document(score):
    with pytest.raises(DataError, match=r"document \"b\" the score .* for query \"q\""):
        evaluate_run({"q": {"a": 1}}, {"q": {"a": 1.0, "b": score}}, ["RR"])


def test_nan_scores_are_refused_by_query_and_document_even_of_unjudged_documents():
    with pytest.raises(NonFiniteError, match=r"document \"b\" NaN for query \"q\""):
        evaluate_run({"q": {"a": 1}}, {"q": {"a": 1.0, "b": math.nan}}, ["RR"])


class Says:
    """A score that says something else each time it is asked; exceptions it raises."""

    def __init__(self, *answers):
        self._answers = iter(answers)

    def __float__(self):
        answer = next(self._answers)
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("answers", "error", "message"),
    [
        ((math.nan, 1.0, 1.0), NonFiniteError, 'document "a" NaN for query "q"'),
        ((1.0, math.nan, 1.0), NonFiniteError, 'document "a" NaN for query "q"'),
        ((1.0, 3.0, 3.0), DataError, 'document "a" the score .* for query "q"'),
        ((1.0, 2.0, 2.0), DataError, 'document "a" the score .* for query "q"'),
        ((ValueError("no"),), DataError, 'document "a" the score .* for query "q"'),
        ((KeyboardInterrupt("now"),), KeyboardInterrupt, "now"),
    ],
)
def test_scores_that_change_while_they_are_read_are_refused(answers, error, message):
    # 3.0 is no score of the list, and 2.0 is one that two other documents share.
    run: dict[str, dict[str, Any]] = {"q": {"b": 2.0, "a": Says(*answers), "c": 2.0}}
    with pytest.raises(error, match=message):
        evaluate_run({"q": {"a": 1}}, run, ["RR"])


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("rule", "first"), [("docid_desc", 1), ("docid_asc", 160_001)])
def test_ten_thousands_of_relevant_documents_in_one_tie_are_placed_at_once(rule, first):
    # Relevant are the 40,000 largest ids. Place by place this would be 8e9 comparisons of ids.
    ids = [f"d{i:06}" for i in range(200_000)]
    qrels = {"q": dict.fromkeys(ids[160_000:], 1)}
    run = {"q": dict.fromkeys(reversed(ids), 0.5)}
    table = evaluate_run(qrels, run, ["RR", "R@160000"], ties=rule)
    assert table.mean == {"RR": 1 / first, "R@160000": float(first == 1)}
    assert table.tie_share == 1.0


class AlarmError(Exception):
    pass


@pytest.mark.skipif(not hasattr(signal, "SIGVTALRM"), reason="needs a timer of POSIX")
def test_a_few_long_lists_answer_signals():
    def ring(_signum, _frame):
        raise AlarmError

    # Fewer queries than one would count; the list that is wrong comes last and is never reached.
    long: dict[str, Any] = dict.fromkeys(map(str, range(60_000)), 1.0)
    run: dict[str, dict[str, Any]] = {f"q{i:03}": long for i in range(1000)} | {
        "z": {"d": "no score"}
    }
    qrels = {query: {"none of them": 1} for query in run}
    old = signal.signal(signal.SIGVTALRM, ring)
    try:
        # Of processor time: a busy machine changes nothing.
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.05)
        with pytest.raises(AlarmError):
            evaluate_run(qrels, run, ["RR"])
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, old)


def test_infinite_scores_have_a_place_in_the_order():
    run = {"q": {"a": -math.inf, "b": math.inf, "c": 0.0}}
    assert evaluate_run({"q": {"a": 1}}, run, ["RR"]).mean["RR"] == 1 / 3
    assert evaluate_run({"q": {"b": 1}}, run, ["RR"]).mean["RR"] == 1.0


def test_scores_that_only_f64_tells_apart_tie_in_f32():
    run = {"q": {"a": 1.0 + 1e-12, "b": 1.0}}
    assert evaluate_run({"q": {"a": 1}}, run, ["RR"]).mean["RR"] == 1.0
    # In f32 they tie, and b is the larger id.
    assert evaluate_run({"q": {"a": 1}}, run, ["RR"], score_dtype="f32").mean["RR"] == 0.5


def test_any_mapping_is_taken():
    qrels = MappingProxyType({"q": MappingProxyType({"a": 1})})
    run = OrderedDict(q=MappingProxyType({"b": 2.0, "a": 1.0}))
    assert evaluate_run(qrels, run, "rr").mean == {"RR": 0.5}


@pytest.mark.parametrize(
    ("qrels", "run", "message"),
    [
        ({}, RUN, "qrels is empty"),
        (QRELS, {}, "run is empty"),
        (QRELS, {"Q1": {"a": 1.0}}, r"no query in common: the run has 'Q1'; .* have 'q1', 'q2'"),
        (QRELS, [("q1", {})], "run is a list; pass a mapping"),
        (QRELS, {"q1": {"x": 1.0}, "q2": ["a"]}, r"run holds \['a'\] for query \"q2\""),
        (QRELS, {"q1": {1: 1.0}, "q2": {}}, r"ids such as 1, the judgements such as 'a'.*never"),
        ({"q1": {1: 1}}, RUN, r"ids such as 'x', the judgements such as 1.*Convert one side"),
        (QRELS, {"q1": {1.5: 1.0}, "q2": {}}, r"run holds the id 1.5; ids are strings, or int"),
        ({"q1": {None: 1}}, RUN, r"qrels holds the id None; ids are strings, or integers"),
        ({None: {"a": 1}}, {None: {"a": 1.0}}, r"qrels holds the id None; ids are strings"),
    ],
)
def test_judgements_and_runs_that_do_not_fit_are_refused(qrels, run, message):
    with pytest.raises(DataError, match=message):
        evaluate_run(qrels, run, ["RR"])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"ties": "docid_dsc"}, MeasureError, "did you mean 'docid_desc'"),
        ({"ties": "random"}, MeasureError, r"choose one of \['best', 'docid_asc'"),
        ({"preset": "trec_eval"}, MeasureError, "did you mean 'trec_eval-9'|'pytrec_eval'"),
        ({"no_relevant": "drop"}, MeasureError, "no_relevant='drop' is not known"),
        ({"unjudged": "keep"}, MeasureError, "unjudged='keep' is not known"),
        ({"missing": "nan"}, MeasureError, "missing='nan' is not known"),
        ({"score_dtype": "f16"}, MeasureError, "score_dtype='f16'"),
        ({"confidence": 95}, MeasureError, "pass 0.95 for 95 %"),
        ({"n_resamples": 0}, ShapeError, "n_resamples=0"),
        ({"seed": -1}, ShapeError, "seed=-1"),
        ({"seed": 2**64}, ShapeError, "seed=18446744073709551616"),
        ({"threads": 0}, ShapeError, "threads=0"),
        ({"threads": -1}, ShapeError, "threads=-1"),
        ({"threads": "2"}, ShapeError, "threads='2'"),
        ({"doc_ids": ["a"]}, DataError, "belong to a run of arrays"),
    ],
)
def test_options_out_of_range_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        evaluate_run(QRELS, RUN, ["RR"], **options)


def test_intervals_are_seeded_hold_the_mean_and_can_be_left_out():
    qrels = {f"q{i}": {"a": 1} for i in range(50)}
    run = {q: {"a": 0.5, **dict.fromkeys(map(str, range(i % 7)), 1.0)} for i, q in enumerate(qrels)}
    first = evaluate_run(qrels, run, ["RR", "R@1", "R@9"], seed=1)
    assert first.ci == evaluate_run(qrels, run, ["RR", "R@1", "R@9"], seed=1).ci
    assert first.ci != evaluate_run(qrels, run, ["RR", "R@1", "R@9"], seed=2).ci
    # An interval does not depend on which other measures were asked for.
    assert first.ci["RR"] == evaluate_run(qrels, run, ["RR"], seed=1).ci["RR"]
    low, high = first.ci["RR"]
    assert low < first.mean["RR"] < high
    assert first.ci_method == {"RR": "bca", "R@1": "bca", "R@9": "constant"}
    # Fifty queries, all found: the exact binomial bound 0.025^(1/50), as the verdict has it.
    assert first.ci["R@9"] == pytest.approx((0.025 ** (1 / 50), 1.0))
    assert first.ci["R@9"] == decide(first, measure="R@9").ci
    assert evaluate_run(qrels, run, ["RR"], confidence=None).ci == {}


@pytest.mark.parametrize("n", [1, 2])
def test_one_and_two_queries_have_intervals_within_their_values(n):
    qrels = {f"q{i}": {"a": 1} for i in range(n)}
    run = {f"q{i}": {"a": float(i), "b": 0.5} for i in range(n)}
    table = evaluate_run(qrels, run, ["RR"])
    # One query at 0.5 says next to nothing: 0.5 * 0.025 to 1 - 0.5 * 0.025.
    assert table.ci["RR"] == pytest.approx((0.0125, 0.9875) if n == 1 else (0.5, 1.0))


def test_nothing_is_warned_about_when_nothing_is_unusual():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluate_run(QRELS, RUN, ["RR"])
