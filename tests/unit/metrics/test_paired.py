"""paired_test, effect_size, equivalence, corrected_p, smallest_p, tukey_hsd and the intervals."""

from __future__ import annotations

import json
from typing import get_args

import numpy as np
import pytest

from embedsmith.exceptions import DataError, MeasureError, NonFiniteError, ShapeError
from embedsmith.metrics import (
    corrected_p,
    effect_size,
    equivalence,
    evaluate_run,
    mean_interval,
    paired_test,
    smallest_p,
    tukey_hsd,
    wilson_interval,
)
from embedsmith.metrics._paired import PairTest

TESTS = get_args(PairTest)
A = np.array([0.2, 0.5, 0.4, 0.9, 0.1, 0.3])
B = np.array([0.4, 0.6, 0.9, 1.0, 0.1, 0.5])


def test_each_test_tells_what_it_looked_at():
    found = {test: paired_test(A, B, test=test) for test in TESTS}
    # Differences 0.2 0.1 0.5 0.1 0 0.2: five wins, one tie. 2 of 2^5 arrangements.
    assert [(one.wins, one.ties, one.losses, one.n) for one in found.values()] == [(5, 1, 0, 6)] * 4
    assert [found[test].p for test in ("randomisation", "wilcoxon", "sign")] == [0.0625] * 3
    assert found["randomisation"].statistic == pytest.approx(1.1 / 6)
    assert (found["wilcoxon"].statistic, found["sign"].statistic) == (0.0, 5.0)
    # scipy.stats.ttest_rel (1.17).
    assert found["t"].statistic == pytest.approx(2.607250047269875)
    assert [one.exact for one in found.values()] == [True, False, True, True]
    assert [one.smallest_p for one in found.values()] == [0.0625, 0.0, 0.0625, 0.0625]
    assert json.loads(json.dumps(found["t"].to_dict()))["test"] == "t"


def test_differences_may_be_passed_by_themselves():
    assert paired_test(B - A).p == paired_test(A, B).p


def test_zeros_of_wilcoxon_are_left_out_before_or_after_ranking():
    a, b = np.zeros(6), np.array([0.0, 0.0, 1.0, -2.0, 3.0, 4.0])
    # Ranks 1 2 3 4, the second lost; with zeros ranked 3 4 5 6.
    assert paired_test(a, b, test="wilcoxon").statistic == 2.0
    assert paired_test(a, b, test="wilcoxon", zeros="pratt").statistic == 4.0


def test_tables_are_paired_by_query():
    qrels = {f"q{i}": {"d": 1} for i in range(8)}
    good = {q: {"d": 1.0, "x": 0.0} for q in qrels}
    bad = {q: {"d": 0.0, "x": 1.0} for q in reversed(qrels)}
    a, b = (evaluate_run(qrels, run, "rr,r@1", confidence=None) for run in (bad, good))
    assert paired_test(a, b, measure="rr").difference == 0.5
    assert effect_size(a, b, measure="r@1").wins == 8
    assert tukey_hsd({"bad": a, "good": b}, measure="rr").difference["bad", "good"] == 0.5
    with pytest.raises(MeasureError, match="pass measure=, one of RR, R@1"):
        paired_test(a, b)
    with pytest.raises(MeasureError, match="table a has no values of AP"):
        paired_test(a, b, measure="map")
    with pytest.raises(MeasureError, match="pass two tables or two arrays"):
        paired_test(a, [0.0] * 8, measure="rr")
    other = evaluate_run({"z": {"d": 1}}, {"z": {"d": 1.0}}, "rr", confidence=None)
    with pytest.raises(DataError, match="different queries: 9 are in one only"):
        paired_test(a, other, measure="rr")
    with pytest.raises(DataError, match="'other' and 'a' were measured on different queries"):
        tukey_hsd({"a": a, "other": other}, measure="rr")


