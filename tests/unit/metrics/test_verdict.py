"""decide: three values, and what sample would settle it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from embedsmith.exceptions import MeasureError, NonFiniteError, ShapeError
from embedsmith.metrics import Verdict, decide, evaluate_run


def _shares(ones: int, n: int) -> list[float]:
    return [1.0] * ones + [0.0] * (n - ones)


@pytest.mark.parametrize(
    ("ones", "n", "decision"),
    [
        (600, 1000, "FINE_TUNE"),
        (760, 1000, "FINE_TUNE"),
        (970, 1000, "KEEP"),
        (850, 1000, "UNDECIDED"),
        (790, 1000, "UNDECIDED"),
        (910, 1000, "UNDECIDED"),
        (82, 100, "UNDECIDED"),
    ],
)
def test_the_interval_decides_and_not_the_mean(ones, n, decision):
    verdict = decide(_shares(ones, n))
    assert verdict.decision == decision
    assert verdict.mean == ones / n
    assert verdict.n_queries == n
    assert verdict.ci[0] < ones / n < verdict.ci[1]
    assert verdict.sentence.startswith(f"{decision}: mean R@10 is 0.")


def test_a_mean_between_the_thresholds_is_not_settled_by_labels():
    verdict = decide(_shares(85, 100))
    assert verdict.more_queries is None
    assert "more labels alone are not expected to settle it" in verdict.sentence


@pytest.mark.parametrize("ones", [76, 94])
def test_the_number_of_further_queries_settles_it_if_they_are_alike(ones):
    verdict = decide(_shares(ones, 100))
    assert verdict.decision == "UNDECIDED"
    assert verdict.more_queries is not None
    # The same shares on a sample well past the number asked for, and well short of it.
    enough = 2 * (100 + verdict.more_queries) // 100
    assert decide(_shares(ones * enough, 100 * enough)).decision != "UNDECIDED"
    short = max(1, (100 + verdict.more_queries) // 200)
    assert decide(_shares(ones * short, 100 * short)).decision == "UNDECIDED"
    assert f"about {verdict.more_queries:,} further labelled queries" in verdict.sentence


def test_nothing_more_is_asked_for_once_decided():
    assert decide(_shares(600, 1000)).more_queries == 0


@pytest.mark.parametrize(
    ("n", "decision", "more"), [(1, "UNDECIDED", 35), (35, "UNDECIDED", 1), (36, "KEEP", 0)]
)
def test_equal_values_do_not_pass_for_certainty(n, decision, more):
    # All found: the lower end is 0.025 ** (1 / n), which passes 0.9 at n = 36.
    verdict = decide([1.0] * n)
    assert (verdict.decision, verdict.more_queries) == (decision, more)
    assert verdict.ci[0] == pytest.approx(0.025 ** (1 / n))
    assert verdict.ci[1] == 1.0


def test_small_samples_are_never_decided():
    # Two misses of ten: the interval is far from 0.99, but ten queries prove little.
    verdict = decide(_shares(1, 10), fine_tune_below=0.9, keep_above=0.95)
    assert (verdict.decision, verdict.more_queries) == ("UNDECIDED", 20)
    low = decide(_shares(1, 10), fine_tune_below=0.9, keep_above=0.95, min_queries=10)
    assert low.decision == "FINE_TUNE"


def test_tables_are_decided_by_the_measure_asked_for():
    qrels = {f"q{i}": {"a": 1} for i in range(40)}
    run = {q: {"a": 1.0, "b": 2.0} for q in qrels}
    table = evaluate_run(qrels, run, ["R@10", "RR"])
    assert decide(table).decision == "KEEP"
    assert decide(table, measure="mrr").decision == "FINE_TUNE"
    with pytest.raises(MeasureError, match=r"the table has no nDCG@10, only R@10, RR"):
        decide(table, measure="ndcg@10")


def test_sentences_never_round_away_the_inequality_they_state():
    values = [0.79991] * 50 + [0.79989] * 50
    verdict = decide(values)
    assert verdict.decision == "FINE_TUNE"
    assert "0.7999 " in verdict.sentence
    assert "0.800" not in verdict.sentence.split("and the upper end")[0]


def test_verdicts_are_repeatable_and_written_whole():
    rng = np.random.default_rng(1)
    values = rng.beta(8, 2, 150)
    verdict = decide(values, seed=3)
    assert verdict == decide(values, seed=3, threads=1)
    assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict


@pytest.mark.parametrize(
    ("values", "options", "error", "message"),
    [
        ([1.0], {"fine_tune_below": 0.9, "keep_above": 0.8}, MeasureError, "contradict each other"),
        ([1.0], {"keep_above": 1.5}, MeasureError, "contradict each other"),
        ([1.0], {"fine_tune_below": float("nan")}, MeasureError, "contradict each other"),
        ([1.0], {"confidence": 1.0}, MeasureError, "not between 0 and 1"),
        ([], {}, ShapeError, "at least one"),
        ([[1.0]], {}, ShapeError, "one number per query"),
        ([0.5, np.nan], {}, NonFiniteError, r"values\[1\] is nan"),
        ([0.5, 82.0], {}, ShapeError, r"span 0.5 to 82; a measure lies in \[0, 1\]"),
    ],
)
def test_contradictions_and_impossible_values_are_refused(values, options, error, message):
    with pytest.raises(error, match=message):
        decide(values, **options)
