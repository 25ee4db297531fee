"""Reranking: own candidates, files of them, ties, and what is refused."""

from __future__ import annotations

import json

import pytest

import embedsmith as es
from embedsmith.backends.fake import FakeEncoder
from embedsmith.datasets import Corpus, Dataset, Qrels, Queries, RerankingSet
from embedsmith.exceptions import DataError, MeasureError

DATA = Dataset.build(
    "animals",
    Corpus(
        ("d1", "d2", "d3", "d4", "d5"),
        ("red fox", "blue whale", "red panda fox", "blue whale", "nothing"),
    ),
    Queries(("q1", "q2"), ("red fox", "blue whale")),
    Qrels({"q1": {"d1": 2, "d5": 1}, "q2": {"d2": 1, "d1": 0}}),
)
CANDIDATES = {"q1": ["d3", "d2", "d1"], "q2": ["d1", "d4", "d2"], "unjudged": ["d5"]}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBEDSMITH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def beir(tmp_path):
    folder = tmp_path / "animals"
    (folder / "qrels").mkdir(parents=True)
    for name, texts in (("corpus", DATA.corpus), ("queries", DATA.queries)):
        rows = zip(texts.ids, texts.texts, strict=True)
        lines = [json.dumps({"_id": i, "text": text}) for i, text in rows]
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    DATA.qrels.write(folder / "qrels" / "test.tsv")
    return folder


def write_run(path):
    path.parent.mkdir(exist_ok=True)
    lines = [
        f"{query} Q0 {document} {rank} {-rank} first"
        for query, documents in CANDIDATES.items()
        for rank, document in enumerate(documents, 1)
        if query != "unjudged"
    ]
    path.write_text("\n".join(lines) + "\n")


def test_candidates_are_ordered_by_similarity_and_nothing_else_is_retrieved(tmp_path):
    result = es.evaluate(
        {"a": FakeEncoder(64), "b": FakeEncoder(4)},
        RerankingSet(DATA, CANDIDATES, name="animals"),
        latency_queries=0,
    )
    assert (result.task, result.qrels) == ("reranking", DATA.qrels)
    model = result.model("a")
    assert model.run is not None
    assert model.depth == 3
    assert {query: set(found) for query, found in model.run.items()} == {
        query: set(CANDIDATES[query]) for query in ("q1", "q2")
    }
    assert max(model.run["q1"], key=model.run["q1"].__getitem__) == "d1"
    # Equal texts tie to the last bit; the larger id comes first, as in trec_eval.
    assert model.run["q2"]["d4"] == model.run["q2"]["d2"]
    assert model.table.per_query["RR@10"].tolist() == [1.0, 0.5]
    # d5 is relevant and no candidate: of two relevant documents one can be found.
    assert model.table.per_query["AP"].tolist() == [0.5, 0.5]
    assert model.details["notes"][1] == (
        "1 of 3 relevant documents are not among the candidates; no order finds them."
    )
    # In the order given, d1 and d2 come third.
    assert model.details["given_order"]["RR@10"] == pytest.approx(1 / 3)
    assert result.data.n_documents == 4
    result.save(tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "a.run",
        "b.run",
        "qrels.txt",
        "result.json",
    ]
    assert es.EvaluationResult.load(tmp_path / "out").to_dict() == result.to_dict()


@pytest.mark.parametrize("metric", ["dot", "l2"])
def test_a_distance_ranks_the_nearest_first(metric):
    encoder = FakeEncoder(512)
    encoder.metric = metric
    model = es.evaluate(encoder, RerankingSet(DATA, CANDIDATES), latency_queries=0).models[0]
    assert model.run is not None
    assert (max(model.run["q1"].values()) <= 0) == (metric == "l2")
    assert model.run["q1"]["d1"] > model.run["q1"]["d2"]


def test_candidates_are_read_from_the_folder_or_a_named_run(beir, tmp_path):
    with pytest.raises(DataError, match=r"lists no candidates: looked for candidates/test.run"):
        es.load_task(beir, "reranking")
    write_run(tmp_path / "first" / "any.run")
    named = es.load_task(beir, "reranking", candidates=tmp_path / "first" / "any.run")
    write_run(beir / "candidates" / "test.run")
    found = es.load_task(beir, "reranking")
    assert found.hash == named.hash
    assert isinstance(found, RerankingSet)
    assert found.candidates["q1"] == ("d3", "d2", "d1")
    assert isinstance(named, RerankingSet)
    result = es.evaluate("fake:8", named, latency_queries=0)
    assert result.settings.command()[-2:] == ["--candidates", str(tmp_path / "first" / "any.run")]


def test_positives_and_negatives_of_a_query_are_its_candidates(tmp_path):
    rows = [
        {"query": "red fox", "positive": "a red fox", "negative": ["a whale", "blue"]},
        {"query": "whale", "positive": ["a whale"], "negative": "a red fox"},
        {"query": "red fox", "positive": ["fox of red"]},
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = es.load_task(tmp_path / "rows.jsonl", "reranking")
    assert isinstance(data, RerankingSet)
    assert sorted(map(len, data.candidates.values())) == [2, 4]
    assert data.n_relevant == 3
    assert not data.ordered
    model = es.evaluate(FakeEncoder(64), data, latency_queries=0).models[0]
    assert model.table.mean["AP"] == 1.0
    assert model.details["given_order"] == {}


@pytest.mark.parametrize(
    ("candidates", "said"),
    [
        ({"q1": ["d1"], "q2": []}, "1 judged query of 'animals' without candidates: 'q2'"),
        ({"q1": ["d1"]}, "without candidates: 'q2'"),
        ({"q1": ["d1"], "q2": ["d9"]}, "candidates of query 'q2' name 'd9'"),
        ({"q1": ["d1", "d1"], "q2": ["d2"]}, "has the candidate 'd1' twice"),
    ],
)
def test_candidates_that_cannot_be_ordered_are_refused(candidates, said):
    with pytest.raises(DataError, match=said):
        RerankingSet(DATA, candidates)


def test_what_is_only_for_reranking_or_retrieval_is_refused(beir, tmp_path):
    with pytest.raises(DataError, match="candidates are for reranking"):
        es.load_task(beir, "retrieval", candidates="x.run")
    with pytest.raises(MeasureError, match="depth asks about retrieval"):
        es.evaluate("fake:8", RerankingSet(DATA, CANDIDATES), depth=10)
    (tmp_path / "rows.jsonl").write_text('{"query": "a", "positive": []}')
    with pytest.raises(DataError, match="has no positive text"):
        es.load_task(tmp_path / "rows.jsonl", "reranking")
