"""Search against numpy, faiss and sentence-transformers: they may swap rows only inside a tie."""

from __future__ import annotations

import numpy as np
import pytest

import embedsmith as es


def assert_same_ranking(
    rows: np.ndarray, other: np.ndarray, scores: np.ndarray, tolerance: float
) -> None:
    """Compare two rankings by the exact score of the row at each place.

    ``scores`` is the exact score of every (query, row) pair.
    """
    ours = np.take_along_axis(scores, rows, axis=1)
    theirs = np.take_along_axis(scores, other, axis=1)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


def test_the_helper_accepts_swaps_in_a_tie_and_refuses_others() -> None:
    scores = np.array([[0.9, 0.5, 0.5, 0.1]])
    assert_same_ranking(np.array([[0, 1, 2]]), np.array([[0, 2, 1]]), scores, 1e-6)
    with pytest.raises(AssertionError):
        assert_same_ranking(np.array([[0, 1, 2]]), np.array([[0, 1, 3]]), scores, 1e-6)


@pytest.fixture(scope="module")
def vectors() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    corpus = rng.standard_normal((5_000, 96)).astype(np.float32)
    corpus[1_000:1_200] = corpus[:200]
    queries = corpus[:50] + 0.5 * rng.standard_normal((50, 96)).astype(np.float32)
    return queries, corpus


def test_numpy_float64_agrees(vectors) -> None:
    queries, corpus = vectors
    scores = queries.astype(np.float64) @ corpus.astype(np.float64).T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :20]
    assert_same_ranking(es.topk(queries, corpus, k=20, metric="dot").rows, order, scores, 1e-9)


def test_faiss_agrees_up_to_float32(vectors) -> None:
    faiss = pytest.importorskip("faiss", reason="faiss-cpu is a bench dependency")
    queries, corpus = vectors
    index = faiss.IndexFlatIP(96)
    index.add(corpus)
    scores = queries.astype(np.float64) @ corpus.astype(np.float64).T
    theirs = index.search(queries, 20)[1]
    assert_same_ranking(es.topk(queries, corpus, k=20, metric="dot").rows, theirs, scores, 1e-3)


@pytest.mark.model
def test_semantic_search_agrees_up_to_float32(vectors) -> None:
    util = pytest.importorskip("sentence_transformers").util
    queries, corpus = vectors
    q, x = (
        rows / np.linalg.norm(rows, axis=1, keepdims=True)
        for rows in (queries.astype(np.float64), corpus.astype(np.float64))
    )
    hits = util.semantic_search(queries, corpus, top_k=20)
    theirs = np.array([[hit["corpus_id"] for hit in row] for row in hits])
    assert_same_ranking(es.topk(queries, corpus, k=20).rows, theirs, q @ x.T, 1e-5)
