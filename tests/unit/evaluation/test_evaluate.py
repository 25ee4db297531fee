import json
import logging
import sqlite3
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedsmith.backends import Bm25, EmbeddingCache, load_encoder
from embedsmith.backends.fake import FakeEncoder
from embedsmith.datasets import Corpus, Dataset, Qrels, Queries, load_dataset
from embedsmith.evaluation import EncoderSettings, EvaluationResult, evaluate
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
    assert model.run is not None
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
        # Batches of 1, 8 and 32; all texts are short.
        ("fake:8", "timing batches", 3, 3),
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
    assert heard.notes[0].endswith(f"cut at 1 token: {N} documents, 0 queries")


@pytest.mark.parametrize("cached", [False, True])
def test_the_tokens_that_nobody_looked_at_are_counted(cached):
    # Words: 5 + 3 + 1 in the documents, 4 in the query; two are looked at: 3 + 1 + 0 and 2 are cut.
    data = Dataset.build(
        "lengths",
        Corpus(("d0", "d1", "d2"), ("a b c d e", "a b c", "a")),
        Queries(("q0",), ("a b c d",)),
        Qrels({"q0": {"d0": 1}}),
    )
    for _ in range(1 + cached):
        result = evaluate("fake:8", data, max_tokens=2, latency_queries=0, cache=cached)
    cut = result.models[0].truncation
    assert (cut.tokens_documents, cut.tokens_cut_documents) == (9, 4)
    assert (cut.tokens_queries, cut.tokens_cut_queries) == (4, 2)
    assert evaluate("bm25", data).models[0].truncation.tokens_documents is None


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


def test_the_same_space_under_two_names_is_warned_about_before_any_work(data, caplog):
    class Watch(Heard):
        def begin(self, model, stage, total):
            assert "a and b are the same model" in caplog.text
            super().begin(model, stage, total)

    with caplog.at_level(logging.WARNING, logger="embedsmith"):
        heard = Watch()
        models = {"a": load_encoder("fake:8"), "b": load_encoder("fake:8")}
        evaluate(models, data, latency_queries=0, progress=heard)
    assert heard.stages
    assert caplog.text.count("are the same model") == 1


def test_distances_rank_the_nearest_first(data):
    encoder = FakeEncoder(64)
    cosine = evaluate(encoder, data, latency_queries=0).models[0]
    encoder.metric = "l2"
    distance = evaluate(encoder, data, latency_queries=0).models[0]
    assert distance.run is not None
    assert cosine.run is not None
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


def forget(cache, n_texts):
    """Take texts out of the only cache file of a folder, and return what was measured."""
    (file,) = cache.glob("*.sqlite3")
    with sqlite3.connect(file) as database:
        rows = dict(database.execute("SELECT name, value FROM measurements").fetchall())
        database.execute(
            "DELETE FROM vectors WHERE key IN (SELECT key FROM vectors LIMIT ?)", (n_texts,)
        )
    database.close()
    return {name: json.loads(value) for name, value in rows.items()}


def test_a_resumed_run_shows_the_speed_of_the_whole_run_before_it(data, tmp_path):
    cache = tmp_path / "c"
    whole = evaluate("fake:8", data, cache=cache).models[0].timing
    (before,) = forget(cache, 3).values()
    timing = evaluate("fake:8", data, cache=cache).models[0].timing
    assert (timing.n_embedded, timing.n_cached) == (3, 2 * N - 3)
    assert timing.throughput == whole.throughput
    # The model was loaded for the three texts, so it could be asked for its latency.
    assert set(timing.earlier) == {"throughput", "peak_memory_bytes"}
    (after,) = forget(cache, 0).values()
    assert after["throughput"] == before["throughput"]


def test_a_resumed_run_without_a_whole_one_before_it_shows_no_speed(data, tmp_path):
    cache = tmp_path / "c"
    first = Dataset.build(
        "first",
        data.corpus,
        Queries(data.queries.ids[:3], data.queries.texts[:3]),
        Qrels({query: data.qrels[query] for query in data.queries.ids[:3]}),
    )
    evaluate("fake:8", first, cache=cache)
    timing = evaluate("fake:8", data, cache=cache).models[0].timing
    assert timing.n_embedded == N - 3
    assert timing.throughput is None
    assert timing.latency is not None
    assert not timing.earlier


