"""A pair that is turned round keeps its numbers and swaps its sides."""

from __future__ import annotations

from embedsmith.metrics import compare_tables, evaluate_run
from embedsmith.reports._pairs import against, leader

N = 12
QRELS = {f"q{i}": {"d": 1} for i in range(N)}
GOOD = {query: {"d": 1.0, "x": 0.5} for query in QRELS}
# Second place on all queries but one.
POOR = {query: {"d": 0.4 if i else 0.6, "x": 0.5} for i, query in enumerate(QRELS)}


def comparison():
    tables = {
        name: evaluate_run(QRELS, run, ["RR"]) for name, run in {"poor": POOR, "good": GOOD}.items()
    }
    return compare_tables(tables)


def test_the_stored_direction_is_kept_as_it_is():
    (one,) = against(comparison(), "poor", "RR")
    assert (one.other, one.verdict) == ("good", "better")
    assert one.difference == one.pair.difference == 11 * 0.5 / 12
    assert one.ci == one.pair.ci


def test_the_other_direction_changes_signs_ends_and_verdict():
    (one,) = against(comparison(), "good", "RR")
    assert (one.other, one.verdict) == ("poor", "worse")
    assert one.difference == -one.pair.difference
    low, high = one.pair.ci
    assert one.ci == (-high, -low)
    assert one.ci[0] <= one.difference <= one.ci[1] < 0


def test_a_measure_that_was_not_compared_has_no_pairs():
    assert against(comparison(), "good", "AP") == ()
    assert against(None, "good", "RR") == ()


def test_the_leader_of_equal_models_is_the_first(plain_result):
    best = leader(plain_result, "nDCG@10")
    means = {model.name: model.table.mean["nDCG@10"] for model in plain_result.models}
    assert means[best] == max(means.values())
