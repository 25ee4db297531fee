"""Mining hard negatives with embeddings given, beside sentence-transformers' own function.

Each query has one positive among its ten best passages, as training pairs have. All keep negatives
at least 5 % below the positive's score. ``embedsmith`` is the default, which besides drops
near-duplicates of the positive and goes on until every query has its negatives;
``embedsmith-st-pool`` looks at the passages that sentence-transformers looks at, and gives its
rows. The peers get a model that looks its vectors up, so that no time is spent on embedding.

``test_projection`` times growing runs, fits ``Q (a + b N)`` to them, and says beside what was
measured what the fit gives for MS MARCO's passages.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benches.engines import THREADS
from benches.records import rounded
from benches.vectors import Vectors, scaled

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

    from benches.conftest import Bench
    from benches.vectors import VectorFiles

    Mined = Callable[[], Any]

N_QUERIES, N_DOCS, DIM = 20_000, 200_000, 384
NEGATIVES = 3
MARGIN = 0.05
ENGINES = (
    "sentence-transformers",
    "sentence-transformers-faiss",
    "embedsmith-st-pool",
    "embedsmith",
)

# Queries and passages of runs that are timed once, and of the largest one. Blocks of queries are
# full, as nearly all are of a large run: each block costs one coding of the corpus.
BLOCK = 20_480
GROWING = ((BLOCK, 200_000), (2 * BLOCK, 200_000), (BLOCK, 500_000), (BLOCK, 1_000_000))
LARGEST = (BLOCK, 2_000_000)
MS_MARCO = (500_000, 8_841_823)


def positives_of(queries: np.ndarray, corpus: np.ndarray) -> np.ndarray:
    """Return one passage for each query: some are easy to find, some are not."""
    import embedsmith as es

    rows = es.topk(queries, corpus, k=10, threads=THREADS).rows
    own: np.ndarray = rows[np.arange(len(rows)), np.arange(len(rows)) % rows.shape[1]]
    return own


def miner(queries: np.ndarray, corpus: np.ndarray, pool: Any) -> Mined:
    """Return a call that mines and counts how many queries have 0, 1, ... negatives."""
    import embedsmith as es

    positives = positives_of(queries, corpus)

    def mine() -> Any:
        mined = es.mine_hard_negatives(
            positives,
            query_embeddings=queries,
            corpus_embeddings=corpus,
            num_negatives=NEGATIVES,
            relative_margin=MARGIN,
            pool=pool,
            threads=THREADS,
        )
        return np.bincount((mined.rows >= 0).sum(axis=1), minlength=NEGATIVES + 1)

    return mine


def ours(vectors: Vectors, pool: Any) -> Mined:
    return miner(*vectors.load(), pool)


def growing(vectors: Vectors) -> Mined:
    """Time the smaller runs; return the largest as a call, which returns their times."""
    queries, corpus = vectors.load()
    measured: list[float] = []
    for n_queries, n_docs in GROWING:
        mine = miner(queries[: scaled(n_queries)], corpus[: scaled(n_docs)], "full")
        if not measured:
            mine()  # loads what is loaded once
        began = time.perf_counter()
        mine()
        measured.append(time.perf_counter() - began)
    mine = miner(queries[: scaled(LARGEST[0])], corpus, "full")

    def largest() -> list[float]:
        mine()
        return measured

    return largest


def projection(sizes: list[tuple[int, int]], seconds: list[float]) -> dict[str, Any]:
    """Return ``per_query_s`` and ``per_pair_s`` of the runs, and what they give for MS MARCO."""
    terms = np.array([[n_queries, n_queries * n_docs] for n_queries, n_docs in sizes], dtype=float)
    taken = np.array(seconds)
    # Every run counts by its share that is off, as the small ones would not by seconds.
    fit, *_ = np.linalg.lstsq(terms / taken[:, None], np.ones(len(taken)), rcond=None)
    n_queries, n_docs = MS_MARCO
    return {
        "per_query_s": float(fit[0]),
        "per_pair_s": float(fit[1]),
        "worst_relative_error": float(np.abs(terms @ fit / taken - 1).max()),
        "queries": n_queries,
        "docs": n_docs,
        "seconds": float(n_queries * (fit[0] + fit[1] * n_docs)),
    }


def theirs(vectors: Vectors, use_faiss: bool) -> Mined:
    import torch
    from datasets import Dataset
    from sentence_transformers import util

    torch.set_num_threads(THREADS)
    queries, corpus = vectors.load()
    positives = positives_of(queries, corpus)
    passages = [f"d{row}" for row in range(len(corpus))]

    class Table:
        """What the function asks a model for."""

        device = torch.device("cpu")

        def encode_query(self, texts: list[str], **_: object) -> np.ndarray:
            return queries[[int(text[1:]) for text in texts]]

        def encode_document(self, texts: list[str], **_: object) -> np.ndarray:
            assert len(texts) == len(corpus)
            return corpus

        def get_embedding_dimension(self) -> int:
            return int(corpus.shape[1])

        def similarity(self, a: Any, b: Any) -> Any:
            return torch.as_tensor(a) @ torch.as_tensor(b).T

        def similarity_pairwise(self, a: Any, b: Any) -> Any:
            return (torch.as_tensor(a) * torch.as_tensor(b)).sum(dim=1)

    pairs = Dataset.from_dict(
        {
            "anchor": [f"q{row}" for row in range(len(queries))],
            "positive": [passages[row] for row in positives.tolist()],
        }
    )

    def mine() -> Any:
        found = util.mine_hard_negatives(
            pairs,
            Table(),
            corpus=passages,
            num_negatives=NEGATIVES,
            relative_margin=MARGIN,
            use_faiss=use_faiss,
            verbose=False,
        )
        counts = np.bincount([int(text[1:]) for text in found["anchor"]], minlength=len(queries))
        return np.bincount(counts, minlength=NEGATIVES + 1)

    return mine


@pytest.mark.parametrize("engine", ENGINES)
def test_mine(bench: Bench, vector_files: VectorFiles, engine: str) -> None:
    vectors = vector_files("clustered", scaled(N_QUERIES), scaled(N_DOCS), DIM)
    if engine.startswith("embedsmith"):
        prepare: Any = ours
        how: Any = "st" if engine.endswith("st-pool") else "full"
    else:
        prepare, how = theirs, engine.endswith("faiss")
    counts = bench(
        prepare,
        vectors,
        how,
        engine=engine,
        baseline="sentence-transformers",
        shape=vectors.shape,
        dtype="float32",
        threads=THREADS,
        k=NEGATIVES,
        data="clustered",
        operations=vectors.operations,
    )
    # How many queries have 0, 1, 2 and all 3 negatives.
    if engine == "embedsmith":
        assert counts[:NEGATIVES].sum() == 0


def test_projection(bench: Bench, benchmark: BenchmarkFixture, vector_files: VectorFiles) -> None:
    vectors = vector_files("clustered", scaled(GROWING[1][0]), scaled(LARGEST[1]), DIM)
    sizes = [(scaled(n_queries), scaled(n_docs)) for n_queries, n_docs in (*GROWING, LARGEST)]
    n_queries, n_docs = sizes[-1]
    seconds = bench(
        growing,
        vectors,
        engine="embedsmith",
        baseline="sentence-transformers",
        shape={"queries": n_queries, "docs": n_docs, "dim": DIM},
        dtype="float32",
        threads=THREADS,
        k=NEGATIVES,
        data="clustered",
        operations=2.0 * n_queries * n_docs * DIM,
        rounds=1,
    )
    seconds = [*seconds, benchmark.stats.stats.median]
    benchmark.extra_info["measured"] = [
        {"queries": n_queries, "docs": n_docs, "seconds": rounded(taken)}
        for (n_queries, n_docs), taken in zip(sizes, seconds, strict=True)
    ]
    fitted = projection(sizes, seconds)
    benchmark.extra_info["extrapolated"] = {
        name: rounded(value) if isinstance(value, float) else value
        for name, value in fitted.items()
    }
    assert fitted["per_pair_s"] > 0
