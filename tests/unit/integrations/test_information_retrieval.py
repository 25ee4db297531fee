"""The evaluator: what it refuses, and with which words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.exceptions import DataError, NonFiniteError, ShapeError

torch = pytest.importorskip("torch", reason="needs the extra 'st'")
pytest.importorskip("sentence_transformers", reason="needs the extra 'st'")

DATA: dict[str, Any] = {
    "queries": {"q1": "0", "q2": "1"},
    "corpus": {"d1": "0", "d2": "1", "d3": "2"},
    "relevant_docs": {"q1": {"d1"}, "q2": {"d3"}},
}
QUERIES = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
DOCUMENTS = torch.tensor([[1.0, 0.1], [0.5, 0.5], [0.1, 1.0]])
MODEL = SimpleNamespace(model_card_data=SimpleNamespace(set_evaluation_metrics=lambda *_: None))


def dot(a: Any, b: Any) -> Any:
    return a @ b.T + 0.0


def evaluator(queries: Any = QUERIES, documents: Any = DOCUMENTS, **changes: Any) -> Any:
    class Given(es.integrations.sentence_transformers.InformationRetrievalEvaluator):
        def embed_inputs(self, _: Any, texts: Any, encode_fn_name: Any = None, **__: Any) -> Any:
            return queries if encode_fn_name == "query" else documents[[int(t) for t in texts]]

    return Given(**{**DATA, "score_functions": {"dot": dot}, **changes})


def test_small_numbers_that_can_be_checked_by_hand() -> None:
    # q1 finds d1, d2, d3; q2 finds d3, d2, d1; both want their first, and q2 wants d1 as well.
    found = evaluator(relevant_docs={"q1": {"d1"}, "q2": {"d3", "d1"}})(MODEL)
    assert found["dot_accuracy@1"] == found["dot_mrr@10"] == 1.0
    assert found["dot_recall@1"] == pytest.approx((1 + 1 / 2) / 2)
    assert found["dot_precision@3"] == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert found["dot_map@100"] == pytest.approx((1 + (1 + 2 / 3) / 2) / 2)
    ideal = 1 + 1 / np.log2(3)
    assert found["dot_ndcg@10"] == pytest.approx((1 + (1 + 1 / 2) / ideal) / 2)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"corpus": {}}, DataError, "corpus is empty; pass at least one"),
        ({"relevant_docs": {"x": {"d1"}}}, DataError, r"queries \('q1', 'q2'\).*names 'x'"),
        ({"relevant_docs": {"q1": set()}}, DataError, "Pass the ids of relevant documents"),
        ({"corpus": {"a": "0", 1: "1"}}, DataError, "make them all strings, or all numbers"),
        ({"mrr_at_k": [10, 0]}, ShapeError, r"mrr_at_k\[1\]=0 is too small"),
        ({"map_at_k": [1.5]}, ShapeError, r"map_at_k\[0\]=1.5 is no integer"),
        ({"ndcg_at_k": []}, ShapeError, r"pass ndcg_at_k=\[10\]"),
        ({"corpus_chunk_size": 0}, ShapeError, "corpus_chunk_size=0 is too small"),
        ({"batch_size": -1}, ShapeError, "batch_size=-1 is too small"),
    ],
)
def test_data_without_an_answer_is_refused_at_once(changes, error, words) -> None:
    with pytest.raises(error, match=words):
        evaluator(**changes)


@pytest.mark.parametrize("functions", [None, {"dot": dot}])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_broken_embeddings_are_an_error_and_no_measure(functions, number) -> None:
    from sentence_transformers import util

    functions = functions or {"dot": util.dot_score}
    broken = DOCUMENTS.clone()
    broken[2, 0] = number
    with pytest.raises(NonFiniteError):
        evaluator(documents=broken, score_functions=functions)(MODEL)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda a, b: (a @ b.T).T, r"returned torch.Size\(\[3, 2\]\).*shape \(2, 3\) is expected"),
        (lambda *_: 1.0, "returned float for 2 queries and 3 documents"),
    ],
)
def test_a_function_that_returns_no_matrix_of_scores_is_refused(function, words) -> None:
    with pytest.raises(ShapeError, match=words):
        evaluator(score_functions={"odd": function})(MODEL)


def test_given_embeddings_of_another_corpus_are_refused() -> None:
    with pytest.raises(ShapeError, match="2 rows and the corpus 3 documents"):
        evaluator().compute_all_metrics(MODEL, corpus_embeddings=DOCUMENTS[:2])


def test_sparse_embeddings_are_refused_with_the_way_out() -> None:
    with pytest.raises(ShapeError, match=r"query embeddings is a sparse tensor.*to_dense\(\)"):
        evaluator(queries=QUERIES.to_sparse())(MODEL)


def test_cutoffs_beyond_the_corpus_count_what_there_is() -> None:
    found = evaluator(accuracy_at_k=[], precision_recall_at_k=[50], map_at_k=[])(MODEL)
    assert found["dot_recall@50"] == 1.0
    assert found["dot_precision@50"] == 1 / 50
    assert not any("accuracy" in key or "map" in key for key in found)


def test_no_more_is_held_than_a_chunk(monkeypatch) -> None:
    from sentence_transformers import util

    asked = []
    one = evaluator(corpus_chunk_size=2, score_functions={"dot": util.dot_score})
    embed = one.embed_inputs

    def watched(model: Any, texts: Any, **how: Any) -> Any:
        asked.append(len(texts))
        return embed(model, texts, **how)

    monkeypatch.setattr(one, "embed_inputs", watched)
    one(MODEL)
    assert asked == [2, 2, 1]
