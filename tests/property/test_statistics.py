"""Laws that the paired tests, corrections and intervals keep, whatever the values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from embedsmith.metrics import (
    confidence_sequence,
    corrected_p,
    effect_size,
    equivalence,
    mean_interval,
    paired_test,
    tukey_hsd,
    wilson_interval,
)

TESTS = ["randomisation", "t", "wilcoxon", "sign"]
# Multiples of 1/16 up to 1: sums are exact, and ties and zeros frequent.
sixteenths = st.integers(0, 16).map(lambda i: i / 16)
pairs = st.lists(st.tuples(sixteenths, sixteenths), min_size=1, max_size=60)
shares = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20)
modest = settings(max_examples=40, deadline=None)


def _columns(values):
    a, b = np.array(values).T
    return a, b


@pytest.mark.parametrize("test", TESTS)
@modest
@given(values=pairs)
def test_p_is_a_probability_and_the_same_from_both_sides(test, values):
    a, b = _columns(values)
    forth, back = (paired_test(*sides, test=test, n_permutations=500) for sides in ((a, b), (b, a)))
    assert 0.0 < forth.p <= 1.0
    assert forth.p == pytest.approx(back.p, rel=1e-12)
    assert (forth.wins, forth.losses) == (back.losses, back.wins)
    assert forth.wins + forth.ties + forth.losses == len(a) == forth.n
    assert forth.difference == -back.difference
    if test != "t":
        assert forth.p >= forth.smallest_p * (1 - 1e-12)


@pytest.mark.parametrize("test", TESTS)
@modest
@given(values=pairs, scale=st.sampled_from([2.0**-20, 0.1, 3.7, 1e6]))
def test_p_does_not_depend_on_the_unit(test, values, scale):
    a, b = _columns(values)
    one, other = (
        paired_test(a * unit, b * unit, test=test, n_permutations=500) for unit in (1.0, scale)
    )
    assert other.p == pytest.approx(one.p, rel=1e-9)


@pytest.mark.parametrize("test", ["randomisation", "wilcoxon", "sign"])
@modest
@given(values=pairs, n=st.integers(1, 30))
def test_queries_on_which_both_are_equal_carry_no_evidence(test, values, n):
    a, b = _columns(values)
    padded = [np.concatenate([x, np.full(n, 0.5)]) for x in (a, b)]
    one = paired_test(a, b, test=test, n_permutations=500)
    other = paired_test(*padded, test=test, n_permutations=500)
    assert other.p == one.p
    assert other.ties == one.ties + n


@modest
@given(values=st.lists(st.integers(-8, 8), min_size=1, max_size=11))
def test_exact_p_is_that_of_a_plain_count(values):
    differences = np.array(values) / 16
    bits = np.arange(2 ** len(values))[:, None] >> np.arange(len(values)) & 1
    sums = np.where(bits == 1, -differences, differences).sum(axis=1)
    expected = np.mean(np.abs(sums) >= abs(differences.sum()))
    found = paired_test(differences)
    assert found.exact
    assert found.p == pytest.approx(expected, rel=1e-12)


@modest
@given(values=pairs, seed=st.integers(0, 2**64 - 1))
def test_no_result_depends_on_the_number_of_threads(values, seed):
    rng = np.random.default_rng(seed % 2**32)
    a, b = _columns(values)
    # Irregular and many: sampled.
    a, b = (np.resize(x, 90) + rng.random(90) for x in (a, b))
    found = [paired_test(a, b, n_permutations=3000, seed=seed, threads=n) for n in (1, 2, 4)]
    assert not found[0].exact
    assert found[0] == found[1] == found[2]
    pair = {"a": a, "b": b}
    tukey = [tukey_hsd(pair, n_permutations=2000, seed=seed, threads=n) for n in (1, 2, 4)]
    assert tukey[0] == tukey[1] == tukey[2]


@modest
@given(p=shares)
def test_corrections_keep_the_order_and_rank_among_each_other(p):
    values = np.array(p)
    found = {name: corrected_p(p, correction=name) for name in ("holm", "bonferroni", "bh")}
    order = np.argsort(values)
    for corrected in found.values():
        assert (np.diff(corrected[order]) >= 0).all()
        assert (corrected >= values).all()
        assert (corrected <= 1.0).all()
    assert (found["bonferroni"] >= found["holm"]).all()
    assert (found["holm"] >= found["bh"] * (1 - 1e-12)).all()


@modest
@given(values=pairs, margin=st.floats(0.001, 1.0), alpha=st.floats(0.001, 0.3))
def test_equivalence_is_the_interval_within_the_margin(values, margin, alpha):
    a, b = _columns(values)
    assume(len(a) > 1)
    found = equivalence(a, b, margin=margin, alpha=alpha)
    low, high = found.ci
    assert 0.0 < found.p <= 1.0
    # Rounding decides where an end touches the margin; without spread the rule is another.
    assume(low < high and min(abs(low + margin), abs(high - margin)) > 1e-9)
    assert found.equivalent == (-margin < low and high < margin)
    back = equivalence(b, a, margin=margin, alpha=alpha)
    assert back.p == pytest.approx(found.p, rel=1e-9)


@modest
@given(values=pairs)
def test_effects_turn_with_the_sides_and_lie_in_their_intervals(values):
    a, b = _columns(values)
    forth, back = effect_size(a, b), effect_size(b, a)
    assert -1.0 <= forth.rank_biserial == -back.rank_biserial <= 1.0
    if forth.d is not None and forth.ci is not None and forth.g is not None and back.d is not None:
        assert forth.d == pytest.approx(-back.d)
        assert forth.ci[0] < forth.d < forth.ci[1]
        assert abs(forth.g) <= abs(forth.d)


@modest
@given(values=st.lists(sixteenths, min_size=2, max_size=80), level=st.floats(0.5, 0.99))
def test_more_confidence_gives_wider_intervals_around_the_mean(values, level):
    for method in ("bca", "percentile", "t"):
        narrow, wide = (
            mean_interval(values, method=method, confidence=c, n_resamples=300)
            for c in (level, level + 0.009)
        )
        assert wide.low <= narrow.low <= narrow.high <= wide.high
    sure = confidence_sequence(values, bounds=(0, 1), confidence=level + 0.009)
    less = confidence_sequence(values, bounds=(0, 1), confidence=level)
    assert sure.last[1] - sure.last[0] >= less.last[1] - less.last[0] - 1e-9


@modest
@given(n=st.integers(1, 10_000), data=st.data(), level=st.floats(0.01, 0.999))
def test_wilson_holds_the_share_within_0_and_1(n, data, level):
    successes = data.draw(st.integers(0, n))
    low, high, _ = wilson_interval(successes, n, confidence=level)
    assert 0.0 <= low <= successes / n + 1e-12
    assert successes / n - 1e-12 <= high <= 1.0
    assert low < high
