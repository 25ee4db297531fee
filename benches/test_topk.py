"""Exact search beside the libraries people use for it: same vectors, same threads, same answer.

Unit vectors around shared centres, as texts of a few topics give. Every engine gets its fastest
documented way: faiss a filled index, torch a matrix product and ``topk``, sentence-transformers its
``semantic_search``, and embedsmith both a plain call and an index. ``embedsmith-avx512`` and
``embedsmith-avx2`` are the same code with better instruction sets forbidden.
"""

from __future__ import annotations

import os
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import threadpoolctl

import embedsmith as es
from embedsmith._core import available_isas

if TYPE_CHECKING:
    from collections.abc import Callable

    from benches.conftest import Bench
    from benches.memory import Prepare

THREADS = 2
DIM = 384


@cache
def unit_vectors(n_docs: int, n_queries: int, dim: int = DIM) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((1_000, dim), dtype=np.float32)

    def around(n: int) -> np.ndarray:
        rows = rng.standard_normal((n, dim), dtype=np.float32)
        rows += centres[rng.integers(0, len(centres), n)]
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows

    return around(n_queries), around(n_docs)


def embedsmith(n_docs: int, n_queries: int, k: int) -> Callable[[], Any]:
    queries, corpus = unit_vectors(n_docs, n_queries)
    return lambda: es.topk(queries, corpus, k=k, metric="dot", threads=THREADS).rows


def embedsmith_index(n_docs: int, n_queries: int, k: int) -> Callable[[], Any]:
    queries, corpus = unit_vectors(n_docs, n_queries)
    index = es.Index(corpus, metric="dot")
    return lambda: index.search(queries, k, threads=THREADS).rows


def embedsmith_forced(isa: str) -> Prepare:
    return partial(_forced, isa)


def _forced(isa: str, n_docs: int, n_queries: int, k: int) -> Callable[[], Any]:
    search = embedsmith(n_docs, n_queries, k)

    def forced() -> Any:
        os.environ["EMBEDSMITH_ISA"] = isa
        try:
            return search()
        finally:
            del os.environ["EMBEDSMITH_ISA"]

    return forced


def faiss_flat(n_docs: int, n_queries: int, k: int) -> Callable[[], Any]:
    import faiss

    queries, corpus = unit_vectors(n_docs, n_queries)
    faiss.omp_set_num_threads(THREADS)
    index = faiss.IndexFlatIP(DIM)
    index.add(corpus)

    def search() -> Any:
        return index.search(queries, k)[1]

    return search


def torch_topk(n_docs: int, n_queries: int, k: int) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(THREADS)
    queries, corpus = (torch.from_numpy(rows) for rows in unit_vectors(n_docs, n_queries))

    def search() -> np.ndarray:
        rows: np.ndarray = torch.topk(queries @ corpus.T, k, dim=1).indices.numpy()
        return rows

    return search


def semantic_search(n_docs: int, n_queries: int, k: int) -> Callable[[], Any]:
    import torch
    from sentence_transformers import util

    torch.set_num_threads(THREADS)
    queries, corpus = (torch.from_numpy(rows) for rows in unit_vectors(n_docs, n_queries))

    def search() -> np.ndarray:
        hits = util.semantic_search(queries, corpus, top_k=k, score_function=util.dot_score)
        return np.array([[hit["corpus_id"] for hit in row] for row in hits])

    return search


def numpy_topk(n_docs: int, n_queries: int, k: int) -> Callable[[], Any]:
    threadpoolctl.threadpool_limits(THREADS)
    queries, corpus = unit_vectors(n_docs, n_queries)

    def search() -> np.ndarray:
        scores = queries @ corpus.T
        best = np.argpartition(scores, -k, axis=1)[:, -k:]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        return np.take_along_axis(best, order, axis=1)

    return search


ENGINES = {
    "faiss": faiss_flat,
    "embedsmith": embedsmith,
    "embedsmith-index": embedsmith_index,
    "embedsmith-avx512": embedsmith_forced("avx512"),
    "embedsmith-avx2": embedsmith_forced("avx2"),
    "torch": torch_topk,
    "sentence-transformers": semantic_search,
    "numpy": numpy_topk,
}


def run(bench: Bench, engine: str, *, n_docs: int, n_queries: int, k: int, rounds: int) -> None:
    forced = engine.removeprefix("embedsmith-")
    if forced in ("avx2", "avx512") and forced not in available_isas():
        pytest.skip(f"this processor has no {forced}")
    rows = bench(
        ENGINES[engine],
        n_docs,
        n_queries,
        k,
        engine=engine,
        baseline="faiss",
        shape={"queries": n_queries, "docs": n_docs, "dim": DIM},
        dtype="float32",
        threads=THREADS,
        k=k,
        operations=2.0 * n_queries * n_docs * DIM,
        rounds=rounds,
    )
    queries, corpus = unit_vectors(n_docs, n_queries)
    exact = es.topk(queries, corpus, k=k, metric="dot").rows
    found = [len(set(a) & set(b)) for a, b in zip(exact.tolist(), rows.tolist(), strict=True)]
    # Peers may swap rows whose float32 scores collide at the last place.
    assert np.mean(found) >= 0.999 * k


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("k", [10, 100])
def test_batch(bench: Bench, engine: str, k: int) -> None:
    run(bench, engine, n_docs=100_000, n_queries=1_000, k=k, rounds=9)


@pytest.mark.parametrize("engine", ["faiss", "embedsmith", "embedsmith-index", "torch", "numpy"])
@pytest.mark.parametrize("n_docs", [1_000, 100_000, 1_000_000])
def test_one_query(bench: Bench, engine: str, n_docs: int) -> None:
    run(bench, engine, n_docs=n_docs, n_queries=1, k=10, rounds=41 if n_docs < 1_000_000 else 15)
