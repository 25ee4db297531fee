"""A corpus compared with itself: pairs from a threshold on, and every row's best other rows.

``faiss`` is a filled ``IndexFlatIP``, asked by ``range_search`` and ``search`` for its own rows; it
looks at each pair twice. ``sentence-transformers`` mines paraphrases:
``util.paraphrase_mining_embeddings`` has no threshold, and takes the best of up to 100 neighbours
a row; so its pairs are not compared. ``embedsmith-topk`` is the ordinary search with each row
excluded for itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benches.answers import EXACT, FLOAT32
from benches.engines import THREADS
from benches.vectors import Vectors, scaled

if TYPE_CHECKING:
    from collections.abc import Callable

    from benches.conftest import Bench
    from benches.vectors import VectorFiles

    Found = Callable[[], Any]

THRESHOLD = 0.9
K = 10
# Peers take minutes for more: their time grows with the square.
DATA = {"clustered": 30_000, "wordnet": 30_000}


def pairs_above(vectors: Vectors) -> Found:
    import embedsmith as es

    corpus = vectors.load()[1]

    def pairs() -> np.ndarray:
        found = es.pairs_above(corpus, THRESHOLD, metric="dot", threads=THREADS)
        return np.stack([found.first, found.second], axis=1)

    return pairs


def faiss_range(vectors: Vectors) -> Found:
    corpus, index = _faiss(vectors)

    def pairs() -> np.ndarray:
        limits, _, rows = index.range_search(corpus, THRESHOLD)
        first = np.repeat(np.arange(len(corpus)), np.diff(limits.astype(np.int64)))
        found: np.ndarray = np.stack([first, rows], axis=1)[first < rows]
        return found

    return pairs


def paraphrase_mining(vectors: Vectors) -> Found:
    import torch
    from sentence_transformers import util

    torch.set_num_threads(THREADS)
    corpus = torch.from_numpy(vectors.load()[1])
    return lambda: len(util.paraphrase_mining_embeddings(corpus, score_function=util.dot_score))


def topk_self(vectors: Vectors) -> Found:
    import embedsmith as es

    corpus = vectors.load()[1]
    return lambda: es.topk_self(corpus, K, metric="dot", threads=THREADS).rows


def topk_without_itself(vectors: Vectors) -> Found:
    import embedsmith as es

    corpus = vectors.load()[1]
    own = np.arange(len(corpus))
    return lambda: es.topk(corpus, corpus, k=K, metric="dot", exclude=own, threads=THREADS).rows


def faiss_search(vectors: Vectors) -> Found:
    corpus, index = _faiss(vectors)
    own = np.arange(len(corpus))[:, None]

    def search() -> np.ndarray:
        rows = index.search(corpus, K + 1)[1]
        # Among copies of a row its own number may be missing: then the last one goes.
        found = rows == own
        found[~found.any(axis=1), -1] = True
        others: np.ndarray = rows[~found].reshape(len(corpus), K)
        return others

    return search


def _faiss(vectors: Vectors) -> tuple[np.ndarray, Any]:
    import faiss

    faiss.omp_set_num_threads(THREADS)
    corpus = vectors.load()[1]
    index = faiss.IndexFlatIP(vectors.dim)
    index.add(corpus)
    return corpus, index


PAIRS = {
    "faiss": faiss_range,
    "sentence-transformers": paraphrase_mining,
    "embedsmith": pairs_above,
}
NEIGHBOURS = {
    "faiss": faiss_search,
    "embedsmith-topk": topk_without_itself,
    "embedsmith": topk_self,
}


@pytest.mark.parametrize("engine", PAIRS)
@pytest.mark.parametrize("data", DATA)
def test_pairs(bench: Bench, vector_files: VectorFiles, data: str, engine: str) -> None:
    vectors = corpus_of(vector_files, data)
    found = run(bench, PAIRS[engine], vectors, engine)
    if engine == "sentence-transformers":
        return
    corpus = vectors.load()[1].astype(np.float64)
    scores = (corpus[found[:, 0]] * corpus[found[:, 1]]).sum(axis=1)
    slack = EXACT if engine == "embedsmith" else FLOAT32
    assert len(np.unique(found, axis=0)) == len(found)
    assert (scores >= THRESHOLD - slack).all()
    # Of some rows, all their pairs.
    some = np.arange(0, len(corpus), max(1, len(corpus) // 64))
    places, others = np.nonzero(corpus[some] @ corpus.T >= THRESHOLD + slack)
    pairs = {
        tuple(sorted(pair)) for pair in zip(some[places].tolist(), others.tolist(), strict=True)
    }
    assert {pair for pair in pairs if len(set(pair)) > 1} <= set(map(tuple, found.tolist()))


@pytest.mark.parametrize("engine", NEIGHBOURS)
@pytest.mark.parametrize("data", DATA)
def test_neighbours(bench: Bench, vector_files: VectorFiles, data: str, engine: str) -> None:
    vectors = corpus_of(vector_files, data)
    found = run(bench, NEIGHBOURS[engine], vectors, engine, k=K)
    corpus = vectors.load()[1].astype(np.float64)
    tolerance = FLOAT32 if engine == "faiss" else EXACT
    for row in range(0, len(corpus), max(1, len(corpus) // 64)):
        scores = corpus @ corpus[row]
        scores[row] = -np.inf
        best = -np.sort(np.partition(-scores, K - 1)[:K])
        assert np.abs(scores[found[row]] - best).max() <= tolerance


def corpus_of(vector_files: VectorFiles, data: str) -> Vectors:
    return vector_files(data, 1, scaled(DATA[data]), 384)


def run(
    bench: Bench, prepare: Any, vectors: Vectors, engine: str, k: int | None = None
) -> np.ndarray:
    found: np.ndarray = bench(
        prepare,
        vectors,
        engine=engine,
        baseline="faiss",
        shape={"docs": vectors.n_docs, "dim": vectors.dim},
        dtype=vectors.dtype,
        threads=THREADS,
        k=k,
        # Its loops in Python take half a minute.
        rounds=1 if engine == "sentence-transformers" else None,
        data=vectors.data,
        # Each pair of rows once.
        operations=float(vectors.n_docs) ** 2 * vectors.dim,
    )
    return found
