"""Mining hard negatives with embeddings given, beside sentence-transformers' own function.

Each query has one positive among its ten best passages, as training pairs have. All keep negatives
at least 5 % below the positive's score. ``embedsmith`` is the default, which besides drops
near-duplicates of the positive and goes on until every query has its negatives;
``embedsmith-st-pool`` looks at the passages that sentence-transformers looks at, and gives its
rows. The peers get a model that looks its vectors up, so that no time is spent on embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benches.engines import THREADS
from benches.vectors import Vectors, scaled

if TYPE_CHECKING:
    from collections.abc import Callable

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


def positives_of(queries: np.ndarray, corpus: np.ndarray) -> np.ndarray:
    """Return one passage for each query: some are easy to find, some are not."""
    import embedsmith as es

    rows = es.topk(queries, corpus, k=10, threads=THREADS).rows
    own: np.ndarray = rows[np.arange(len(rows)), np.arange(len(rows)) % rows.shape[1]]
    return own


def ours(vectors: Vectors, pool: Any) -> Mined:
    import embedsmith as es

    queries, corpus = vectors.load()
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
