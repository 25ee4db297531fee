"""semantic_search: what it takes and refuses, without sentence-transformers."""

from __future__ import annotations

import importlib
import subprocess
import sys
from enum import Enum

import numpy as np
import pytest

import embedsmith as es
from embedsmith.exceptions import DeviceError, MeasureError, NonFiniteError, ShapeError
from embedsmith.integrations.sentence_transformers import semantic_search

RNG = np.random.default_rng(2)
CORPUS = RNG.standard_normal((40, 12)).astype(np.float32)
QUERIES = RNG.standard_normal((5, 12)).astype(np.float32)
EMPTY = es.TopK(np.empty((5, 0), dtype=np.float32), np.empty((5, 0), dtype=np.int64))


def test_hits_are_dicts_of_plain_numbers_best_first() -> None:
    hits = semantic_search(QUERIES, CORPUS, top_k=3)
    expected = es.topk(QUERIES, CORPUS, k=3)
    assert [[hit["corpus_id"] for hit in row] for row in hits] == expected.rows.tolist()
    assert [[hit["score"] for hit in row] for row in hits] == expected.scores.tolist()
    assert {(*map(type, hit.values()),) for row in hits for hit in row} == {(int, float)}


@pytest.mark.parametrize(
    ("score_function", "metric"), [("cosine", "cosine"), ("dot", "dot"), ("euclidean", "l2")]
)
def test_arrays_hold_the_numbers_of_the_dicts(score_function, metric) -> None:
    hits = semantic_search(QUERIES, CORPUS, score_function=score_function, as_arrays=True)
    lists = semantic_search(QUERIES, CORPUS, score_function=score_function)
    assert isinstance(hits, es.TopK)
    assert [[hit["score"] for hit in row] for row in lists] == hits.scores.tolist()
    expected = es.topk(QUERIES, CORPUS, metric=metric)
    np.testing.assert_array_equal(hits.rows, expected.rows)
    assert (np.diff(hits.scores, axis=1) <= 0).all()
    if metric == "l2":
        np.testing.assert_array_equal(hits.exact, -np.sqrt(expected.exact))
    else:
        np.testing.assert_array_equal(hits.exact, expected.exact)


def test_a_score_function_may_be_a_member_of_an_enumeration() -> None:
    class SimilarityFunction(Enum):
        DOT = "dot"

    expected = semantic_search(QUERIES, CORPUS, score_function="dot")
    assert semantic_search(QUERIES, CORPUS, score_function=SimilarityFunction.DOT) == expected


@pytest.mark.parametrize("function", [lambda a, b: a @ b.T, "manhattan", "Cosine", None, 3, []])
def test_a_score_function_that_is_not_computed_here_is_refused(function) -> None:
    with pytest.raises(MeasureError, match="none that this search computes.*'cosine', 'dot'"):
        semantic_search(QUERIES, CORPUS, score_function=function)


def test_one_vector_is_one_query_and_one_document() -> None:
    assert semantic_search(QUERIES[0], CORPUS) == semantic_search(QUERIES[:1], CORPUS)
    assert semantic_search(QUERIES[0].tolist(), CORPUS) == semantic_search(QUERIES[:1], CORPUS)
    assert [row[0]["corpus_id"] for row in semantic_search(QUERIES, CORPUS[0])] == [0] * 5


@pytest.mark.parametrize("convert", [list, tuple, lambda a: a.tolist(), lambda a: a.astype("f8")])
def test_lists_of_vectors_are_matrices(convert) -> None:
    expected = semantic_search(QUERIES, CORPUS)
    assert semantic_search(convert(QUERIES), convert(CORPUS)) == expected


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
def test_tensors_and_lists_of_tensors_are_taken(dtype) -> None:
    torch = pytest.importorskip("torch")
    queries = torch.tensor(QUERIES, dtype=getattr(torch, dtype))
    corpus = torch.tensor(CORPUS, dtype=getattr(torch, dtype))
    expected = semantic_search(queries.float().numpy(), corpus.float().numpy())
    assert semantic_search(queries, corpus) == expected
    assert semantic_search(list(queries), list(corpus.requires_grad_())) == expected
    assert semantic_search(queries[0], corpus) == expected[:1]


