"""``InformationRetrievalEvaluator``: ours and that of sentence-transformers, from the same vectors.

What a trainer waits for at each evaluation, but for the model: embeddings are there, and are handed
out chunk by chunk as a model would return them. Defaults otherwise: cosine, chunks of 50,000,
measures to depth 100. The keys agree where no two scores are within the error of float32.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benches.engines import THREADS
from benches.vectors import Vectors, scaled

if TYPE_CHECKING:
    from collections.abc import Callable

    from benches.conftest import Bench
    from benches.vectors import VectorFiles

N_RELEVANT = 3
SIZES = [(1_000, 100_000), (10_000, 100_000)]
# Documents whose scores float32 cannot tell apart move a key by less than this share of a query.
TOLERANCE = 1e-4
KEYS = 15


def embedsmith(vectors: Vectors) -> Callable[[], Any]:
    from embedsmith.integrations.sentence_transformers import InformationRetrievalEvaluator

    return evaluation(InformationRetrievalEvaluator, vectors)


def sentence_transformers(vectors: Vectors) -> Callable[[], Any]:
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    return evaluation(InformationRetrievalEvaluator, vectors)


def evaluation(kind: Any, vectors: Vectors) -> Callable[[], Any]:
    import torch
    from sentence_transformers import util

    torch.set_num_threads(THREADS)
    parts = dict(zip(("query", "document"), map(torch.from_numpy, vectors.load()), strict=True))

    class Embedded(kind):  # type: ignore[misc]
        def embed_inputs(self, _: Any, texts: Any, encode_fn_name: Any = None, **__: Any) -> Any:
            # A text is the number of its row, and rows are asked for in their order.
            return parts[encode_fn_name][texts[0] : texts[-1] + 1]

    n_docs = len(parts["document"])
    ids = [f"document-{number}" for number in range(n_docs)]
    evaluator = Embedded(
        queries={f"query-{number}": number for number in range(len(parts["query"]))},
        corpus={doc: number for number, doc in enumerate(ids)},
        relevant_docs={
            f"query-{number}": {ids[row] for row in rows}
            for number, rows in enumerate(_relevant(parts, n_docs))
        },
        score_functions={"cosine": util.cos_sim},
    )
    model = SimpleNamespace(model_card_data=SimpleNamespace(set_evaluation_metrics=lambda *_: None))
    return lambda: evaluator(model)


def _relevant(parts: Any, n_docs: int) -> np.ndarray:
    """Return documents per query that are likely to be found: the best of a random few hundred."""
    rng = np.random.default_rng(5)
    few = rng.choice(n_docs, min(n_docs, 500), replace=False)
    scores = parts["query"].numpy() @ parts["document"].numpy()[few].T
    chosen: np.ndarray = few[np.argsort(-scores, axis=1)[:, :N_RELEVANT]]
    return chosen


ENGINES = {"embedsmith": embedsmith, "sentence-transformers": sentence_transformers}
_answers: dict[tuple[int, int], dict[str, dict[str, float]]] = {}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
def test_information_retrieval(
    bench: Bench, engine: str, size: tuple[int, int], vector_files: VectorFiles
) -> None:
    vectors = vector_files("clustered", scaled(size[0]), scaled(size[1]), 384)
    found = bench(
        ENGINES[engine],
        vectors,
        engine=engine,
        baseline="sentence-transformers",
        shape=vectors.shape,
        dtype="float32",
        threads=THREADS,
        k=100,
        data=vectors.data,
        operations=vectors.operations,
    )
    answers = _answers.setdefault(size, {})
    answers[engine] = found
    assert len(found) == KEYS
    for other in answers.values():
        assert found == pytest.approx(other, abs=TOLERANCE)
