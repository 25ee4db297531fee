"""NearestNeighbors against that of scikit-learn: they may swap rows only inside a tie."""

from __future__ import annotations

import numpy as np
import pytest

from tests.parity.test_search_peers import assert_same_ranking

pytest.importorskip("sklearn", reason="needs the extra 'sklearn'")

from sklearn.neighbors import NearestNeighbors as Reference

from embedsmith.integrations.sklearn import NearestNeighbors

METRICS = ["cosine", "euclidean", "l2", "minkowski", "sqeuclidean"]
# In float32 scikit-learn subtracts squares of norms; its distances keep half of the digits.
TOLERANCE = 2e-3


@pytest.fixture(scope="module")
def vectors() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(6)
    fitted = rng.standard_normal((700, 24)).astype(np.float32)
    fitted[300:400] = fitted[:100]  # ties
    fitted[650] = 0.0
    queries = fitted[rng.integers(0, 700, 40)] + 0.5 * rng.standard_normal((40, 24))
    return queries.astype(np.float32), fitted


def distances_of(queries: np.ndarray, fitted: np.ndarray, metric: str) -> np.ndarray:
    """Compute every distance in float64, without scikit-learn's subtraction of squares."""
    queries, fitted = queries.astype(np.float64), fitted.astype(np.float64)
    if metric == "cosine":
        norms = np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(fitted, axis=1)
        cosines = np.divide(queries @ fitted.T, norms, out=np.zeros_like(norms), where=norms > 0)
        return np.asarray(np.clip(1.0 - cosines, 0.0, 2.0))
    squares = np.array([((fitted - query) ** 2).sum(axis=1) for query in queries])
    return squares if metric == "sqeuclidean" else np.sqrt(squares)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("algorithm", ["auto", "brute"])
def test_kneighbors(vectors, metric, algorithm) -> None:
    queries, fitted = vectors
    ours, theirs = (
        each(n_neighbors=6, metric=metric, algorithm=algorithm).fit(fitted)
        for each in (NearestNeighbors, Reference)
    )
    for asked in (queries, None):
        (distances, rows), (other_distances, other) = (
            ours.kneighbors(asked),
            theirs.kneighbors(asked),
        )
        assert (rows.shape, rows.dtype) == (other.shape, other.dtype)
        truth = distances_of(fitted if asked is None else asked, fitted, metric)
        np.testing.assert_allclose(distances, other_distances, atol=TOLERANCE)
        np.testing.assert_allclose(distances, np.take_along_axis(truth, rows, 1), atol=1e-7)
        assert_same_ranking(rows, other, truth, TOLERANCE)


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "sqeuclidean"])
def test_radius_neighbors(vectors, metric) -> None:
    queries, fitted = vectors
    ours, theirs = (each(metric=metric).fit(fitted) for each in (NearestNeighbors, Reference))
    for asked in (queries, None):
        truth = distances_of(fitted if asked is None else asked, fitted, metric)
        # Between two distances, so that rounding decides nothing.
        levels = np.sort(truth.ravel())
        levels = levels[np.flatnonzero(np.diff(levels) > 10 * TOLERANCE / len(levels))]
        for share in (0.001, 0.05, 0.6):
            radius = float(levels[int(share * len(levels))]) + TOLERANCE / len(truth.ravel())
            near = ours.radius_neighbors(asked, radius, return_distance=False)
            expected = [
                [row for row in np.flatnonzero(line <= radius) if asked is not None or row != own]
                for own, line in enumerate(truth)
            ]
            assert [sorted(rows) for rows in near] == expected
            other = theirs.radius_neighbors(asked, radius, return_distance=False)
            for rows, theirs_rows, line in zip(near, other, truth, strict=True):
                # Only a row whose distance is the radius up to float32 may be in one answer alone.
                differing = np.setxor1d(rows, theirs_rows)
                assert (abs(line[differing] - radius) < TOLERANCE).all()
