"""Recall of faiss's approximate indexes, against a count in numpy; and what ties alone cost."""

from __future__ import annotations

import numpy as np
import pytest

import embedsmith as es

faiss = pytest.importorskip("faiss", reason="faiss-cpu is a test dependency")


@pytest.fixture(scope="module")
def vectors() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    corpus = rng.standard_normal((4_000, 32)).astype(np.float32)
    corpus[2_000:2_400] = corpus[:400]  # a tenth of the rows has an equal
    queries = corpus[rng.integers(0, 4_000, 60)] + 0.7 * rng.standard_normal((60, 32))
    return queries.astype(np.float32), corpus


def count(found: np.ndarray, truth: np.ndarray, k: int) -> list[float]:
    return [np.intersect1d(f[:k], t[:k]).size / k for f, t in zip(found, truth, strict=True)]


@pytest.mark.parametrize("kind", ["HNSW8", "IVF32,Flat"])
def test_recall_of_faiss_is_what_numpy_counts(vectors, kind) -> None:
    queries, corpus = vectors
    index = faiss.index_factory(32, kind, faiss.METRIC_INNER_PRODUCT)
    index.train(corpus)
    index.add(corpus)
    found = index.search(queries, 20)[1]
    exact = es.topk(queries, corpus, k=40, metric="dot")
    for k in (1, 10, 20):
        recall = es.recall_of(found, exact, k=k)
        assert recall.per_query.tolist() == count(found, exact.rows, k)
        assert 0.05 < recall.mean < 0.95, "an index that finds all, or nothing, tests nothing"
        # Ties in float64, place by place: those above the k-th score, and as many equal as fit.
        scores = queries.astype(np.float64) @ corpus.astype(np.float64).T
        cut = -np.sort(-scores, axis=1)[:, k - 1 : k]
        held = np.take_along_axis(scores, np.maximum(found[:, :k], 0), axis=1)
        held[found[:, :k] < 0] = -np.inf
        above = (held > cut + 1e-9).sum(axis=1)
        level = np.minimum((abs(held - cut) <= 1e-9).sum(axis=1), k - (scores > cut + 1e-9).sum(1))
        assert recall.tie_aware is not None
        np.testing.assert_allclose(recall.tie_aware, (above + level) / k, rtol=1e-12)
        assert recall.n_open_ties == 0


def test_a_flat_index_loses_to_ties_alone(vectors) -> None:
    queries, corpus = vectors
    # Equal rows, given to faiss in the other order: it returns the other one at the cut.
    index = faiss.IndexFlatIP(32)
    index.add(np.ascontiguousarray(corpus[::-1]))
    found = 3_999 - index.search(queries, 10)[1]
    recall = es.recall_of(found, es.topk(queries, corpus, k=30, metric="dot"), k=10)
    assert recall.mean < 1.0
    assert recall.mean_tie_aware == 1.0
    assert recall.n_open_ties == 0
