import logging
import sqlite3
import time
from typing import Any

import numpy as np
import pytest

from embedsmith.backends import Bm25, load_encoder
from embedsmith.backends.fake import FakeEncoder
from embedsmith.datasets import Corpus, Dataset, Qrels, Queries
from embedsmith.evaluation import EvaluationResult, evaluate
from embedsmith.exceptions import DeviceError, MeasureError, ModelError, ShapeError

N = 12
IDS = {kind: tuple(f"{kind}{i}" for i in range(N)) for kind in "dq"}


@pytest.fixture
def data():
    """Return queries of one word each, whose only relevant document holds that word."""
    return Dataset.build(
        "words",
        Corpus(IDS["d"], tuple(f"word{i} common" for i in range(N))),
        Queries(IDS["q"], tuple(f"word{i}" for i in range(N))),
        Qrels({f"q{i}": {f"d{i}": 1} for i in range(N)}),
    )


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBEDSMITH_CACHE", str(tmp_path / "cache"))


class Heard:
    """A listener that remembers."""

    def __init__(self):
        self.open: list[Any] = []
        self.stages: list[tuple[Any, ...]] = []
        self.notes: list[str] = []

    def begin(self, model, stage, total):
        assert not self.open
        self.open = [model, stage, total, 0]

    def advance(self, count):
        self.open[3] += count

    def end(self):
        self.stages.append(tuple(self.open))
        self.open = []

    def note(self, text):
        self.notes.append(text)


def test_a_perfect_model_measures_one_on_every_query(data):
    result = evaluate("bm25", data, latency_queries=0)
    (model,) = result.models
    assert model.table.mean == {"nDCG@10": 1.0, "R@10": 1.0, "RR@10": 1.0}
    assert model.run["q3"].keys() == {"d3"}
    assert result.comparison is None


def test_every_stage_is_heard_to_its_end(data):
    heard = Heard()
    evaluate(["fake:8", "bm25"], data, latency_queries=5, progress=heard)
    assert heard.stages == [
        ("fake:8", "embedding documents", N, N),
        ("fake:8", "embedding queries", N, N),
        ("fake:8", "searching", N, N),
        ("fake:8", "timing single queries", 5, 5),
        ("bm25", "indexing documents", N, N),
        ("bm25", "searching", N, N),
        ("bm25", "timing single queries", 5, 5),
    ]
    assert heard.notes[0] == f"fake:8: embedded {2 * N} texts, 0 from cache"


def test_what_is_cut_is_counted_and_told(data):
    heard = Heard()
    result = evaluate("fake:8", data, max_tokens=1, latency_queries=0, progress=heard)
    cut = result.models[0].truncation
    assert (cut.max_tokens, cut.documents, cut.queries) == (1, N, 0)
    assert cut.share == 0.5
    assert heard.notes[0].endswith(f"cut at 1 tokens: {N} documents, 0 queries")


def test_models_of_the_caller_stay_open_and_may_be_named(data):
    mine = Bm25()
    encoder = load_encoder("fake:16")
    result = evaluate({"lexical": mine, "dense": encoder}, data, latency_queries=0)
    assert [model.name for model in result.models] == ["lexical", "dense"]
    assert result.model("dense").dim == 16
    mine.build(["still here"])
    assert encoder.encode(["word1"], role="query").n_cached == 1


def test_a_model_is_released_before_the_next_one_is_read(data, monkeypatch):
    events = []
    for kind in (FakeEncoder,):
        monkeypatch.setattr(kind, "close", lambda self: events.append(("close", self.spec)))
        batch = kind.encode_batch

        def noted(self, texts, role, batch=batch):
            if ("read", self.spec) not in events:
                events.append(("read", self.spec))
            return batch(self, texts, role)

        monkeypatch.setattr(kind, "encode_batch", noted)
    evaluate(["fake:8", "fake:16"], data, latency_queries=0)
    first = events.index(("close", "fake:8"))
    assert events.index(("read", "fake:8")) < first < events.index(("read", "fake:16"))


def test_the_last_model_is_checked_before_the_first_one_runs(data):
    heard = Heard()
    with pytest.raises(ModelError, match="no-such-model"):
        evaluate(["fake:8", "st:./no-such-model"], data, progress=heard)
    assert heard.stages == []


def test_a_baseline_is_what_the_others_are_compared_with(data):
    result = evaluate(["fake:8", "bm25"], data, latency_queries=0)
    assert result.comparison is not None
    assert {(pair.a, pair.b) for pair in result.comparison.pairs} == {("bm25", "fake:8")}


def test_the_same_space_under_two_names_is_warned_about(data, caplog):
    with caplog.at_level(logging.WARNING, logger="embedsmith"):
        evaluate({"a": load_encoder("fake:8"), "b": load_encoder("fake:8")}, data)
    assert "a and b are the same model" in caplog.text


def test_distances_rank_the_nearest_first(data):
    encoder = FakeEncoder(64)
    cosine = evaluate(encoder, data, latency_queries=0).models[0]
    encoder.metric = "l2"
    distance = evaluate(encoder, data, latency_queries=0).models[0]
    assert max(max(docs.values()) for docs in distance.run.values()) <= 0
    assert distance.table.mean["R@10"] == cosine.table.mean["R@10"]
    assert [list(distance.run[q]) for q in data.queries.ids] == [
        list(cosine.run[q]) for q in data.queries.ids
    ]


