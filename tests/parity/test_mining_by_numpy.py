"""Mining against all scores in float64 by numpy, at sizes where queries give up a loose pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.mining import _mine, _vectors

if TYPE_CHECKING:
    from pathlib import Path

N_QUERIES, N_DOCS, DIM, WANTED = 70, 12_000, 24, 4


def case(metric: str) -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    """Return vectors, and positives from the very best rows down to the middle of the corpus."""
    rng = np.random.default_rng(7)
    queries = rng.normal(size=(N_QUERIES, DIM)).astype(np.float16).astype(np.float32)
    docs = rng.normal(size=(N_DOCS, DIM)).astype(np.float16).astype(np.float32)
    order = np.argsort(-scores_of(queries, docs, metric), axis=1)
    depths = np.geomspace(1, N_DOCS * 0.7, N_QUERIES).astype(int)
    positives = [
        [int(order[place, depth]), int(order[place, depth // 2])]
        for place, depth in enumerate(depths)
    ]
    return queries, docs, positives


def scores_of(queries: np.ndarray, docs: np.ndarray, metric: str) -> np.ndarray:
    wide, rows = queries.astype(np.float64), docs.astype(np.float64)
    if metric == "cosine":
        wide = wide / np.linalg.norm(wide, axis=1, keepdims=True)
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    scores: np.ndarray = wide @ rows.T
    return scores


def check(
    mined: es.MinedNegatives,
    data: tuple[np.ndarray, np.ndarray, list[list[int]]],
    metric: str,
    *,
    skip: int = 0,
) -> None:
    queries, docs, positives = data
    for query, scores in enumerate(scores_of(queries, docs, metric)):
        lowest = min(scores[row] for row in positives[query])
        ceiling = lowest - abs(lowest) * 0.05
        order = [row for row in np.argsort(-scores).tolist() if row not in positives[query]]
        above = sum(scores[row] > ceiling for row in order)
        first = max(above, skip)
        assert mined.rows[query].tolist() == order[first : first + WANTED]
        assert mined.ranks[query].tolist() == list(range(first + 1, first + 1 + WANTED))
        np.testing.assert_allclose(
            mined.scores[query], scores[order[first : first + WANTED]], rtol=0, atol=1e-12 * DIM
        )
        taken = mined.block.taken[query]
        assert taken.tolist() == [skip, 0, max(above - skip, 0), 0, 0, 0, 0, 0]


@pytest.mark.parametrize("metric", ["cosine", "dot"])
@pytest.mark.parametrize("skip", [0, 30])
@pytest.mark.parametrize("block", [20_480, 33])
def test_negatives_ranks_and_counts_are_those_of_all_scores(
    monkeypatch: pytest.MonkeyPatch, metric: Any, skip: int, block: int
) -> None:
    monkeypatch.setattr(_mine, "_BLOCK", block)
    data = case(metric)
    mined = es.mine_hard_negatives(
        data[2],
        query_embeddings=data[0],
        corpus_embeddings=data[1],
        metric=metric,
        num_negatives=WANTED,
        range_min=skip,
        near_duplicate=None,
    )
    check(mined, data, metric, skip=skip)


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "map", "large map"])
def test_what_is_kept_elsewhere_or_in_halves_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    queries, docs, positives = case("cosine")
    source: Any = docs
    if kind == "bfloat16":
        ml_dtypes = pytest.importorskip("ml_dtypes")
        source = docs.astype(ml_dtypes.bfloat16)
        docs = source.astype(np.float32)
    elif kind == "float16":
        source = docs.astype(np.float16)
    elif "map" in kind:
        np.save(tmp_path / "docs.npy", docs)
        source = np.load(tmp_path / "docs.npy", mmap_mode="r")
    if kind == "large map":
        monkeypatch.setattr("embedsmith.search._shards.comfortable_bytes", lambda: 1)
        monkeypatch.setattr("embedsmith.search._read_ahead.BLOCK_BYTES", 1 << 18)
    mined = es.mine_hard_negatives(
        positives,
        query_embeddings=queries,
        corpus_embeddings=source,
        metric="cosine",
        num_negatives=WANTED,
        near_duplicate=None,
    )
    check(mined, (queries, docs, positives), "cosine")


def test_a_folder_of_scaled_codes_gives_what_its_vectors_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_vectors, "_GATHERED_BYTES", 1 << 12)
    queries, _, positives = case("cosine")
    # The texts' vectors have few values, so that scores tie.
    corpus = es.Corpus(
        tuple(map(str, range(N_DOCS))), tuple(f"clause {row}" for row in range(N_DOCS))
    )
    folder = tmp_path / "docs"
    es.embed_corpus(corpus, f"fake:{DIM}", folder, dtype="int8", shard_rows=5_000, cache=False)
    source = es.EmbeddingFolder(folder)
    array = np.concatenate([batch.vectors for batch in source.batches()])
    blocks = [
        es.mine_hard_negatives(
            positives, query_embeddings=queries, corpus_embeddings=one, metric="cosine"
        ).block
        for one in (source, array)
    ]
    for name, values in vars(blocks[0]).items():
        np.testing.assert_array_equal(values, getattr(blocks[1], name), err_msg=name)