def test_a_speed_counts_each_text_once_with_and_without_a_cache(data, tmp_path):
    repeated = Dataset.build(
        "repeated",
        Corpus(IDS["d"], ("one", "two", "three") * 4),
        Queries(IDS["q"], ("one", "two") * 6),
        data.qrels,
    )
    for cache in (False, tmp_path / "c"):
        timing = evaluate("fake:8", repeated, cache=cache, latency_queries=0).models[0].timing
        assert timing.throughput is not None
        assert timing.throughput.n_texts == 3 + 2
        assert timing.n_embedded == 2 * N


def test_what_a_later_run_measures_is_remembered_beside_the_rest(data, tmp_path, monkeypatch):
    cache = tmp_path / "c"
    first = evaluate("fake:8", data, cache=cache, latency_queries=0).models[0].timing
    assert first.latency is None
    second = evaluate("fake:8", data, cache=cache).models[0].timing
    assert set(second.earlier) == {"throughput", "peak_memory_bytes"}
    # The first query that was timed alone made the model ready.
    assert second.load_s > 0
    monkeypatch.setattr(FakeEncoder, "encode_batch", pytest.fail)
    third = evaluate("fake:8", data, cache=cache).models[0].timing
    assert third.latency == second.latency
    assert third.throughput == first.throughput
    known = {"throughput", "peak_memory_bytes", "latency", "latency_buckets"}
    assert set(third.earlier) == known
    assert third.load_s == 0


def test_latency_is_measured_past_the_cache(data, tmp_path, monkeypatch):
    evaluate("fake:8", data, cache=tmp_path / "c", latency_queries=0)
    asked: list[tuple[str, ...]] = []
    batch = FakeEncoder.encode_batch

    def noted(self, texts, role):
        asked.append((*texts, role))
        return batch(self, texts, role)

    monkeypatch.setattr(FakeEncoder, "encode_batch", noted)
    evaluate("fake:8", data, cache=tmp_path / "c", latency_queries=4, latency_seconds=0)
    assert [texts for texts in asked if "warm-up" not in texts] == [
        *((f"word{i}", "query") for i in (0, 3, 7)),
        *((f"word{i}", "query") for i in (0, 3, 7, 11)),
    ]


def test_an_open_encoder_keeps_its_own_settings(data, monkeypatch):
    sizes = set()
    batch = FakeEncoder.encode_batch

    def noted(self, texts, role):
        sizes.add(len(texts))
        return batch(self, texts, role)

    monkeypatch.setattr(FakeEncoder, "encode_batch", noted)
    monkeypatch.setattr(FakeEncoder, "device", "cuda:1", raising=False)
    mine = FakeEncoder(16, batch_size=4, max_tokens=9, query_prompt="ask: ")
    result = evaluate([mine, "bm25"], data, device="cpu", batch_size=7, latency_queries=0)
    assert sizes == {1, 4}
    ran = EncoderSettings("cuda:1", 4, 9, "ask: ", "", {"device": "cpu", "batch_size": 4})
    assert result.model("fake:16").encoder == ran
    assert result.model("bm25").encoder is None
    settings = result.settings
    assert (settings.device, settings.batch_size, settings.max_tokens) == (None, None, None)
    by_spec = evaluate("fake:8", data, batch_size=7, latency_queries=0)
    assert by_spec.models[0].encoder is not None
    assert by_spec.settings.batch_size == by_spec.models[0].encoder.batch_size == 7


def test_a_speed_is_remembered_for_the_device_it_was_measured_on(data, tmp_path, monkeypatch):
    def throughput(device):
        monkeypatch.setattr(FakeEncoder, "device", device, raising=False)
        encoder = load_encoder("fake:8", cache=tmp_path / "c")
        return evaluate(encoder, data, latency_queries=0).models[0].timing.throughput

    measured = throughput("cuda:0")
    assert measured is not None
    assert throughput("cpu") is None
    assert throughput("cuda:0") == measured


