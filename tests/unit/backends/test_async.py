"""Encoders beside an event loop: it goes on, bits stay, faults find the call they belong to."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from typing import Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.backends import load_encoder
from embedsmith.backends._sample_texts import sample_texts
from embedsmith.backends.fake import FakeEncoder
from embedsmith.exceptions import DataError, NonFiniteError

TEXTS = sample_texts()


class Watched(FakeEncoder):
    """Counts calls, and runs them when it is let."""

    batch_invariant = True

    def __init__(self):
        super().__init__(8, batch_size=4)
        self.calls: list[list[str]] = []
        self.go = threading.Event()
        self.batches = self.at_once = self.most_at_once = 0

    def encode(self, texts, **options: Any):
        self.calls.append(list(texts))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.go.wait(20)
            return super().encode(texts, **options)
        finally:
            self.at_once -= 1

    def encode_batch(self, texts, role):
        self.batches += 1
        vectors = super().encode_batch(texts, role)
        vectors[[text == "bad" for text in texts]] = np.nan
        return vectors


async def until(condition):
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < 20
        await asyncio.sleep(0.001)


@pytest.mark.model
def test_the_loop_goes_on_while_a_real_model_runs_and_the_bits_are_those_of_encode():
    encoder = load_encoder("native:all-MiniLM-L6-v2", cache=False)
    texts = [f"{text} {n}" for n in range(8) for text in TEXTS]
    expected = encoder.encode(texts, role="document")
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    async def serve():
        ticker = asyncio.create_task(tick())
        start = time.monotonic()
        found = await es.encode_async(encoder, texts, role="document")
        elapsed = time.monotonic() - start
        ticker.cancel()
        return found, elapsed

    found, elapsed = asyncio.run(serve())
    assert found.vectors.tobytes() == expected.vectors.tobytes()
    assert found.n_tokens.tolist() == expected.n_tokens.tolist()
    # A loop that is held up ticks once or never.
    assert ticks >= max(3.0, elapsed / 0.005 / 10)


@pytest.mark.model
def test_queries_that_come_together_have_the_bits_of_each_alone():
    encoder = load_encoder("native:all-MiniLM-L6-v2", cache=False)
    queries = TEXTS[:40]

    async def serve():
        return await asyncio.gather(
            *(es.encode_async(encoder, [query], role="query") for query in queries)
        )

    for query, found in zip(queries, asyncio.run(serve()), strict=True):
        alone = encoder.encode([query], role="query")
        assert found.vectors.tobytes() == alone.vectors.tobytes()
        assert found.truncated.tolist() == alone.truncated.tolist()


def test_calls_run_one_at_a_time_and_small_ones_of_a_role_are_joined():
    encoder = Watched()
    wanted: Any = [
        (["first"], "query"),
        (["a", "b"], "query"),
        (["c"], "query"),
        (["a document"], "document"),
        (["d"] * 40, "query"),
        (["e"], "query"),
    ]

    async def serve():
        asked = [
            asyncio.create_task(es.encode_async(encoder, texts, role=role))
            for texts, role in wanted
        ]
        await until(lambda: len(encoder.calls) == 1)
        await asyncio.sleep(0.02)
        encoder.go.set()
        return await asyncio.gather(*asked)

    found = asyncio.run(serve())
    assert encoder.calls == [["first"], ["a", "b", "c"], ["a document"], ["d"] * 40, ["e"]]
    assert encoder.most_at_once == 1
    assert [len(one.vectors) for one in found] == [1, 2, 1, 1, 40, 1]
    plain = FakeEncoder(8)
    assert np.array_equal(found[1].vectors, plain.encode(["a", "b"], role="query").vectors)
    assert np.array_equal(found[2].vectors, plain.encode(["c"], role="query").vectors)
    assert found[1].vectors.base is None


def test_an_encoder_whose_bits_depend_on_the_batch_is_never_given_two_calls_in_one():
    encoder = Watched()
    encoder.batch_invariant = False
    encoder.go.set()

    async def serve():
        await asyncio.gather(*(es.encode_async(encoder, [c], role="query") for c in "abcd"))

    asyncio.run(serve())
    assert encoder.calls == [["a"], ["b"], ["c"], ["d"]]


def test_a_fault_reaches_the_call_it_belongs_to_and_no_other():
    encoder = Watched()

    async def serve():
        first = asyncio.create_task(es.encode_async(encoder, ["first"], role="query"))
        await until(lambda: encoder.calls)
        rest = [
            asyncio.create_task(es.encode_async(encoder, [text], role="query"))
            for text in ("good", "bad", "fine")
        ]
        await asyncio.sleep(0.01)
        encoder.go.set()
        await first
        return await asyncio.gather(*rest, return_exceptions=True)

    good, bad, fine = asyncio.run(serve())
    assert isinstance(bad, NonFiniteError)
    assert "texts[0] ('bad')" in str(bad)
    assert good.vectors.shape == fine.vectors.shape == (1, 8)


def test_a_call_that_waits_is_not_begun_after_it_was_cancelled_and_one_that_runs_is_cut_short():
    encoder = Watched()
    texts = [f"text {n}" for n in range(100)]

    async def serve():
        running = asyncio.create_task(es.encode_async(encoder, texts, role="document"))
        await until(lambda: encoder.calls)
        waiting = asyncio.create_task(es.encode_async(encoder, ["unwanted"], role="query"))
        after = asyncio.create_task(es.encode_async(encoder, ["wanted"], role="query"))
        await asyncio.sleep(0.01)
        running.cancel()
        waiting.cancel()
        gone = await asyncio.gather(running, waiting, return_exceptions=True)
        assert [type(one) for one in gone] == [asyncio.CancelledError] * 2
        encoder.go.set()
        return await after

    assert asyncio.run(serve()).vectors.shape == (1, 8)
    assert encoder.calls == [texts, ["wanted"]]
    # The batch that ran, and that of the last call, of 25 and one.
    assert encoder.batches == 2


def test_what_is_no_text_is_refused_at_once():
    encoder = load_encoder("fake:8", cache=False)
    texts: Any = ["a", None]
    role: Any = "x"
    with pytest.raises(DataError, match=r"texts\[1\] is NoneType"):
        asyncio.run(es.encode_async(encoder, texts, role="query"))
    with pytest.raises(DataError, match="role is 'x'"):
        asyncio.run(es.encode_async(encoder, ["a"], role=role))


def test_an_encoder_that_nobody_holds_is_freed_with_its_thread():
    encoder = load_encoder("fake:8", cache=False)
    asyncio.run(es.encode_async(encoder, ["a"], role="query"))
    threads = [t for t in threading.enumerate() if t.name.startswith("encode_async")]
    assert threads
    gone = weakref.ref(encoder)
    del encoder
    gc.collect()
    assert gone() is None
