"""A corpus streamed in blocks: reading ahead, memory maps, stops, progress."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from typing import Literal

import numpy as np
import pytest

import embedsmith as es
from embedsmith._cgroup import ControlGroup
from embedsmith.exceptions import OutOfMemoryError
from embedsmith.search import _process_memory, _read_ahead, _shards, _sources
from embedsmith.search._shards import as_shards, topk_shards
from tests.unit.search.shard_corpus import (
    CORPUS,
    QUERIES,
    SHARDS,
    assert_same,
    reading_threads,
    save,
)

pytestmark = pytest.mark.usefixtures("small_blocks")


def test_a_large_memory_map_is_streamed_and_a_small_one_is_not(tmp_path, monkeypatch) -> None:
    (path,) = save(tmp_path, [np.tile(CORPUS, (40, 1))])
    mapped = np.load(path, mmap_mode="r")
    expected = es.topk(QUERIES, np.array(mapped), k=15)
    assert as_shards(mapped) is None
    assert as_shards([mapped]).sources[0].borrow(0, 1) is not None  # type: ignore[union-attr]
    monkeypatch.setattr(_shards, "comfortable_bytes", lambda: mapped.nbytes - 1)
    monkeypatch.setattr(_read_ahead, "BLOCK_BYTES", 64 << 10)
    released = []
    release = _sources._release

    def watched(mapping, rows) -> None:
        released.append(rows.nbytes)
        release(mapping, rows)

    monkeypatch.setattr(_sources, "_release", watched)
    for mode in ("r", "r+"):
        mapped = np.load(path, mmap_mode=mode)
        for corpus in (mapped, [mapped], [mapped[:5000], mapped[5000:]]):
            released.clear()
            shards = as_shards(corpus)
            assert shards is not None
            assert shards.sources[0].borrow(0, 1) is None
            assert_same(es.topk(QUERIES, corpus, k=15), expected)
            assert sum(released) == mapped.nbytes
    # A view of one, and one in another order.
    assert_same(es.topk(QUERIES, [mapped[::-1]], k=15), es.topk(QUERIES, mapped[::-1].copy(), k=15))


def test_what_was_written_to_a_map_is_searched_and_kept(tmp_path, monkeypatch) -> None:
    (path,) = save(tmp_path, [np.tile(CORPUS, (40, 1))])
    monkeypatch.setattr(_shards, "comfortable_bytes", lambda: 0)
    monkeypatch.setattr(_read_ahead, "BLOCK_BYTES", 64 << 10)
    modes: dict[int, Literal["r+", "c"]] = {9000: "r+", 7000: "c"}
    for row, mode in modes.items():
        mapped = np.load(path, mmap_mode=mode)
        mapped[row] = 30 * QUERIES[0]
        changed = np.array(mapped)
        hits = es.topk(QUERIES, mapped, k=15, metric="dot")
        assert hits.rows[0, 0] == row
        assert_same(hits, es.topk(QUERIES, changed, k=15, metric="dot"))
        np.testing.assert_array_equal(mapped, changed)


def test_comfortable_is_half_of_what_the_machine_or_its_container_grants(
    monkeypatch,
) -> None:
    def grant(limit: int | None) -> None:
        monkeypatch.setattr(_process_memory, "control_group", lambda: ControlGroup(None, limit))

    grant(None)
    machine = _process_memory.comfortable_bytes()
    assert machine > 1 << 26
    grant(1 << 60)
    assert _process_memory.comfortable_bytes() == machine
    grant(1_000_000)
    assert _process_memory.comfortable_bytes() == 500_000


def test_the_next_block_is_read_while_one_is_searched(tmp_path, monkeypatch) -> None:
    save(tmp_path)
    shards = as_shards(tmp_path)
    assert shards is not None
    blocks = _read_ahead.cut_in_blocks(shards.sources, None)
    begun = [threading.Event() for _ in blocks]
    read = _read_ahead.Block.read

    def watched(self, buffer, stop):
        begun[blocks.index(self)].set()
        return read(self, buffer, stop)

    monkeypatch.setattr(_read_ahead.Block, "read", watched)
    seen = []
    for number, (block, rows) in enumerate(_read_ahead.read_blocks(blocks, None)):
        seen.append(rows.copy())
        assert block is blocks[number]
        if number + 1 < len(blocks):
            assert begun[number + 1].wait(timeout=30)
        if number + 2 < len(blocks):  # its buffer is the one in the caller's hands
            assert not begun[number + 2].is_set()
    np.testing.assert_array_equal(np.concatenate(seen), CORPUS)
    assert len(blocks) == -(-300 // 23)


def test_rows_in_memory_are_not_copied_and_small_shards_are_joined() -> None:
    blocks = _read_ahead.cut_in_blocks(as_shards(SHARDS).sources, None)  # type: ignore[union-attr]
    assert [(block.first, block.last) for block in blocks[:5]] == [
        (0, 23), (23, 46), (46, 69), (69, 92), (92, 100)
    ]  # fmt: skip
    for _, rows in _read_ahead.read_blocks(blocks, None):
        assert np.shares_memory(rows, CORPUS)
    many = [CORPUS[i : i + 1] for i in range(300)]
    joined = _read_ahead.cut_in_blocks(as_shards(many).sources, None)  # type: ignore[union-attr]
    assert len(joined) == -(-300 // 23)
    assert_same(es.topk(QUERIES, many, k=15))


def test_an_error_or_a_stop_in_the_middle_leaves_no_thread(tmp_path) -> None:
    save(tmp_path)
    shards = as_shards(tmp_path)
    assert shards is not None

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        topk_shards(
            QUERIES,
            shards,
            k=3,
            metric="dot",
            exclude=None,
            where=None,
            threads=None,
            progress=stop,
        )
    assert not reading_threads()


def test_closing_a_stream_stops_the_read_under_way(tmp_path, monkeypatch) -> None:
    save(tmp_path)
    shards = as_shards(tmp_path)
    assert shards is not None
    read = _read_ahead.Block.read
    waiting = threading.Event()
    outcome: list[str] = []

    def slow(self, buffer, stop):
        if self.first == 0:
            return read(self, buffer, stop)
        waiting.set()
        assert stop.wait(timeout=30)
        try:
            return read(self, buffer, stop)
        except CancelledError:
            outcome.append("cancelled")
            raise

    monkeypatch.setattr(_read_ahead.Block, "read", slow)
    stream = _read_ahead.read_blocks(_read_ahead.cut_in_blocks(shards.sources, None), None)
    next(stream)
    assert waiting.wait(timeout=30)
    stream.close()
    assert outcome == ["cancelled"]


def test_progress_counts_rows_at_intervals_and_ends_once(tmp_path, monkeypatch) -> None:
    save(tmp_path)
    shards = as_shards(tmp_path)
    assert shards is not None
    told: list[tuple[int, int]] = []

    def search() -> None:
        told.clear()
        topk_shards(
            QUERIES,
            shards,
            k=3,
            metric="dot",
            exclude=None,
            where=None,
            threads=None,
            progress=lambda done, total: told.append((done, total)),
        )

    clock = iter(range(1000))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    search()
    assert told == [(done, 300) for done in [*range(23, 300, 23), 300]]
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    search()
    assert told == [(300, 300)]


def test_no_memory_for_blocks_or_answer_is_said(tmp_path, monkeypatch) -> None:
    save(tmp_path)

    def full(*_, **__):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("numpy.empty", full)
        with pytest.raises(OutOfMemoryError, match="two blocks of 1104 bytes.*raise its limit"):
            es.topk(QUERIES, tmp_path)
    monkeypatch.setattr("numpy.full", full)
    with pytest.raises(OutOfMemoryError, match="answer needs 1440 bytes.*fewer queries"):
        es.topk(QUERIES, tmp_path)


def test_vectors_of_no_width_have_shards_too() -> None:
    queries, corpus = np.zeros((2, 0), np.float32), np.zeros((5, 0), np.float32)
    assert_same(es.topk(queries, [corpus[:2], corpus[2:]]), es.topk(queries, corpus))