@pytest.mark.parametrize("call", [paired_test, effect_size])
@pytest.mark.parametrize(
    ("a", "b", "error", "message"),
    [
        ([], [], ShapeError, r"a has shape \(0,\); .* 1 or more"),
        ([0.1], [0.1, 0.2], ShapeError, "a has 1 values and b has 2; pair them"),
        ([0.1, np.nan], [0.1, 0.2], NonFiniteError, r"a\[1\] is nan; drop the query from both"),
        ([0.1, 0.3], [np.inf, 0.2], NonFiniteError, r"b\[0\] is inf"),
        ([[0.1]], [[0.2]], ShapeError, r"shape \(1, 1\)"),
        (0.5, 0.25, ShapeError, r"shape \(\)"),
        ("abc", [0.1], ShapeError, "a holds str"),
        ({"q": 1.0}, {"q": 1.0}, ShapeError, "a holds dict"),
    ],
)
def test_values_that_cannot_be_paired_are_refused_with_the_fix(call, a, b, error, message):
    with pytest.raises(error, match=message):
        call(a, b)


def test_values_whose_squares_overflow_are_refused_and_tiny_ones_are_tested():
    with pytest.raises(NonFiniteError, match=r"b\[0\] is -1.7e\+308, .* at most 1e\+100"):
        paired_test([0.0, 0.0], [-1.7e308, 0.0])
    for unit in (1e-300, 1e-200, 1e90):
        assert paired_test(A * unit, B * unit, test="t").p == pytest.approx(0.047828429596299)


def test_options_without_such_a_value_are_refused():
    with pytest.raises(MeasureError, match="did you mean 'wilcoxon'"):
        paired_test(A, B, test="wilcox")  # type: ignore[arg-type]
    with pytest.raises(MeasureError, match="did you mean 'pratt'"):
        paired_test(A, B, zeros="prat")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="n_permutations=0 is too small"):
        paired_test(A, B, n_permutations=0)
    with pytest.raises(MeasureError, match="did you mean 'bh'"):
        corrected_p([0.1], correction="bhh")  # type: ignore[arg-type]
    with pytest.raises(MeasureError, match=r"p\[1\] is 1.5"):
        corrected_p([0.1, 1.5])
    with pytest.raises(ShapeError, match=r"p has shape \(1, 1\)"):
        corrected_p([[0.1]])


def test_corrections_of_nothing_and_of_what_could_not_be_tested():
    assert corrected_p([]).tolist() == []
    assert corrected_p([0.2], correction="none").tolist() == [0.2]
    for correction in ("holm", "bonferroni", "bh"):
        assert np.isnan(corrected_p([np.nan, 0.2], correction=correction)).tolist() == [True, False]


def test_the_fewest_queries_that_can_be_significant():
    assert [smallest_p(n) for n in (0, 1, 2, 6)] == [1.0, 1.0, 0.5, 0.03125]
    assert smallest_p(6, test="t") == 0.0
    assert smallest_p(100, n_permutations=999) == 0.001
    assert smallest_p(3, n_permutations=999) == 0.25
    assert smallest_p(5000) > 0.0


def test_an_effect_without_spread_is_none_and_keeps_its_direction():
    found = effect_size(np.zeros(5), np.full(5, 0.2))
    assert (found.d, found.g, found.ci, found.rank_biserial) == (None, None, None, 1.0)
    assert effect_size([0.5], [0.5]).rank_biserial == 0.0
    assert json.loads(json.dumps(found.to_dict()))["ci"] is None


def test_runs_that_agree_are_equivalent_once_there_are_five_queries():
    for n, equivalent in ((2, False), (4, False), (5, True)):
        found = equivalence(np.full(n, 0.3), np.full(n, 0.3), margin=0.01)
        assert (found.equivalent, found.p) == (equivalent, 0.5**n)
    apart = equivalence(np.full(9, 0.3), np.full(9, 0.4), margin=0.01)
    assert (apart.equivalent, apart.p) == (False, 1.0)
    assert apart.ci == pytest.approx((0.1, 0.1))
    assert json.loads(json.dumps(found.to_dict()))["ci"] == [0.0, 0.0]


