"""Texts larger than memory, block by block: order, bits, laziness, places of faults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.backends import load_encoder
from embedsmith.backends._sample_texts import sample_texts
from embedsmith.exceptions import DataError, NonFiniteError, ShapeError

TEXTS = sample_texts()


@pytest.fixture(scope="module")
def minilm():
    return load_encoder("native:all-MiniLM-L6-v2", cache=False)


@pytest.mark.model
def test_a_stream_has_the_order_counts_and_bits_of_one_call(minilm):
    texts = [*TEXTS, *TEXTS[::-1], "the last"]
    whole = minilm.encode(texts, role="document")
    blocks = list(es.encode_stream(minilm, iter(texts), role="document", block_texts=50))
    assert [len(block.vectors) for block in blocks] == [50, 50, 50, 3]
    assert np.concatenate([block.vectors for block in blocks]).tobytes() == whole.vectors.tobytes()
    assert np.concatenate([block.n_tokens for block in blocks]).tolist() == whole.n_tokens.tolist()
    assert sum(block.n_truncated for block in blocks) == whole.n_truncated > 0


def test_texts_are_taken_when_their_block_is_asked_for_and_no_sooner():
    taken: list[int] = []

    def endless():
        n = 0
        while True:
            taken.append(n)
            yield f"text {n}"
            n += 1

    encoder = load_encoder("fake:8", cache=False)
    stream = es.encode_stream(encoder, endless(), role="query", block_texts=3)
    assert taken == []
    for asked in (1, 2, 3):
        assert len(next(stream).vectors) == 3
        # One more tells that the block is full.
        assert len(taken) == 3 * asked + 1


def test_a_block_ends_before_it_takes_more_bytes_than_it_may():
    encoder = load_encoder("fake:8", cache=False)
    texts = ["a" * 6, "b" * 4, "é" * 3, "c" * 30, "d"]
    stream = es.encode_stream(encoder, texts, role="document", block_bytes=10)
    assert [len(block.vectors) for block in stream] == [2, 1, 1, 1]
    assert list(es.encode_stream(encoder, [], role="document")) == []


def test_a_fault_is_named_by_its_place_in_the_stream_after_what_came_before_it():
    encoder = load_encoder("fake:8", cache=False)
    texts: Any = ["a", "b", "c", float("nan"), "d"]
    stream = es.encode_stream(encoder, texts, role="document", block_texts=2)
    assert len(next(stream).vectors) == 2
    with pytest.raises(DataError, match=r"^texts\[3\] is float \(nan\)") as caught:
        next(stream)
    assert caught.value.position == 3


def test_a_vector_that_is_not_finite_is_named_by_its_place_in_the_stream(monkeypatch):
    encoder = load_encoder("fake:8", cache=False)
    compute = type(encoder).encode_batch  # type: ignore[attr-defined]

    def spoilt(self, texts, role):
        vectors = compute(self, texts, role)
        vectors[[text == "bad" for text in texts]] = np.nan
        return vectors

    monkeypatch.setattr(type(encoder), "encode_batch", spoilt)
    texts = ["a", "b", "c", "d", "bad"]
    stream = es.encode_stream(encoder, texts, role="document", block_texts=3)
    next(stream)
    with pytest.raises(NonFiniteError, match=r"infinity for texts\[4\] \('bad'\)") as caught:
        next(stream)
    assert caught.value.position == 4


def test_wrong_arguments_are_refused_before_the_first_block_is_asked_for():
    encoder = load_encoder("fake:8", cache=False)
    with pytest.raises(DataError, match=r"texts is one str.*Pass \[text\]"):
        es.encode_stream(encoder, "a text", role="query")
    role: Any = "passage"
    with pytest.raises(DataError, match="role is 'passage'"):
        es.encode_stream(encoder, [], role=role)
    with pytest.raises(ShapeError, match="block_texts"):
        es.encode_stream(encoder, [], role="query", block_texts=0)
