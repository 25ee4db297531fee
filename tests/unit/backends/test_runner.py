"""Batches by tokens, several at once, halved for want of memory, searched for a bad vector."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embedsmith.backends import CachedEncoder, EmbeddingCache, _batches
from embedsmith.backends.fake import FakeEncoder
from embedsmith.exceptions import DeviceMemoryError, ModelError, NonFiniteError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from embedsmith._typing import F32Array
    from embedsmith.backends import Role

TEXTS = [f"{'word ' * (n % 11)}{n}" for n in range(60)]


class Model(FakeEncoder):
    """Notes its batches; ``memory`` is the most padded tokens that fit."""

    def __init__(self, *, budget: int | None = None, memory: int | None = None) -> None:
        super().__init__(16)
        self.token_budget = budget
        self.memory = memory
        self.batches: list[list[str]] = []
        self.tried: list[int] = []

    def encode_batch(self, texts: Sequence[str], role: Role) -> F32Array:
        self.tried.append(len(texts))
        padded = len(texts) * max(int(n) for n in self.count_tokens(texts, role))
        if self.memory is not None and padded > self.memory:
            msg = f"{padded} tokens do not fit"
            raise DeviceMemoryError(msg)
        self.batches.append(list(texts))
        return super().encode_batch(texts, role)


def padded(model: FakeEncoder, batch: list[str]) -> int:
    return len(batch) * int(model.count_tokens(batch, "document").max())


def test_no_batch_is_beyond_the_budget_and_none_could_take_the_next_text() -> None:
    model = Model(budget=24)
    model.encode(TEXTS, role="document", batch_size=16)
    assert sum(map(len, model.batches)) == len(TEXTS)
    for batch, after in zip(model.batches, model.batches[1:], strict=False):
        assert padded(model, batch) <= 24
        assert len(batch) == 16 or padded(model, [*batch, after[0]]) > 24


def test_a_text_beyond_the_budget_runs_alone() -> None:
    model = Model(budget=5)
    model.encode(["a " * 9, "b " * 7, "c", "d"], role="document")
    assert model.batches == [["a " * 9], ["b " * 7], ["c", "d"]]


@pytest.mark.parametrize("in_flight", [1, 3])
def test_a_run_with_a_budget_goes_on_with_the_very_batches_that_are_left(
    tmp_path: Path, in_flight: int
) -> None:
    whole = Model(budget=24)
    expected = CachedEncoder(whole, EmbeddingCache(tmp_path / "a")).encode(TEXTS, role="document")
    for fails in range(len(whole.batches)):
        cut = Model(budget=24)
        cut.in_flight = in_flight
        bad = whole.batches[fails][0]

        def failing(texts, role, cut=cut, bad=bad):
            if bad in texts:
                raise KeyboardInterrupt
            return Model.encode_batch(cut, texts, role)

        cut.encode_batch = failing  # type: ignore[method-assign]
        cache = EmbeddingCache(tmp_path / f"{in_flight}-{fails}")
        with pytest.raises(KeyboardInterrupt):
            CachedEncoder(cut, cache).encode(TEXTS, role="document")
        rest = Model(budget=24)
        again = CachedEncoder(rest, cache).encode(TEXTS, role="document")
        assert again.n_cached == sum(map(len, cut.batches))
        assert sorted(cut.batches + rest.batches) == sorted(whole.batches)
        assert again.vectors.tobytes() == expected.vectors.tobytes()


def test_several_batches_run_at_once_and_the_order_is_the_caller_s() -> None:
    model, together = Model(), threading.Barrier(3)

    def meeting(texts, role):
        # Goes on only if three batches are under way.
        together.wait(timeout=20)
        return Model.encode_batch(model, texts, role)

    model.in_flight = 3
    model.encode_batch = meeting  # type: ignore[method-assign]
    vectors = model.encode(TEXTS, role="document", batch_size=10).vectors
    np.testing.assert_array_equal(vectors, Model().encode(TEXTS, role="document").vectors)


@pytest.mark.parametrize("is_service", [False, True])
def test_a_single_batch_runs_in_the_caller_s_thread_but_for_a_service(is_service: bool) -> None:
    model, seen = Model(), []

    def noting(texts, role):
        seen.append(threading.current_thread())
        return Model.encode_batch(model, texts, role)

    model.in_flight = 2
    model.encode_batch = noting  # type: ignore[method-assign]
    if is_service:
        model.halt = lambda: None  # type: ignore[attr-defined]
    model.encode(TEXTS[:3], role="document")
    assert (seen == [threading.current_thread()]) is not is_service
    seen.clear()
    model.encode(TEXTS[:4], role="document", batch_size=2)
    assert len(seen) == 2
    assert threading.current_thread() not in seen


def test_what_runs_beside_a_batch_that_fails_is_kept(tmp_path: Path) -> None:
    model = Model()
    model.in_flight = 2

    def slow(texts, role):
        if any(text == TEXTS[0] for text in texts):
            time.sleep(0.1)
            return Model.encode_batch(model, texts, role)
        msg = "no answer"
        raise ConnectionError(msg)

    model.encode_batch = slow  # type: ignore[method-assign]
    encoder = CachedEncoder(model, EmbeddingCache(tmp_path))
    with pytest.raises(ConnectionError, match="no answer"):
        encoder.encode([TEXTS[0], TEXTS[1]], role="document", batch_size=1)
    assert (
        CachedEncoder(Model(), encoder.cache)
        .encode(TEXTS[:2], role="document", batch_size=1)
        .n_cached
        == 1
    )


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to a thread")
def test_an_interrupt_stops_a_service_s_model_and_keeps_what_is_under_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, told, both = Model(), [], threading.Barrier(2)
    halted, caller = threading.Event(), threading.get_ident()
    model.in_flight = 2

    def halt() -> None:
        told.append("halt")
        halted.set()

    def interrupted(texts, role):
        # Two are under way; one of them has Ctrl-C pressed, and both are answered after it.
        if both.wait(timeout=20) == 0:
            # By now the caller waits for the two.
            time.sleep(0.2)
            signal.pthread_kill(caller, signal.SIGINT)
        assert halted.wait(timeout=20)
        return Model.encode_batch(model, texts, role)

    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    model.halt = halt  # type: ignore[attr-defined]
    model.resume = lambda: told.append("resume")  # type: ignore[attr-defined]
    model.encode_batch = interrupted  # type: ignore[method-assign]
    encoder = CachedEncoder(model, EmbeddingCache(tmp_path))
    try:
        with pytest.raises(KeyboardInterrupt), caplog.at_level(logging.WARNING):
            encoder.encode(TEXTS[:8], role="document", batch_size=2)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert told == ["resume", "halt"]
    assert "2 requests under way, and paid for" in caplog.text
    kept = CachedEncoder(Model(), encoder.cache)
    assert kept.encode(TEXTS[:8], role="document", batch_size=2).n_cached == 4


def test_a_batch_beyond_the_memory_is_halved_once_and_the_run_goes_on(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    model = Model(memory=40)
    texts = [f"{'word ' * 9}{n}" for n in range(32)]
    with caplog.at_level(logging.WARNING):
        encoder = CachedEncoder(model, EmbeddingCache(tmp_path))
        vectors = encoder.encode(texts, role="document", batch_size=16).vectors
    np.testing.assert_array_equal(vectors, Model().encode(texts, role="document").vectors)
    # 16 and 8 texts of 10 tokens fail once each; then all run as they fit.
    assert model.tried == [16, 8, *[4] * 8]
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "16 texts (160 padded tokens)" in messages[0]
    assert encoder.encode(texts, role="document", batch_size=16).n_cached == 32


def test_one_text_beyond_the_memory_is_an_error() -> None:
    with pytest.raises(DeviceMemoryError, match="10 tokens do not fit"):
        Model(memory=9).encode(["word " * 10], role="document")


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_a_text_that_spoils_its_whole_batch_is_the_one_that_is_named(value: float) -> None:
    model = Model()

    def contagious(texts, role):
        vectors = Model.encode_batch(model, texts, role)
        return np.full_like(vectors, value) if "spoilt" in texts else vectors

    model.encode_batch = contagious  # type: ignore[method-assign]
    texts = [f"t{n}" for n in range(20)] + ["spoilt"] + [f"u{n}" for n in range(20)]
    kind = NonFiniteError if np.isnan(value) else ModelError
    with pytest.raises(kind, match=r"texts\[20\] \('spoilt'\)"):
        model.encode(texts, role="document")


def test_texts_that_are_bad_only_together_are_named_so() -> None:
    model = Model()

    def crowded(texts, role):
        vectors = Model.encode_batch(model, texts, role)
        return vectors + np.float32(np.inf) if len(texts) > 2 else vectors

    model.encode_batch = crowded  # type: ignore[method-assign]
    with pytest.raises(NonFiniteError, match="only in one batch with 2 other texts"):
        model.encode(["a", "b", "c"], role="document")


@pytest.mark.parametrize("ahead", [False, True])
def test_windows_change_neither_vectors_nor_batches_of_a_run_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: bool
) -> None:
    monkeypatch.setattr(_batches, "WINDOW", 16)
    whole, other = Model(), Model()
    whole.tokenize_ahead = ahead
    expected = whole.encode(TEXTS, role="document", batch_size=5)
    turned = other.encode(TEXTS[::-1], role="document", batch_size=5)
    assert other.batches == whole.batches
    assert turned.vectors[::-1].tobytes() == expected.vectors.tobytes()
    plain = Model().encode(TEXTS[:10], role="document")
    assert expected.vectors[:10].tobytes() == plain.vectors.tobytes()
    assert expected.n_tokens[:10].tolist() == plain.n_tokens.tolist()

    cut = Model()
    cache = EmbeddingCache(tmp_path)

    def failing(texts, role):
        if len(cut.batches) == 7:
            raise KeyboardInterrupt
        return Model.encode_batch(cut, texts, role)

    cut.encode_batch = failing  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        CachedEncoder(cut, cache).encode(TEXTS, role="document", batch_size=5)
    rest = Model()
    CachedEncoder(rest, cache).encode(TEXTS, role="document", batch_size=5)
    assert cut.batches + rest.batches == whole.batches


def test_tokens_are_reported_beside_texts() -> None:
    model = FakeEncoder(8, max_tokens=3)
    texts: list[int] = []
    tokens: list[int] = []
    model.encode(
        ["a b c d e", "a", "a", "b c"],
        role="document",
        batch_size=2,
        progress=texts.append,
        token_progress=tokens.append,
    )
    # Three of five are looked at; "a" counts twice.
    assert (texts, tokens) == ([2, 4], [5, 7])


def test_the_cache_of_a_batch_invariant_model_is_one_for_all_batch_sizes(tmp_path: Path) -> None:
    model = Model()
    encoder = CachedEncoder(model, EmbeddingCache(tmp_path))
    encoder.encode(["a"], role="document", batch_size=2)
    assert encoder.encode(["a"], role="document", batch_size=3).n_cached == 0
    model.batch_invariant = True
    encoder.encode(["a"], role="document", batch_size=2)
    assert encoder.encode(["a"], role="document", batch_size=3).n_cached == 1


def test_nothing_beside_a_bad_vector_is_kept_where_batches_decide(tmp_path: Path) -> None:
    model = Model()
    model.batch_invariant = False

    def spoilt(texts, role):
        vectors = Model.encode_batch(model, texts, role)
        vectors[[text == "spoilt" for text in texts]] = np.nan
        return vectors

    model.encode_batch = spoilt  # type: ignore[method-assign]
    encoder = CachedEncoder(model, EmbeddingCache(tmp_path))
    with pytest.raises(NonFiniteError, match="spoilt"):
        encoder.encode(["a", "spoilt", "b"], role="document")
    del model.encode_batch
    assert encoder.encode(["a", "b"], role="document").n_cached == 0
