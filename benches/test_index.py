"""Building an index and opening one, beside reading the vectors once, which no build can beat.

``memory-pass`` sums the corpus with torch, with as many threads as the others get: one read of
every float. faiss copies what it is given; its Panorama index sorts it into levels as well.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benches.engines import PANORAMA_BATCH, PANORAMA_LEVELS, THREADS
from benches.vectors import scaled

if TYPE_CHECKING:
    from collections.abc import Callable

    from benches.conftest import Bench
    from benches.vectors import VectorFiles, Vectors
    from benches.worker import Prepare

DIM = 384


def memory_pass(vectors: Vectors) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(THREADS)
    corpus = torch.from_numpy(vectors.load()[1])

    def read() -> int:
        corpus.sum()
        return len(corpus)

    return read


def embedsmith_index(vectors: Vectors) -> Callable[[], Any]:
    import embedsmith as es

    corpus = vectors.load()[1]
    return lambda: len(es.Index(corpus, metric="dot", threads=THREADS))


def faiss_flat(vectors: Vectors) -> Callable[[], Any]:
    import faiss

    return _faiss(lambda: faiss.IndexFlatIP(vectors.dim), vectors)


def faiss_panorama(vectors: Vectors) -> Callable[[], Any]:
    import faiss

    return _faiss(
        lambda: faiss.IndexFlatIPPanorama(vectors.dim, PANORAMA_LEVELS, PANORAMA_BATCH), vectors
    )


def _faiss(make: Callable[[], Any], vectors: Vectors) -> Callable[[], Any]:
    import faiss

    faiss.omp_set_num_threads(THREADS)
    corpus = vectors.load()[1]

    def build() -> int:
        index = make()
        index.add(corpus)
        return int(index.ntotal)

    return build


BUILD = {
    "memory-pass": memory_pass,
    "embedsmith-index": embedsmith_index,
    "faiss": faiss_flat,
    "faiss-panorama": faiss_panorama,
}


@pytest.mark.parametrize("engine", BUILD)
def test_build(bench: Bench, vector_files: VectorFiles, engine: str) -> None:
    vectors = vector_files("clustered", 1, scaled(1_000_000), DIM)
    assert run(bench, BUILD[engine], vectors, engine, "memory-pass") == vectors.n_docs


def embedsmith_open(vectors: Vectors) -> Callable[[], Any]:
    import embedsmith as es

    path = Path(tempfile.mkdtemp(dir=vectors.folder)) / "index"
    es.Index(vectors.load()[1], metric="dot", threads=THREADS).save(path)
    return lambda: len(es.Index.open(path))


def faiss_read(vectors: Vectors) -> Callable[[], Any]:
    import faiss

    path = Path(tempfile.mkdtemp(dir=vectors.folder)) / "index"
    index = faiss.IndexFlatIP(vectors.dim)
    index.add(vectors.load()[1])
    faiss.write_index(index, str(path))
    return lambda: int(faiss.read_index(str(path)).ntotal)


OPEN = {"faiss": faiss_read, "embedsmith-index": embedsmith_open}


@pytest.mark.parametrize("engine", OPEN)
def test_open(bench: Bench, vector_files: VectorFiles, engine: str) -> None:
    vectors = vector_files("clustered", 1, scaled(100_000), DIM)
    assert run(bench, OPEN[engine], vectors, engine, "faiss") == vectors.n_docs


def run(bench: Bench, prepare: Prepare, vectors: Vectors, engine: str, baseline: str) -> Any:
    return bench(
        prepare,
        vectors,
        engine=engine,
        baseline=baseline,
        shape={"docs": vectors.n_docs, "dim": vectors.dim},
        dtype=vectors.dtype,
        threads=THREADS,
        data=vectors.data,
    )
