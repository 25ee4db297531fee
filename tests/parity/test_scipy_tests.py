"""Parity of the paired tests, corrections and distributions behind them with scipy (1.17)."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from embedsmith import _core

stats = pytest.importorskip("scipy.stats", reason="parity needs scipy")


def _differences(n, seed=3, shift=0.05):
    return np.random.default_rng(seed).normal(shift, 0.3, n)


def _with_ties(n, seed=5):
    """Return differences of a measure with few values: ties in size, and zeros."""
    return np.random.default_rng(seed).choice([-0.5, -0.25, 0.0, 0.25, 0.5, 1.0], n)


@pytest.mark.parametrize("n", [2, 3, 10, 100, 5000])
@pytest.mark.parametrize("shift", [0.0, 0.1, 3.0])
def test_paired_t_equals_scipy(n, shift):
    differences = _differences(n, shift=shift)
    theirs = stats.ttest_rel(differences, np.zeros(n))
    t, p, exact = _core.t_test(differences)
    assert not exact
    assert t == pytest.approx(theirs.statistic, rel=1e-11)
    assert p == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-300)
    interval = theirs.confidence_interval(0.9)
    assert _core.t_interval(differences, confidence=0.9) == pytest.approx(interval, rel=1e-9)


@pytest.mark.parametrize("n", [1, 2, 7, 25, 50])
def test_wilcoxon_without_ties_is_scipys_exact_one(n):
    differences = _differences(n)
    theirs = stats.wilcoxon(differences, method="exact")
    positive, negative, p, exact = _core.wilcoxon_test(differences, pratt=False)
    assert exact
    assert min(positive, negative) == theirs.statistic
    assert p == pytest.approx(theirs.pvalue, rel=1e-12)


@pytest.mark.parametrize("n", [80, 400, 3000])
@pytest.mark.parametrize("make", [_differences, _with_ties])
@pytest.mark.parametrize("pratt", [False, True])
def test_wilcoxon_of_many_is_scipys_approximation_with_ties_and_zeros(n, make, pratt):
    differences = make(n)
    zeros = "pratt" if pratt else "wilcox"
    theirs = stats.wilcoxon(differences, zero_method=zeros, method="asymptotic")
    positive, negative, p, exact = _core.wilcoxon_test(differences, pratt=pratt)
    assert not exact
    assert min(positive, negative) == theirs.statistic
    assert p == pytest.approx(theirs.pvalue, rel=1e-10)


@pytest.mark.parametrize("pratt", [False, True])
def test_wilcoxon_with_ties_counts_all_signs(pratt):
    differences = _with_ties(13)
    ranked = differences if pratt else differences[differences != 0]
    ranks = stats.rankdata(abs(ranked))[ranked != 0]
    signs = ranked[ranked != 0] > 0
    sums = np.array([np.dot(ranks, plus) for plus in product((0, 1), repeat=len(ranks))])
    observed = min(ranks[signs].sum(), ranks[~signs].sum())
    positive, negative, p, exact = _core.wilcoxon_test(differences, pratt=pratt)
    assert exact
    assert min(positive, negative) == observed
    assert p == pytest.approx(min(1.0, 2 * np.mean(sums <= observed)), rel=1e-12)


@pytest.mark.parametrize(
    ("wins", "losses"), [(0, 1), (5, 0), (7, 7), (13, 4), (400, 460), (60_000, 61_000)]
)
def test_sign_test_equals_binomtest(wins, losses):
    theirs = stats.binomtest(wins, wins + losses).pvalue
    assert _core.sign_test(wins, losses) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize(("successes", "n"), [(0, 5), (3, 5), (5, 5), (81, 263), (9_999, 10_000)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_wilson_equals_scipy(successes, n, confidence):
    theirs = stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
    ours = _core.wilson_interval(successes, n, confidence=confidence)
    assert ours == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("m", [1, 2, 10, 300])
def test_benjamini_hochberg_equals_scipy(m):
    p = np.random.default_rng(m).beta(0.3, 1.0, m)
    ours = _core.benjamini_hochberg(p.tolist())
    assert ours == pytest.approx(stats.false_discovery_control(p), rel=1e-12)


@pytest.mark.parametrize("n", [10, 14, 18])
def test_exact_randomisation_equals_scipy_beyond_the_permutations_asked_for(n):
    differences = _with_ties(n)
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    ).pvalue
    p, exact = _core.randomisation_test(differences, n_permutations=10, seed=0, threads=None)
    assert exact
    assert p == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("n", [5, 40, 900])
def test_effect_sizes_and_their_intervals_invert_scipys_noncentral_t(n):
    differences = _differences(n)
    found = _core.effect_size(differences, confidence=0.9)
    assert found is not None
    d, g, low, high = found
    assert d == pytest.approx(differences.mean() / differences.std(ddof=1), rel=1e-12)
    gamma = pytest.importorskip("scipy.special").gammaln
    df = n - 1
    factor = np.exp(gamma(df / 2) - gamma((df - 1) / 2)) / np.sqrt(df / 2)
    assert g == pytest.approx(d * factor, rel=1e-9)
    t, root = d * np.sqrt(n), np.sqrt(n)
    assert stats.nct.sf(t, df, low * root) == pytest.approx(0.05, abs=1e-9)
    assert stats.nct.cdf(t, df, high * root) == pytest.approx(0.05, abs=1e-9)


@pytest.mark.parametrize("margin", [0.01, 0.06, 0.2])
def test_equivalence_is_two_one_sided_tests(margin):
    differences = _differences(200)
    zeros = np.zeros(200)
    lower = stats.ttest_rel(differences + margin, zeros, alternative="greater").pvalue
    upper = stats.ttest_rel(differences - margin, zeros, alternative="less").pvalue
    ours = _core.equivalence_p(differences, margin=margin)
    assert ours == pytest.approx(max(lower, upper), rel=1e-9)


def test_unblocked_tukey_of_variance_equals_scipys_tukey_hsd():
    columns = np.random.default_rng(0).normal([[0.0], [0.1], [0.3], [0.35]], 0.4, (4, 60))
    theirs = stats.tukey_hsd(*columns).pvalue
    ours = _core.tukey_of_variance(columns, blocked=False)
    assert ours == pytest.approx(theirs[np.triu_indices(4, 1)], abs=1e-8)


def test_blocked_tukey_of_variance_equals_the_two_way_layout():
    rng = np.random.default_rng(1)
    columns = rng.normal(0, 0.2, (3, 50)) + rng.normal(0, 1.0, 50) + [[0.0], [0.05], [0.12]]
    means = columns.mean(axis=1)
    rest = columns - means[:, None] - columns.mean(axis=0) + columns.mean()
    df = 49 * 2
    error = np.sqrt((rest**2).sum() / df / 50)
    theirs = [
        stats.studentized_range.sf(abs(means[a] - means[b]) / error, 3, df)
        for a, b in [(0, 1), (0, 2), (1, 2)]
    ]
    assert _core.tukey_of_variance(columns, blocked=True) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("blocked", [True, False])
def test_randomised_tukey_agrees_with_a_plain_numpy_twin(blocked):
    rng = np.random.default_rng(2)
    columns = rng.normal(0, 0.2, (4, 40)) + rng.normal(0, 0.3, 40) + [[0.0], [0.02], [0.1], [0.15]]
    n = 4000
    ranges = np.empty(n)
    for i in range(n):
        shuffled = (
            rng.permuted(columns, axis=0) if blocked else rng.permuted(columns).reshape(4, 40)
        )
        means = shuffled.mean(axis=1)
        ranges[i] = means.max() - means.min()
    observed = columns.mean(axis=1)
    theirs = np.array(
        [
            (ranges >= abs(observed[a] - observed[b])).mean()
            for a in range(4)
            for b in range(a + 1, 4)
        ]
    )
    ours = np.array(
        _core.tukey_randomised(columns, blocked=blocked, n_permutations=20_000, seed=4, threads=2)
    )
    # Five standard errors of the difference of two sampled shares.
    bound = 5 * np.sqrt(theirs * (1 - theirs) / n + ours * (1 - ours) / 20_000) + 1 / n
    assert (abs(ours - theirs) <= bound).all(), (ours, theirs)


@pytest.mark.parametrize("n", [5, 40, 2000])
def test_detectable_difference_is_the_one_that_scipys_quantiles_give(n):
    df = n - 1
    theirs = (stats.t.ppf(0.975, df) + stats.t.ppf(0.8, df)) * 0.3 / np.sqrt(n)
    ours = _core.detectable_difference(0.3, n, alpha=0.05, power=0.8)
    assert ours == pytest.approx(theirs, rel=1e-8)