@pytest.mark.parametrize(
    ("cache", "folder"),
    [
        (None, "cache/embeddings"),
        (True, "cache/embeddings"),
        ("elsewhere", "elsewhere"),
        (EmbeddingCache("elsewhere"), "elsewhere"),
        (False, None),
    ],
)
def test_a_cache_may_be_named_in_each_documented_way(data, tmp_path, monkeypatch, cache, folder):
    monkeypatch.chdir(tmp_path)
    evaluate("fake:8", data, cache=cache, latency_queries=0)
    assert {file.parent for file in tmp_path.rglob("*.sqlite3")} == (
        {tmp_path / folder} if folder else set()
    )


def test_models_may_come_from_any_iterable(data):
    specs = ["fake:8", "bm25"]
    for models in ((spec for spec in specs), tuple(specs), dict.fromkeys(specs).keys()):
        result = evaluate(models, data, latency_queries=0)
        assert [model.spec for model in result.models] == specs


def test_truncate_dim_reaches_the_encoder_and_the_settings(data, monkeypatch):
    seen = {}

    def load(spec, **options):
        seen.update(options)
        return load_encoder(spec, **{**options, "truncate_dim": None})

    monkeypatch.setattr("embedsmith.evaluation._loading.load_encoder", load)
    result = evaluate("fake:8", data, truncate_dim=4, latency_queries=0)
    assert seen["truncate_dim"] == result.settings.truncate_dim == 4


def test_the_data_keep_the_name_they_were_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.jsonl").write_text('{"query": "a b", "positive": "b c"}\n')
    for name in ("sample:bank", "pairs.jsonl", "./pairs.jsonl"):
        for given in (name, load_dataset(name)):
            result = evaluate("bm25", given, latency_queries=0)
            assert result.settings.data == name
            assert str(tmp_path) not in json.dumps(result.to_dict())
    assert evaluate("bm25", Path("pairs.jsonl"), latency_queries=0).settings.data == "pairs.jsonl"


def test_data_that_were_built_are_named_by_their_name(data):
    assert evaluate("bm25", data, latency_queries=0).settings.data == "words"


def test_verdicts_are_kept_by_name_beside_what_they_say(data):
    result = evaluate(["fake:8", "bm25"], data, latency_queries=0)
    assert result.verdicts == {"fake:8": result.models[0].verdict, "bm25": None}
    assert result.verdict.splitlines() == [model.statement for model in result.models]


def test_blank_and_repeated_texts_are_counted(data):
    texts = ("", "  ", "word2 common", "word2 common", *data.corpus.texts[4:])
    odd = Dataset.build(
        "odd",
        Corpus(data.corpus.ids, texts),
        Queries(data.queries.ids, (" ", *data.queries.texts[1:])),
        data.qrels,
    )
    result = evaluate("fake:8", odd, latency_queries=0)
    summary = result.to_dict()["data"]
    counts = {name: count for name, count in summary.items() if "blank" in name or "rep" in name}
    assert counts == {"n_blank_documents": 2, "n_blank_queries": 1, "n_repeated_documents": 1}


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


@pytest.mark.parametrize("encoders", ["BM25", ["Bm25"], {"bm25": "BM25"}])
def test_bm25_is_known_in_any_case(data, encoders):
    result = evaluate(encoders, data, latency_queries=0)
    assert (result.models[0].name, result.models[0].spec) == ("bm25", "bm25")


def test_bm25_in_two_cases_is_one_model_given_twice(data):
    with pytest.raises(ModelError, match="given 2 times"):
        evaluate(["BM25", "bm25"], data)


def test_a_result_prints_as_its_models_with_their_means(data):
    result = evaluate("bm25", data, measures="r@10,rr", latency_queries=0)
    assert repr(result) == (
        "EvaluationResult(words, split test, 12 queries: ModelResult(bm25: R@10 1.0000, RR 1.0000))"
    )
