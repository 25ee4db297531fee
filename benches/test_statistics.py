"""Intervals and tests of significance over queries, beside scipy, ranx and numpy.

A paired randomisation test of 10,000 permutations: "numpy" is one product of random signs with the
differences, in float64. The p-values agree within what 10,000 draws allow; ranx's is the share of
draws, ours, numpy's and scipy's count the observed order as one more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benches import judged
from benches.engines import THREADS
from embedsmith import _core
from embedsmith.metrics import paired_test

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benches.conftest import Bench

    Call = Callable[[], Any]

N_QUERIES = 1_000
N_DRAWS = 10_000
# Of the p that 10,000 draws estimate, five standard errors and the one that is counted more.
P, P_TOLERANCE = 0.05, 0.012


def values() -> np.ndarray:
    return np.random.default_rng(21).beta(2, 1, N_QUERIES)


def pairs() -> tuple[np.ndarray, np.ndarray]:
    """Return two systems that differ by what makes a normal test's p-value `P`."""
    rng = np.random.default_rng(22)
    a = rng.beta(2, 1, N_QUERIES)
    noise = rng.normal(0, 0.1, N_QUERIES)
    noise -= noise.mean()
    return a, a + noise + 1.96 * noise.std() / np.sqrt(N_QUERIES)


def embedsmith_bca() -> Call:
    columns = values()[None]

    def call() -> tuple[float, float]:
        ((low, high, method),) = _core.bootstrap_intervals(
            columns, confidence=0.95, n_resamples=N_DRAWS, seed=0, threads=THREADS
        )
        assert method == "bca"
        return low, high

    return call


def scipy_bca() -> Call:
    from scipy import stats

    column = values()

    def call() -> tuple[float, float]:
        found = stats.bootstrap(
            (column,), np.mean, n_resamples=N_DRAWS, method="BCa", rng=0, batch=1000
        )
        return tuple(found.confidence_interval)

    return call


def embedsmith_randomisation() -> Call:
    a, b = pairs()
    return lambda: paired_test(a, b, n_permutations=N_DRAWS, threads=THREADS).p


def numpy_randomisation() -> Call:
    a, b = pairs()
    differences = b - a

    def call() -> float:
        rng = np.random.default_rng(0)
        signs = rng.integers(0, 2, (N_DRAWS, N_QUERIES), dtype=np.int8) * 2.0 - 1.0
        extreme = np.abs(signs @ differences) >= abs(differences.sum()) * (1 - 1e-12)
        return float((1 + extreme.sum()) / (1 + N_DRAWS))

    return call


def scipy_randomisation() -> Call:
    from scipy import stats

    a, b = pairs()
    differences = b - a

    def call() -> float:
        found = stats.permutation_test(
            (differences,),
            np.mean,
            permutation_type="samples",
            n_resamples=N_DRAWS,
            rng=0,
            batch=1000,
            vectorized=True,
        )
        return float(found.pvalue)

    return call


def ranx_randomisation() -> Call:
    from ranx.statistical_tests import fisher_randomization_test

    a, b = pairs()
    return lambda: float(fisher_randomization_test(a, b, n_permutations=N_DRAWS)[0])


INTERVALS: dict[str, Callable[[], Call]] = {"embedsmith": embedsmith_bca, "scipy": scipy_bca}
TESTS: dict[str, Callable[[], Call]] = {
    "embedsmith": embedsmith_randomisation,
    "numpy": numpy_randomisation,
    "scipy": scipy_randomisation,
    "ranx": ranx_randomisation,
}


@pytest.mark.parametrize("engine", INTERVALS)
def test_bca_interval(bench: Bench, engine: str) -> None:
    low, high = bench(
        INTERVALS[engine],
        engine=engine,
        baseline="scipy",
        shape={"queries": N_QUERIES, "resamples": N_DRAWS},
        dtype="float64",
        threads=THREADS,
    )
    column = values()
    half = 1.96 * column.std() / np.sqrt(N_QUERIES)
    assert (low, high) == pytest.approx((column.mean() - half, column.mean() + half), abs=half / 10)


@pytest.mark.parametrize("engine", TESTS)
def test_randomisation_test(bench: Bench, engine: str, tmp_path: Path) -> None:
    p = bench(
        TESTS[engine],
        engine=engine,
        baseline="numpy",
        shape={"queries": N_QUERIES, "permutations": N_DRAWS},
        dtype="float64",
        threads=THREADS,
        environment=judged.numba_environment(tmp_path, THREADS),
    )
    assert p == pytest.approx(P, abs=P_TOLERANCE)