@pytest.mark.parametrize("margin", [0.0, -0.1, np.inf, np.nan, "0.1"])
def test_margins_are_positive_numbers(margin):
    with pytest.raises(MeasureError, match="pass a number above 0"):
        equivalence(A, B, margin=margin)


def test_equivalence_needs_two_queries_and_a_level_below_a_half():
    with pytest.raises(ShapeError, match="2 or more"):
        equivalence([0.1], [0.1], margin=0.1)
    with pytest.raises(MeasureError, match="pass one below 0.5"):
        equivalence(A, B, margin=0.1, alpha=0.5)


def test_tukey_of_all_kinds_orders_the_pairs_by_their_difference():
    rng = np.random.default_rng(1)
    base = rng.random(40)
    systems = {
        name: base + s + rng.normal(0, 0.1, 40) for name, s in (("a", 0), ("b", 0.02), ("c", 0.2))
    }
    for method in ("randomised", "anova"):
        found = tukey_hsd(systems, method=method)
        assert list(found.p) == [("a", "b"), ("a", "c"), ("b", "c")]
        assert found.p["a", "c"] < 0.001
        assert found.p["a", "b"] > 0.2
        difference = systems["c"].mean() - systems["a"].mean()
        assert found.difference["a", "c"] == pytest.approx(difference)
        # What queries differ by drowns the rest if they are no blocks.
        assert tukey_hsd(systems, method=method, blocked=False).p["a", "c"] > found.p["a", "c"]
        assert json.loads(json.dumps(found.to_dict()))["pairs"][1]["p"] == found.p["a", "c"]
    one, four = (tukey_hsd(systems, threads=threads, seed=9) for threads in (1, 4))
    assert one == four


@pytest.mark.parametrize(
    ("systems", "options", "error", "message"),
    [
        ({"a": [0.1]}, {}, DataError, r"1 system\(s\) to compare"),
        ({"a": [0.1], "b": [0.1, 0.2]}, {}, ShapeError, "'a' has 1, 'b' has 2"),
        ({"a": [0.1], "b": [np.nan]}, {}, NonFiniteError, r"'b'\[0\] is nan"),
        ({"a": [0.1], "b": [0.2]}, {"method": "anova"}, ShapeError, "2 or more"),
        ({"a": [0.1] * 3, "b": [0.2] * 3}, {"method": "anova"}, DataError, 'method="randomised"'),
        ({"a": [0.1], "b": [0.2]}, {"method": "anov"}, MeasureError, "did you mean 'anova'"),
    ],
)
def test_systems_that_cannot_be_compared_are_refused(systems, options, error, message):
    with pytest.raises(error, match=message):
        tukey_hsd(systems, **options)


def test_intervals_of_a_mean_by_three_methods():
    values = np.random.default_rng(2).random(200) ** 4
    found = {method: mean_interval(values, method=method) for method in ("bca", "percentile", "t")}
    assert [one.method for one in found.values()] == ["bca", "percentile", "t"]
    assert all(one.low < values.mean() < one.high for one in found.values())
    # The values are skewed to the right, and only BCa follows.
    assert found["bca"].high > found["percentile"].high
    assert mean_interval([0.5, 0.5], method="t") == (0.5, 0.5, "constant")
    assert mean_interval([0.5]) == (0.5, 0.5, "constant")
    with pytest.raises(ShapeError, match="2 or more"):
        mean_interval([0.5], method="t")
    with pytest.raises(MeasureError, match="confidence=1.0 is not between"):
        mean_interval([0.5], confidence=1.0)


def test_wilson_has_width_at_both_ends():
    assert wilson_interval(0, 1).low == 0.0
    assert wilson_interval(0, 1).high == pytest.approx(0.7934, abs=1e-4)
    assert wilson_interval(10, 10).low == pytest.approx(0.7225, abs=1e-4)
    with pytest.raises(ShapeError, match="3 successes of 2 are too many"):
        wilson_interval(3, 2)
    with pytest.raises(ShapeError, match="n=0 is too small"):
        wilson_interval(0, 0)
