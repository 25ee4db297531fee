"""The search backend: what it takes, checks and refuses, without mteb."""

from __future__ import annotations

import logging
import weakref
from enum import Enum
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.exceptions import DataError, MeasureError, NonFiniteError, ShapeError
from embedsmith.integrations.mteb import ExactSearchIndex

RNG = np.random.default_rng(12)
DOCUMENTS = RNG.standard_normal((50, 16)).astype(np.float32)
QUERIES = RNG.standard_normal((6, 16)).astype(np.float32)
IDS = [f"d{number}" for number in range(50)]


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a @ b.T)


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    norms = (np.linalg.norm(each, axis=1, keepdims=True) for each in (a, b))
    return np.asarray(dot(a, b) / dot(*norms))


def euclidean(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(-np.linalg.norm(a[:, None, :] - b[None, :, :], axis=2))


SIMILARITIES = {"cosine": cosine, "dot": dot, "euclidean": euclidean}


def model(name: object) -> SimpleNamespace:
    return SimpleNamespace(mteb_model_meta=SimpleNamespace(similarity_fn_name=name))


def filled(name: object = "cosine") -> ExactSearchIndex:
    backend = ExactSearchIndex(model(name))
    backend.add_documents(DOCUMENTS, IDS)
    return backend


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("name", SIMILARITIES)
def test_hits_are_those_of_topk_and_scores_are_the_models(name, named) -> None:
    similarity = SIMILARITIES[name]
    scores, places = filled(name if named else None).search(QUERIES, 8, similarity)
    metric: Any = "l2" if name == "euclidean" else name
    assert places == es.topk(QUERIES, DOCUMENTS, k=8, metric=metric).rows.tolist()
    expected = np.take_along_axis(similarity(QUERIES, DOCUMENTS), np.array(places), axis=1)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert {type(value) for row in scores for value in row} == {float}
    assert {type(value) for row in places for value in row} == {int}


def test_the_similarity_may_be_a_member_of_mtebs_enumeration() -> None:
    class ScoringFunction(Enum):
        DOT_PRODUCT = "dot"

    expected = filled("dot").search(QUERIES, 3, dot)
    assert filled(ScoringFunction.DOT_PRODUCT).search(QUERIES, 3, dot) == expected


@pytest.mark.parametrize("name", ["MaxSim", "manhattan", "custom"])
def test_a_similarity_that_is_not_searched_here_is_refused_at_once(name) -> None:
    with pytest.raises(MeasureError, match=f"similarity is '{name}'.*leave index_backend out"):
        ExactSearchIndex(model(name))


@pytest.mark.parametrize("top_ranked", [None, {"q": ["d1"]}])
def test_metadata_that_name_another_similarity_than_the_model_has_are_noticed(top_ranked) -> None:
    ids = dict.fromkeys(range(6), "q")
    with pytest.raises(MeasureError, match="does not compute cosine, as its metadata say"):
        filled("cosine").search(QUERIES, 3, dot, top_ranked, ids)
    with pytest.raises(MeasureError, match="does not compute cosine, dot, euclidean"):
        filled(None).search(QUERIES, 3, lambda a, b: dot(a, b) ** 3, top_ranked, ids)
    with pytest.raises(MeasureError, match="does not compute"):
        filled("dot").search(QUERIES, 3, lambda a, b: dot(a, b).T, top_ranked, ids)


def test_documents_added_in_parts_are_one_corpus() -> None:
    backend = ExactSearchIndex(model("dot"))
    backend.add_documents(DOCUMENTS[:20], IDS[:20])
    early = backend.search(QUERIES, 50, dot)[1]
    assert {len(row) for row in early} == {20}
    backend.add_documents(DOCUMENTS[20:], iter(IDS[20:]))
    assert backend.search(QUERIES, 9, dot) == filled("dot").search(QUERIES, 9, dot)


def test_a_cleared_backend_holds_nothing_and_can_be_filled_again() -> None:
    backend = filled("dot")
    backend.search(QUERIES, 3, dot)
    index = weakref.ref(backend._index)
    backend.clear()
    assert index() is None
    with pytest.raises(DataError, match="call add_documents"):
        backend.search(QUERIES, 3, dot)
    backend.add_documents(DOCUMENTS[:5, :3], IDS[45:])
    assert {len(row) for row in backend.search(QUERIES[:, :3], 9, dot)[1]} == {5}
    ranked = {"q": ["d46", "d49"]}
    (scores,), _ = backend.search(QUERIES[:1, :3], 9, dot, ranked, {0: "q"})
    expected = dot(QUERIES[:1, :3], DOCUMENTS[[1, 4], :3])[0]
    np.testing.assert_allclose(scores, np.sort(expected)[::-1], rtol=1e-5)


def test_a_similarity_that_changes_is_followed_where_the_metadata_name_none() -> None:
    backend = filled(None)
    for name, similarity in SIMILARITIES.items():
        assert backend.search(QUERIES, 5, similarity) == filled(name).search(QUERIES, 5, similarity)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_reranking_orders_the_listed_documents_by_place_in_the_list(name) -> None:
    ranked = {f"q{n}": list(RNG.permutation(IDS)[: 3 + 4 * n]) for n in range(5)}
    ids = {n: f"q{n}" for n in range(5)}
    scores, places = filled(name).search(QUERIES[:5], 8, SIMILARITIES[name], ranked, ids)
    for query, listed in enumerate(ranked.values()):
        rows = [IDS.index(doc_id) for doc_id in listed]
        line = SIMILARITIES[name](QUERIES[query : query + 1], DOCUMENTS[rows])[0]
        assert places[query] == np.argsort(-line, kind="stable")[:8].tolist()
        np.testing.assert_allclose(scores[query], np.sort(line)[::-1][:8], rtol=1e-5)


def test_a_query_without_listed_documents_has_no_hits_and_is_logged(caplog) -> None:
    with caplog.at_level(logging.WARNING):
        scores, places = filled().search(
            QUERIES[:3], 4, cosine, {"a": ["d3"], "b": []}, {0: "a", 1: "b", 2: "c"}
        )
    assert places == [[0], [], []]
    assert [len(row) for row in scores] == [1, 0, 0]
    assert [record.args for record in caplog.records] == [("b",), ("c",)]


def test_reranking_names_what_it_lacks() -> None:
    with pytest.raises(DataError, match="lists 'd99' for query 'a', which is not in the corpus"):
        filled().search(QUERIES[:1], 4, cosine, {"a": ["d3", "d99"]}, {0: "a"})
    with pytest.raises(DataError, match="pass query_idx_to_id"):
        filled().search(QUERIES[:1], 4, cosine, {"a": ["d3"]})


def test_tensors_are_taken_in_any_precision() -> None:
    torch = pytest.importorskip("torch")
    backend = ExactSearchIndex(model("dot"), threads=1)
    backend.add_documents(torch.tensor(DOCUMENTS).bfloat16(), IDS)
    queries = torch.tensor(QUERIES, requires_grad=True)
    places = backend.search(queries, 5, lambda a, b: torch.tensor(dot(a, b)).bfloat16().float())[1]
    rounded = torch.tensor(DOCUMENTS).bfloat16().float().numpy()
    assert places == es.topk(QUERIES, rounded, k=5, metric="dot").rows.tolist()


@pytest.mark.parametrize(
    ("embeddings", "error", "match"),
    [
        (DOCUMENTS[:3], ShapeError, "3 embeddings come with 50 ids"),
        (np.zeros((50, 4, 16)), ShapeError, r"shape \(50, 4, 16\)"),
        (DOCUMENTS.astype(str), ShapeError, "numbers are expected"),
    ],
)
def test_embeddings_that_are_no_matrix_are_named(embeddings, error, match) -> None:
    with pytest.raises(error, match=match):
        ExactSearchIndex(model("dot")).add_documents(embeddings, IDS)


def test_sparse_embeddings_are_refused_with_the_way_out() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(ShapeError, match="sparse tensor.*leave index_backend out"):
        ExactSearchIndex(model("dot")).add_documents(torch.tensor(DOCUMENTS).to_sparse(), IDS)


@pytest.mark.parametrize("row", [0, 7, 30])
def test_nan_in_an_embedding_is_an_error_that_names_the_row(row) -> None:
    broken = np.where(np.arange(50)[:, None] == row, np.nan, DOCUMENTS)
    with pytest.raises(NonFiniteError, match=f"row {row} "):
        ExactSearchIndex(model("dot")).add_documents(broken, IDS)
    with pytest.raises(NonFiniteError, match=f"row {row} "):
        filled().search(broken, 3, lambda a, b: cosine(np.where(np.isnan(a), 1.0, a), b))


def test_a_backend_without_documents_says_so() -> None:
    backend = ExactSearchIndex(model("dot"))
    backend.add_documents(DOCUMENTS[:0], [])
    with pytest.raises(DataError, match="call add_documents"):
        backend.search(QUERIES, 3, dot)
