import time

import pytest

from embedsmith.evaluation._timing import Latency, ModelTiming, Throughput, measure_latency


def test_latency_times_each_query_alone_after_a_warm_up():
    asked: list[str] = []
    steps: list[int] = []
    latency = measure_latency(
        asked.append, [f"q{i}" for i in range(10)], limit=4, advance=steps.append
    )
    assert latency is not None
    assert latency.n_queries == 4
    assert asked[-4:] == ["q0", "q3", "q6", "q9"]
    assert len(asked) == 3 + 4
    assert steps == [1] * 4


def test_latency_percentiles_are_seconds():
    latency = measure_latency(
        lambda _: time.sleep(0.01), ["a", "b", "c"], limit=100, advance=lambda _: None
    )
    assert latency is not None
    assert latency.n_queries == 3
    assert 0.01 <= latency.p50_s <= latency.p95_s < 1


def test_latency_can_be_left_out():
    assert measure_latency(pytest.fail, ["a"], limit=0, advance=lambda _: None) is None


def test_timing_survives_the_trip_through_json():
    timing = ModelTiming(
        n_embedded=3,
        n_cached=4,
        load_s=0.5,
        search_s=0.25,
        throughput=Throughput(3, 1.5),
        latency=Latency(0.01, 0.02, 100),
        peak_memory_bytes=10,
        earlier={"latency": "2026-01-01"},
    )
    assert timing.throughput is not None
    assert timing.throughput.texts_per_s == 2
    assert ModelTiming.from_dict(timing.to_dict()) == timing
