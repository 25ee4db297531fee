"""Pairs above a threshold contain what sentence-transformers' paraphrase mining finds."""

from __future__ import annotations

import numpy as np
import pytest

import embedsmith as es


@pytest.fixture(scope="module")
def embeddings() -> np.ndarray:
    """Return clusters of five, some of them exact copies."""
    rng = np.random.default_rng(3)
    rows = np.repeat(rng.standard_normal((300, 64)), 5, axis=0)
    rows = (rows + 0.4 * rng.standard_normal(rows.shape)).astype(np.float32)
    rows[::50] = rows[1::50]
    return rows[rng.permutation(len(rows))]


@pytest.mark.model
def test_paraphrase_mining_finds_a_subset_of_our_pairs(embeddings) -> None:
    util = pytest.importorskip("sentence_transformers").util
    torch = pytest.importorskip("torch")
    # Theirs keeps the best `max_pairs` of each row's `top_k`: with few of each, a part of all.
    for top_k, max_pairs in ((100, 500_000), (2, 400)):
        theirs = util.paraphrase_mining_embeddings(
            torch.from_numpy(embeddings), top_k=top_k, max_pairs=max_pairs
        )
        lowest = min(score for score, *_ in theirs)
        assert len(theirs) > 300
        pairs = es.pairs_above(embeddings, lowest - 1e-5)
        ours = {(i, j): score for i, j, score in pairs}
        for score, i, j in theirs:
            assert ours[min(i, j), max(i, j)] == pytest.approx(score, abs=1e-5)


@pytest.mark.model
def test_paraphrase_mining_without_limits_finds_all_of_our_pairs(embeddings) -> None:
    util = pytest.importorskip("sentence_transformers").util
    torch = pytest.importorskip("torch")
    few = embeddings[:300]
    theirs = util.paraphrase_mining_embeddings(torch.from_numpy(few), top_k=300, max_pairs=100_000)
    # Far from any pair's score, so that float32 cannot put it on the other side.
    scores = np.sort([score for score, *_ in theirs])
    gaps = np.diff(scores)
    place = int(gaps.argmax())
    threshold = float(scores[place] + scores[place + 1]) / 2
    found = {(i, j) for i, j, _ in es.pairs_above(few, threshold)}
    assert found == {(min(i, j), max(i, j)) for score, i, j in theirs if score > threshold}
    assert len(found) > 0


def test_numpy_float64_agrees(embeddings) -> None:
    unit = embeddings.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    first, second = np.triu_indices(len(unit), 1)
    scores = (unit @ unit.T)[first, second]
    # A gap around 0.5 that float64 sums in another order cannot cross.
    assert np.abs(scores - 0.5).min() > 1e-9
    above = scores >= 0.5
    pairs = es.pairs_above(embeddings, 0.5)
    assert {(i, j) for i, j, _ in pairs} == set(
        zip(first[above].tolist(), second[above].tolist(), strict=True)
    )
    np.testing.assert_allclose(pairs.exact, np.sort(scores[above])[::-1], rtol=0, atol=1e-12)
