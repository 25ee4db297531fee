"""Documents that are found by their passages."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from embedsmith.backends.fake import FakeEncoder
from embedsmith.datasets import Corpus, Dataset, Qrels, Queries
from embedsmith.evaluation import EvaluationResult, evaluate
from embedsmith.evaluation._passages import Passages, best_documents
from embedsmith.exceptions import DataError
from embedsmith.metrics import evaluate_run
from embedsmith.search import Index, TopK, topk

OFF: dict[str, Any] = {"latency_queries": 0, "cache": False}
SIZES = (1, 40, 3, 7, 1, 25, 2, 2, 1, 18)


@pytest.fixture
def vectors():
    generator = np.random.default_rng(5)
    rows = np.repeat(np.arange(len(SIZES)), SIZES)
    # The passages of a document are alike, so that a few documents fill every list.
    documents = generator.normal(size=(len(SIZES), 8))[rows] + generator.normal(
        scale=0.3, size=(len(rows), 8)
    )
    return rows, documents.astype(np.float32), generator.normal(size=(30, 8)).astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("depth", [1, 3, 5, 10, 99])
def test_every_query_has_as_many_documents_as_were_asked_for(vectors, depth, metric):
    rows, documents, queries = vectors
    passages = Passages(tuple(f"d{i}" for i in range(len(SIZES))), rows.astype(np.int64))
    index = Index(documents, metric=metric)
    asked = []

    def search(k, places=None):
        asked.append((k, None if places is None else len(places)))
        return index.search(queries if places is None else queries[places], k)

    hits = best_documents(search, passages, depth, len(queries))
    every = topk(queries, documents, k=len(documents), metric=metric)
    for query in range(len(queries)):
        seen: dict[int, tuple[int, float]] = {}
        for row, score in zip(every.rows[query], every.exact[query], strict=True):
            seen.setdefault(int(rows[row]), (int(row), float(score)))
        expected = list(seen.values())[:depth]
        assert list(zip(hits.rows[query], hits.exact[query], strict=True)) == expected
    # Only the queries that were short are searched again, each time deeper.
    ks, counts = zip(*asked, strict=True)
    assert list(ks) == [
        min(sum(SIZES), 10 * min(depth, len(SIZES)) * 2**step) for step in range(len(ks))
    ]
    assert counts[0] is None
    assert all(0 < count < len(queries) for count in counts[1:])
    if (depth, metric) == (3, "cosine"):
        assert len(asked) > 1


def test_a_search_that_finds_nothing_more_is_not_repeated():
    passages = Passages(("a", "b"), np.array([0, 0, 0, 1], dtype=np.int64))
    asked = []

    def search(k, _=None):
        asked.append(k)
        rows = np.full((1, k), -1, dtype=np.int64)
        rows[0, 0] = 2
        scores = np.where(rows >= 0, 1, -np.inf).astype(np.float32)
        return TopK(scores, rows)

    hits = best_documents(search, passages, 2, 1)
    assert hits.rows.tolist() == [[2, -1]]
    assert len(asked) == 1


@pytest.fixture
def data():
    """Return six documents of three passages each; document d0 has the words of all queries."""
    ids = tuple(f"d{doc}#{part}" for doc in range(6) for part in range(3))
    texts = tuple(
        f"word{doc} part{part}" if doc else "word1 word2 word3 word4 word5"
        for doc in range(6)
        for part in range(3)
    )
    queries = Queries(tuple(f"q{i}" for i in range(1, 6)), tuple(f"word{i}" for i in range(1, 6)))
    judged = {f"q{i}": {f"d{i}#1": 2} for i in range(1, 6)}
    return Dataset.build("passages", Corpus(ids, texts), queries, Qrels(judged))


@pytest.mark.parametrize("model", ["bm25", "fake:64"])
def test_measures_are_of_documents_by_their_best_passages(data, model):
    whole = evaluate(model, data, measures="r@2,ndcg@10,rr", **OFF).models[0]
    result = evaluate(model, data, measures="r@2,ndcg@10,rr", collapse="#", **OFF)
    collapsed = result.models[0]
    assert whole.run is not None
    assert collapsed.run is not None
    best: dict[str, dict[str, float]] = {}
    for query, scores in whole.run.items():
        of_query = best.setdefault(query, {})
        for passage, score in scores.items():
            doc = passage.split("#")[0]
            of_query[doc] = max(score, of_query.get(doc, score))
    assert collapsed.run == best
    qrels = {f"q{i}": {f"d{i}": 2} for i in range(1, 6)}
    assert collapsed.table.mean == evaluate_run(qrels, best, "r@2,ndcg@10,rr").mean
    assert (result.data.n_documents, result.data.n_passages) == (6, 18)
    assert result.settings.collapse == "#"
    assert dict(result.qrels or {}) == qrels
    assert collapsed.curve is not None
    assert collapsed.curve.ks[-1] == 6


def test_the_gallery_shows_the_passage_that_was_found(data):
    texts = list(data.corpus.texts)
    texts[4] = "word1 word1 word1 nothing else"
    changed = Dataset.build(
        "passages", Corpus(data.corpus.ids, tuple(texts)), data.queries, data.qrels
    )
    worst = evaluate("bm25", changed, collapse="#", worst=5, **OFF).models[0].worst
    (query,) = [query for query in worst if query.query_id == "q1"]
    assert query.expected[0].doc_id == "d1"
    assert query.expected[0].excerpt == "word1 word1 word1 nothing else"
    assert query.expected[0].rank is not None


def test_smaller_vectors_are_collapsed_too(data, caplog):
    arguments: dict[str, Any] = {"measures": "r@2,rr@3", "collapse": "#", **OFF}
    with caplog.at_level(logging.WARNING, logger="embedsmith"):
        (model,) = evaluate(
            "fake:64", data, precisions=["int8", "binary+f32"], rescore_depth=18, **arguments
        ).models
    assert not caplog.records
    assert model.variants[1].mean == model.table.mean
    with caplog.at_level(logging.WARNING, logger="embedsmith"):
        evaluate("fake:64", data, precisions="binary+f32", rescore_depth=3, **arguments)
    assert "are of fewer than 3 documents. Raise rescore_depth" in caplog.text


def test_distances_are_collapsed_by_the_nearest_passage(data):
    encoder = FakeEncoder(64)
    near = evaluate(encoder, data, collapse="#", **OFF).models[0]
    encoder.metric = "l2"
    far = evaluate(encoder, data, collapse="#", **OFF).models[0]
    assert near.run is not None
    assert far.run is not None
    assert {len(scores) for scores in far.run.values()} == {6}
    assert far.table.mean["R@10"] == near.table.mean["R@10"] == 1.0


def test_a_collapsed_result_is_saved_and_read_again(data, tmp_path):
    result = evaluate("bm25", data, collapse="#", **OFF)
    again = EvaluationResult.load(result.save(tmp_path / "out"))
    assert again.to_dict() == result.to_dict()
    assert " --collapse #" in " ".join(again.settings.command())


@pytest.mark.parametrize(
    ("collapse", "said"),
    [("::", "before '::'"), ({}, "no document for 18 of 18"), ("field:doc", "load_dataset")],
)
def test_what_collapses_nothing_is_refused_before_anything_runs(data, collapse, said):
    with pytest.raises(DataError, match=said):
        evaluate("st:./no-such-model", data, collapse=collapse)


def test_filings_are_found_by_their_pages(shared_data):
    if not (shared_data / "financebench").is_dir():
        pytest.skip(f"no financebench in {shared_data}")
    result = evaluate(
        "bm25", shared_data / "financebench", collapse="_p", measures="success@1", depth=20, **OFF
    )
    assert result.data.n_passages == 10_202
    assert result.data.n_documents < 400
    (model,) = result.models
    assert model.run is not None
    # Never short: every list has its twenty filings, though one has hundreds of pages.
    assert {len(scores) for scores in model.run.values()} == {20}
    pages = evaluate("bm25", shared_data / "financebench", measures="success@1", **OFF)
    assert model.table.mean["Success@1"] > pages.models[0].table.mean["Success@1"]