def test_queries_go_to_the_device_of_the_corpus(monkeypatch) -> None:
    torch = pytest.importorskip("torch")
    module = importlib.import_module(semantic_search.__module__)
    seen = []

    def record(queries, *_, **__):
        seen.append(queries)
        return EMPTY

    monkeypatch.setattr(module, "topk", record)
    elsewhere = torch.empty(40, 12, device="meta")
    for queries in (QUERIES, torch.tensor(QUERIES)):
        semantic_search(queries, elsewhere)
    assert [queries.device.type for queries in seen] == ["meta", "meta"]


def test_a_tensor_on_a_device_that_is_not_searched_is_refused() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(DeviceError, match="tensor on meta"):
        semantic_search(QUERIES, torch.empty(40, 12, device="meta"))


def test_a_sparse_tensor_is_refused_with_the_fix() -> None:
    torch = pytest.importorskip("torch")
    sparse = torch.tensor(CORPUS).to_sparse()
    for corpus in (sparse, list(sparse)):
        with pytest.raises(ShapeError, match=r"corpus_embeddings.to_dense\(\)"):
            semantic_search(QUERIES, corpus)


def test_an_empty_corpus_has_no_hits_and_no_queries_no_lists() -> None:
    assert semantic_search(QUERIES, CORPUS[:0]) == [[]] * 5
    assert semantic_search(QUERIES, []) == [[]] * 5
    assert semantic_search(QUERIES[:0], CORPUS) == semantic_search([], CORPUS) == []
    assert semantic_search(QUERIES, [], as_arrays=True).rows.shape == (5, 0)


def test_more_hits_than_documents_are_all_documents() -> None:
    assert [len(row) for row in semantic_search(QUERIES, CORPUS[:3], top_k=10)] == [3] * 5


def test_chunk_sizes_are_taken_and_change_nothing() -> None:
    assert semantic_search(QUERIES, CORPUS, 2, 7, 3) == semantic_search(QUERIES, CORPUS, top_k=3)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"top_k": 0}, ShapeError, "top_k=0"),
        ({"query_chunk_size": 0}, ShapeError, "query_chunk_size=0"),
        ({"corpus_chunk_size": -1}, ShapeError, "corpus_chunk_size=-1"),
        ({"corpus_embeddings": CORPUS[:, :5]}, ShapeError, "12 columns but corpus has 5"),
        ({"corpus_embeddings": [[1.0, 2.0], [1.0]]}, ShapeError, "equally long vectors"),
        ({"query_embeddings": CORPUS * np.nan}, NonFiniteError, "queries row 0"),
    ],
)
def test_what_cannot_be_searched_is_named(options, error, match) -> None:
    with pytest.raises(error, match=match):
        semantic_search(**{"query_embeddings": QUERIES, "corpus_embeddings": CORPUS, **options})


def test_tensors_of_several_lengths_are_refused() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(ShapeError, match="query_embeddings is no list of equally long vectors"):
        semantic_search([torch.zeros(3), torch.zeros(4)], CORPUS)


def test_a_search_imports_neither_torch_nor_sentence_transformers() -> None:
    code = """
import sys
import embedsmith as es
assert not any(name.startswith("embedsmith.integrations.") for name in sys.modules)
print(es.integrations.sentence_transformers.semantic_search([[1.0]], [[1.0]]))
print(es.integrations.mteb.ExactSearchIndex.__name__)
print({"torch", "sentence_transformers", "sklearn", "mteb"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "[[{'corpus_id': 0, 'score': 1.0}]]",
        "ExactSearchIndex",
        "set()",
    ]


def test_an_integration_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'faiss'"):
        _ = es.integrations.faiss  # type: ignore[attr-defined, unused-ignore]
    assert set(dir(es.integrations)) == {"mteb", "sentence_transformers", "sklearn"}
