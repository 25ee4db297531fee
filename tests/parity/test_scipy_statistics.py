"""Parity of the statistics with scipy (1.17)."""

from __future__ import annotations

import numpy as np
import pytest

from embedsmith import _core

stats = pytest.importorskip("scipy.stats", reason="parity needs scipy")


@pytest.mark.parametrize("shape", ["beta", "zeros and ones", "skewed"])
def test_bca_intervals_agree_with_scipy_within_the_noise_of_both(shape):
    rng = np.random.default_rng(8)
    values = {
        "beta": rng.beta(2, 1, 300),
        "zeros and ones": (rng.random(300) < 0.9).astype(float),
        "skewed": rng.random(300) ** 8,
    }[shape]
    ours = _core.bootstrap_intervals(
        values[None], confidence=0.95, n_resamples=50_000, seed=1, threads=None
    )[0]
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="BCa", rng=2, batch=1000
    ).confidence_interval
    assert ours[2] == "bca"
    # A 2.5 % percentile of 20,000 resamples has a standard error of sqrt(0.025 * 0.975 / 20000) /
    # 0.0584 = 0.019 standard deviations of the mean; five of them, and a grid step of 1/300.
    tolerance = 5 * 0.019 * values.std() / np.sqrt(300) + (1 / 300 if "ones" in shape else 0)
    assert ours[:2] == pytest.approx(theirs, abs=tolerance)


def test_exact_randomisation_p_equals_scipy():
    differences = np.array([0.3, -0.1, 0.25, 0.0, 0.5, -0.05, 0.2, 0.1])
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    p, exact = _core.randomisation_test(differences, n_permutations=10_000, seed=0, threads=None)
    assert exact
    assert p == pytest.approx(theirs, abs=1e-12)


def test_sampled_randomisation_p_agrees_with_scipy():
    differences = np.random.default_rng(4).normal(0.06, 1.0, 700)
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=20_000, rng=5
    ).pvalue
    p, exact = _core.randomisation_test(differences, n_permutations=20_000, seed=6, threads=None)
    assert not exact
    # Five standard errors of the difference of two sampled shares.
    assert p == pytest.approx(theirs, abs=5 * np.sqrt(2 * p * (1 - p) / 20_000))
