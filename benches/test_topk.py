"""Exact search beside the libraries people use for it: same vectors, same threads, same answer.

Batches of queries, and one or a few against a corpus that is ready. `engines` says what each name
stands for, `vectors` what is searched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from benches import answers, wordnet
from benches.engines import ENGINES, FORCED, THREADS, rows_of
from benches.vectors import scaled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benches.conftest import Bench
    from benches.vectors import VectorFiles


class Case(NamedTuple):
    """What is searched, by which engines."""

    data: str
    n_queries: int
    n_docs: int
    dim: int
    k: int
    engines: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.data}-{self.n_queries}x{self.n_docs}x{self.dim}-k{self.k}"


OURS = ("embedsmith", "embedsmith-index")
# Those whose memory does not grow with queries times documents, or not beyond a few gigabytes.
LARGE = ("faiss", "faiss-skylakex", "torch", "sentence-transformers", *OURS)
BATCH = (*LARGE, "numpy")
SMALL = ("faiss", "faiss-panorama", "torch", "numpy", *OURS)
# Learning how to turn vectors needs many of them.
SERVED = (*SMALL, "faiss-panorama-pca")
AVX2 = tuple(name for name in FORCED if name == "embedsmith-avx2")

BATCHES = [
    Case("clustered", 1_000, 1_000, 384, 10, BATCH),
    Case("clustered", 1_000, 10_000, 384, 10, BATCH),
    Case("clustered", 1_000, 100_000, 384, 10, (*BATCH, *FORCED)),
    Case("clustered", 1_000, 100_000, 384, 100, (*BATCH, *FORCED)),
    Case("clustered", 1_000, 1_000_000, 384, 10, (*LARGE, *AVX2)),
    Case("clustered", 10_000, 100_000, 768, 10, (*LARGE, *AVX2)),
    Case("wordnet", wordnet.N_QUERIES, wordnet.N_DOCS, 384, 10, (*BATCH, *AVX2)),
    Case("wordnet", wordnet.N_QUERIES, wordnet.N_DOCS, 384, 100, (*LARGE, *AVX2)),
    Case("anisotropic", 1_000, 100_000, 384, 10, (*LARGE, *AVX2)),
]
FEW = [
    Case("clustered", 1, 1_000, 384, 10, SMALL),
    Case("clustered", 1, 10_000, 384, 10, SMALL),
    Case("clustered", 1, 100_000, 384, 10, SERVED),
    Case("clustered", 1, 1_000_000, 384, 10, SERVED),
    Case("clustered", 8, 1_000_000, 384, 10, ("faiss", "torch", "numpy", *OURS)),
    Case("clustered", 32, 1_000_000, 384, 10, ("faiss", "torch", "numpy", *OURS)),
    Case("wordnet", 1, wordnet.N_DOCS, 384, 10, SERVED),
    Case("anisotropic", 1, 1_000_000, 384, 10, SERVED),
]


def each(cases: Iterable[Case]) -> list[object]:
    """Return one parameter per case and engine, the engines of a case one after the other."""
    return [
        pytest.param(case, engine, id=f"{case}-{engine}")
        for case in cases
        for engine in case.engines
    ]


@pytest.mark.parametrize(("case", "engine"), each(BATCHES))
def test_batch(bench: Bench, vector_files: VectorFiles, case: Case, engine: str) -> None:
    run(bench, vector_files, case, engine)


@pytest.mark.parametrize(("case", "engine"), each(FEW))
def test_few_queries(bench: Bench, vector_files: VectorFiles, case: Case, engine: str) -> None:
    run(bench, vector_files, case, engine)


def run(bench: Bench, vector_files: VectorFiles, case: Case, engine: str) -> None:
    if case.data == "wordnet" and (reason := wordnet.absent()):
        pytest.skip(reason)
    vectors = vector_files(case.data, scaled(case.n_queries), scaled(case.n_docs), case.dim)
    prepare, environment, tolerance = ENGINES[engine]
    k = min(case.k, vectors.n_docs)
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
        data=case.data,
        operations=vectors.operations,
        environment=environment,
    )
    answers.check(vectors, rows_of(found), k, tolerance=tolerance)