def test_queries_that_find_nothing_are_counted_and_score_nothing(data):
    lost = Dataset.build(
        "lost",
        data.corpus,
        Queries(data.queries.ids, ("unheard", *data.queries.texts[1:])),
        data.qrels,
    )
    (model,) = evaluate("bm25", lost, latency_queries=0).models
    assert model.n_empty == 1
    assert model.table.n_queries == N
    assert model.table.per_query["R@10"][0] == 0
    assert model.table.mean["R@10"] == pytest.approx((N - 1) / N)


@pytest.mark.parametrize(
    ("measures", "depth", "kept"),
    [
        ("ndcg@10", None, 100),
        ("ndcg@10,recall@200", None, 200),
        ("ap", None, 1000),
        ("rr", None, 1000),
        ("recall@5", 50, 50),
    ],
)
def test_depth_is_what_the_measures_look_at(data, measures, depth, kept):
    result = evaluate("bm25", data, measures=measures, depth=depth, latency_queries=0)
    assert result.settings.depth == kept


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"measures": "ndgc@10"}, MeasureError, "nDCG@10"),
        ({"depth": 9}, ShapeError, "Raise it to 10"),
        ({"measures": "p@50", "depth": 20}, ShapeError, "Raise it to 50"),
        ({"latency_queries": -1}, ShapeError, "use 0"),
        ({"keep_above": 0.5}, MeasureError, "contradict"),
        ({"confidence": 1.5}, MeasureError, "0.95"),
        ({"device": "cuda"}, DeviceError, "cpu"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_runs(data, arguments, error, said):
    heard = Heard()
    with pytest.raises(error, match=said):
        evaluate("fake:8", data, progress=heard, **arguments)
    assert heard.stages == []


def test_threads_and_cache_change_no_number(data, tmp_path):
    def numbers(**arguments):
        content = evaluate(["fake:32", "bm25"], data, latency_queries=0, **arguments).to_dict()
        del content["timing"]
        return content

    first = numbers(cache=False, threads=1)
    assert numbers(cache=tmp_path / "c", threads=2) == first
    assert numbers(cache=tmp_path / "c", threads=1) == first


def test_a_seed_changes_intervals_and_nothing_else():
    tables = [
        evaluate("bm25", "sample:bank", seed=seed, latency_queries=0).models[0].table
        for seed in (0, 1)
    ]
    assert tables[0].mean == tables[1].mean
    assert tables[0].ci != tables[1].ci


def test_the_verdict_is_on_recall_at_10_whatever_is_measured(data):
    (model,) = evaluate("fake:32", data, measures="p@1", latency_queries=0).models
    assert model.verdict is not None
    assert model.verdict.measure == "R@10"
    assert model.statement.startswith("fake:32 (fingerprint ")
    assert "on words, split test: " in model.statement
    assert model.table.measures == ("P@1",)


def test_a_speed_measured_on_more_texts_is_not_replaced_by_a_resumed_run(data, tmp_path):
    cache = tmp_path / "c"
    evaluate("fake:8", data, cache=cache)
    (file,) = cache.glob("*.sqlite3")
    with sqlite3.connect(file) as database:
        kept = database.execute("SELECT * FROM measurements").fetchall()
        database.execute("DELETE FROM vectors WHERE key IN (SELECT key FROM vectors LIMIT 3)")
    database.close()
    timing = evaluate("fake:8", data, cache=cache).models[0].timing
    assert timing.n_embedded == 3
    assert not timing.earlier
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT * FROM measurements").fetchall() == kept
    database.close()


def test_throughput_counts_neither_loading_nor_the_cache(data, monkeypatch):
    slow = FakeEncoder.encode_batch
    first: list[bool] = []

    def loading(self, texts, role):
        if not first:
            first.append(True)
            time.sleep(0.5)
        return slow(self, texts, role)

    monkeypatch.setattr(FakeEncoder, "encode_batch", loading)
    timing = evaluate("fake:8", data, latency_queries=0).models[0].timing
    assert timing.load_s >= 0.5
    assert timing.throughput is not None
    assert timing.throughput.n_texts == 2 * N
    assert timing.throughput.seconds < 0.4


def test_save_and_load_keep_every_value(data, tmp_path):
    result = evaluate(["fake:8", "bm25"], data)
    path = result.save(tmp_path / "out")
    for place in (path, path.parent):
        again = EvaluationResult.load(place)
        assert again.to_dict() == result.to_dict()
        assert again.verdict == result.verdict
    np.testing.assert_array_equal(
        again.models[0].table.per_query["R@10"], result.models[0].table.per_query["R@10"]
    )


def test_model_names_are_looked_up_with_a_hint(data):
    result = evaluate("bm25", data, latency_queries=0)
    with pytest.raises(KeyError, match=r"no model 'bm26'\. Ask for one of 'bm25'"):
        result.model("bm26")
