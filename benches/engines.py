"""The engines that search: each prepares itself in a process of its own, and returns its call.

Each gets its fastest documented way, and all rank by the inner product of unit vectors:

``faiss``
    A filled ``IndexFlatIP``. ``faiss-skylakex`` is the same with OPENBLAS_CORETYPE=SkylakeX: its
    BLAS is old, and picks kernels without AVX-512 on processors that it does not know. Every entry
    of a record says under ``blas`` what was picked.
``faiss-panorama``
    ``IndexFlatIPPanorama``, which stops reading a row when a bound says that it is no hit.
    ``faiss-panorama-pca`` turns the vectors first so that the bound bites sooner, as faiss's own
    benchmark does; that is only offered for distances, which rank unit vectors the same.
``torch``, ``numpy``
    A matrix product, then ``topk`` or ``argpartition``.
``sentence-transformers``
    ``util.semantic_search`` with ``dot_score``, on tensors.
``embedsmith``, ``embedsmith-index``
    ``topk`` from the plain array, and an `Index` built beforehand. With the name of an instruction
    set behind it, the same code with better ones forbidden.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benches.answers import EXACT, FLOAT32
from embedsmith._core import available_isas

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benches.vectors import Vectors
    from benches.worker import Prepare

    Search = Callable[[], np.ndarray]

THREADS = 2
PANORAMA_LEVELS = 8
PANORAMA_BATCH = 1024
# Rows that the turning axes are learned from.
PANORAMA_TRAINING = 100_000

# The portable kernels are a specification, not an engine: one call would take minutes.
FORCED = tuple(f"embedsmith-{isa}" for isa in available_isas() if isa != "scalar")


def topk(vectors: Vectors, k: int) -> Search:
    import embedsmith as es

    queries, corpus = vectors.load()
    return lambda: es.topk(queries, corpus, k=k, metric="dot", threads=THREADS).rows


def index(vectors: Vectors, k: int) -> Search:
    import embedsmith as es

    queries, corpus = vectors.load()
    built = es.Index(corpus, metric="dot", threads=THREADS)
    return lambda: built.search(queries, k, threads=THREADS).rows


def faiss_flat(vectors: Vectors, k: int) -> Search:
    import faiss

    return _faiss(faiss.IndexFlatIP(vectors.dim), vectors, k)


def faiss_panorama(vectors: Vectors, k: int) -> Search:
    import faiss

    panorama = faiss.IndexFlatIPPanorama(vectors.dim, PANORAMA_LEVELS, PANORAMA_BATCH)
    return _faiss(panorama, vectors, k)


def faiss_panorama_pca(vectors: Vectors, k: int) -> Search:
    import faiss

    name = f"PCA{vectors.dim},FlatL2Panorama{PANORAMA_LEVELS}_{PANORAMA_BATCH}"
    return _faiss(faiss.index_factory(vectors.dim, name), vectors, k)


def _faiss(empty: Any, vectors: Vectors, k: int) -> Search:
    import faiss

    queries, corpus = vectors.load()
    faiss.omp_set_num_threads(THREADS)
    if not empty.is_trained:
        empty.train(corpus[:PANORAMA_TRAINING])
    empty.add(corpus)

    def search() -> np.ndarray:
        rows: np.ndarray = empty.search(queries, k)[1]
        return rows

    return search


def torch_topk(vectors: Vectors, k: int) -> Search:
    import torch

    torch.set_num_threads(THREADS)
    queries, corpus = (torch.from_numpy(rows) for rows in vectors.load())

    def search() -> np.ndarray:
        rows: np.ndarray = torch.topk(queries @ corpus.T, k, dim=1).indices.numpy()
        return rows

    return search


def semantic_search(vectors: Vectors, k: int) -> Callable[[], Any]:
    import torch
    from sentence_transformers import util

    torch.set_num_threads(THREADS)
    queries, corpus = (torch.from_numpy(rows) for rows in vectors.load())
    return lambda: util.semantic_search(queries, corpus, top_k=k, score_function=util.dot_score)


def numpy_topk(vectors: Vectors, k: int) -> Search:
    queries, corpus = vectors.load()

    def search() -> np.ndarray:
        scores = queries @ corpus.T
        best = np.argpartition(scores, -k, axis=1)[:, -k:]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        return np.take_along_axis(best, order, axis=1)

    return search


class Engine(NamedTuple):
    """How to prepare an engine, and what its process must find in its environment."""

    prepare: Prepare
    environment: Mapping[str, str] = MappingProxyType({})
    tolerance: float = FLOAT32


ENGINES = {
    "faiss": Engine(faiss_flat),
    "faiss-skylakex": Engine(faiss_flat, {"OPENBLAS_CORETYPE": "SkylakeX"}),
    "faiss-panorama": Engine(faiss_panorama),
    "faiss-panorama-pca": Engine(faiss_panorama_pca),
    "torch": Engine(torch_topk),
    "sentence-transformers": Engine(semantic_search),
    "numpy": Engine(numpy_topk),
    "embedsmith": Engine(topk, tolerance=EXACT),
    "embedsmith-index": Engine(index, tolerance=EXACT),
    **{
        name: Engine(topk, {"EMBEDSMITH_ISA": name.removeprefix("embedsmith-")}, EXACT)
        for name in FORCED
    },
}


def rows_of(result: Any) -> np.ndarray:
    """Return the rows that an engine answered with, in an array."""
    if isinstance(result, list):
        return np.array([[hit["corpus_id"] for hit in hits] for hits in result], dtype=np.int64)
    return np.asarray(result)
