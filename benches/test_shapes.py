"""Exact search away from the usual shape: widths, long result lists, half-precision corpora."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benches import answers
from benches.engines import ENGINES, THREADS, rows_of
from benches.vectors import scaled

if TYPE_CHECKING:
    from benches.conftest import Bench
    from benches.vectors import VectorFiles, Vectors

WITH_FAISS = ("faiss", "embedsmith", "embedsmith-index")


@pytest.mark.parametrize("engine", WITH_FAISS)
@pytest.mark.parametrize("dim", [64, 384, 1_024, 4_096])
def test_width(bench: Bench, vector_files: VectorFiles, dim: int, engine: str) -> None:
    run(bench, engine, vector_files("clustered", scaled(500), scaled(50_000), dim), k=10)


@pytest.mark.parametrize("engine", WITH_FAISS)
@pytest.mark.parametrize("k", [1, 1_000, 10_000])
def test_long_lists(bench: Bench, vector_files: VectorFiles, k: int, engine: str) -> None:
    run(bench, engine, vector_files("clustered", scaled(100), scaled(100_000), 384), k=scaled(k))


@pytest.mark.parametrize("engine", WITH_FAISS)
def test_nearly_all_rows(bench: Bench, vector_files: VectorFiles, engine: str) -> None:
    vectors = vector_files("clustered", scaled(100), scaled(10_000), 384)
    run(bench, engine, vectors, k=vectors.n_docs - 1)


@pytest.mark.parametrize("engine", ["embedsmith", "embedsmith-index"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("n_queries", [1, 1_000])
def test_corpus_type(
    bench: Bench, vector_files: VectorFiles, n_queries: int, dtype: str, engine: str
) -> None:
    n_queries = scaled(n_queries)
    run(bench, engine, vector_files("clustered", n_queries, scaled(300_000), 384, dtype), k=10)


def run(bench: Bench, engine: str, vectors: Vectors, k: int) -> None:
    prepare, environment, tolerance = ENGINES[engine]
    found = bench(
        prepare,
        vectors,
        k,
        engine=engine,
        baseline="faiss",
        shape=vectors.shape,
        dtype=vectors.dtype,
        threads=THREADS,
        k=k,
        data=vectors.data,
        operations=vectors.operations,
        environment=environment,
    )
    answers.check(vectors, rows_of(found), k, tolerance=tolerance)
