"""The cache: what it serves, what it refuses, and what it says."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embedsmith.backends import CachedEncoder, EmbeddingCache, Fingerprint, Role, load_encoder
from embedsmith.backends._batches import CachedRow
from embedsmith.backends.fake import FakeEncoder
from embedsmith.exceptions import CacheError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from embedsmith._typing import F32Array

SPACE = Fingerprint({"space": 1})
PRODUCER = {"device": "cpu", "torch": "2.4"}
TEXTS = [f"{'word ' * (n % 7)}{n}" for n in range(50)]


class Counting(FakeEncoder):
    """Counts the texts it embeds, and fails from batch ``fail_at`` on."""

    def __init__(self, *, fail_at: int | None = None, query_prompt: str = "") -> None:
        super().__init__(16, query_prompt=query_prompt)
        self.embedded: list[str] = []
        self.n_batches, self.fail_at = 0, fail_at

    def encode_batch(self, texts: Sequence[str], role: Role) -> F32Array:
        if self.n_batches == self.fail_at:
            raise KeyboardInterrupt
        self.n_batches += 1
        self.embedded += texts
        return super().encode_batch(texts, role)


def row(value: float) -> CachedRow:
    return CachedRow(np.full(4, value, dtype=np.float32), 3)


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_a_second_run_embeds_nothing(tmp_path: Path) -> None:
    first = Counting()
    one = CachedEncoder(first, EmbeddingCache(tmp_path)).encode(TEXTS, role="document")
    second = Counting()
    other = CachedEncoder(second, EmbeddingCache(tmp_path)).encode(TEXTS[::-1], role="document")
    assert (one.n_cached, other.n_cached, second.embedded) == (0, len(TEXTS), [])
    np.testing.assert_array_equal(one.vectors, other.vectors[::-1])
    np.testing.assert_array_equal(one.n_tokens, other.n_tokens[::-1])


def test_only_new_texts_are_embedded(tmp_path: Path) -> None:
    encoder = Counting()
    cached = CachedEncoder(encoder, EmbeddingCache(tmp_path))
    cached.encode(TEXTS[:40], role="document")
    encoder.embedded.clear()
    seen: list[int] = []
    embedded = cached.encode(TEXTS, role="document", progress=seen.append)
    assert sorted(encoder.embedded) == sorted(TEXTS[40:])
    assert embedded.n_cached == 40
    assert seen == [40, 50]


def test_an_interrupted_run_keeps_its_batches_and_cuts_the_same_ones(tmp_path: Path) -> None:
    whole = Counting()
    CachedEncoder(whole, EmbeddingCache(tmp_path / "a")).encode(TEXTS, role="query", batch_size=8)
    cut = Counting(fail_at=3)
    with pytest.raises(KeyboardInterrupt):
        CachedEncoder(cut, EmbeddingCache(tmp_path / "b")).encode(TEXTS, role="query", batch_size=8)
    rest = Counting()
    again = CachedEncoder(rest, EmbeddingCache(tmp_path / "b"))
    assert again.encode(TEXTS, role="query", batch_size=8).n_cached == 24
    assert cut.embedded + rest.embedded == whole.embedded


def test_a_role_or_a_prompt_of_its_own_is_not_served_for_another(tmp_path: Path) -> None:
    encoder = Counting()
    cached = CachedEncoder(encoder, EmbeddingCache(tmp_path))
    cached.encode(["a"], role="document")
    assert cached.encode(["a"], role="query").n_cached == 0
    prompted = CachedEncoder(Counting(query_prompt="ask: "), EmbeddingCache(tmp_path))
    assert prompted.encode(["a"], role="query").n_cached == 0
    assert prompted.encode(["a"], role="document").n_cached == 0


def test_more_keys_than_a_statement_may_hold_are_found(tmp_path: Path) -> None:
    store = EmbeddingCache(tmp_path).open(SPACE, 4, PRODUCER)
    if sys.version_info >= (3, 11):
        # The default of older builds.
        store._db.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
    store.put_many([(key(n), row(n)) for n in range(1200)])
    found = store.get_many([key(n) for n in range(2000)])
    assert sorted(found) == [key(n) for n in range(1200)]
    assert found[key(7)].vector.tolist() == [7.0] * 4
    assert found[key(7)].n_tokens == 3
    assert len(store) == 1200


def test_a_stored_vector_stays(tmp_path: Path) -> None:
    store = EmbeddingCache(tmp_path).open(SPACE, 4, PRODUCER)
    store.put_many([(key(1), row(1))])
    store.put_many([(key(1), row(2)), (key(2), row(2))])
    assert store.get_many([key(1)])[key(1)].vector[0] == 1


def test_measurements_are_kept_by_name(tmp_path: Path) -> None:
    cached = CachedEncoder(Counting(), EmbeddingCache(tmp_path))
    assert cached.get_measurement("speed") is None
    cached.put_measurement("speed", {"texts_per_s": 1.5})
    cached.put_measurement("speed", {"texts_per_s": 2.5})
    cached.close()
    again = CachedEncoder(Counting(), EmbeddingCache(tmp_path))
    assert again.get_measurement("speed") == {"texts_per_s": 2.5}


def test_a_flipped_bit_in_a_vector_is_found(tmp_path: Path) -> None:
    store = EmbeddingCache(tmp_path).open(SPACE, 4, PRODUCER)
    store.put_many([(key(1), row(1))])
    store.close()
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE vectors SET vector = zeroblob(16)")
    db.close()
    with pytest.raises(CacheError, match=r"does not match its checksum\. Delete the file"):
        EmbeddingCache(tmp_path).open(SPACE, 4, PRODUCER).get_many([key(1)])


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to be read" * 20, b"\0" * 99]
)
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = EmbeddingCache(tmp_path).path(SPACE, PRODUCER)
    path.write_bytes(content)
    with pytest.raises(CacheError, match=rf"{path.name} is damaged .*Delete the file"):
        EmbeddingCache(tmp_path).open(SPACE, 4, PRODUCER)
    assert path.read_bytes() == content


def test_a_database_cut_in_the_middle_is_refused(tmp_path: Path) -> None:
    store = EmbeddingCache(tmp_path).open(SPACE, 4, PRODUCER)
    store.put_many([(key(n), row(n)) for n in range(2000)])
    store.close()
    whole = store.path.read_bytes()
    store.path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CacheError, match="Delete the file"):
        EmbeddingCache(tmp_path).open(SPACE, 4, PRODUCER).get_many([key(n) for n in range(2000)])


def test_another_program_s_database_is_left_alone(tmp_path: Path) -> None:
    path = EmbeddingCache(tmp_path).path(SPACE, PRODUCER)
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(CacheError, match="database of another program"):
        EmbeddingCache(tmp_path).open(SPACE, 4, PRODUCER)
    assert path.read_bytes() == before


def test_a_renamed_cache_is_not_served(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path)
    cache.open(SPACE, 4, PRODUCER).close()
    other = Fingerprint({"space": 2})
    cache.path(SPACE, PRODUCER).rename(cache.path(other, PRODUCER))
    with pytest.raises(CacheError, match=r"another embedding space or producer \(digest"):
        cache.open(other, 4, PRODUCER)


@pytest.mark.parametrize("change", [{"device": "cuda"}, {"torch": "2.5"}])
def test_vectors_of_another_producer_are_not_served(
    tmp_path: Path, change: dict[str, object]
) -> None:
    first, second, third = Counting(), Counting(), Counting()
    second.producer = {**second.producer, **change}
    for encoder in (first, second, third):
        CachedEncoder(encoder, EmbeddingCache(tmp_path)).encode(TEXTS, role="document")
    assert [len(each.embedded) for each in (first, second, third)] == [50, 50, 0]


def test_a_batch_size_of_one_call_is_part_of_the_producer(tmp_path: Path) -> None:
    small = CachedEncoder(Counting(), EmbeddingCache(tmp_path))
    assert small.encode(TEXTS, role="document", batch_size=8).n_cached == 0
    assert small.encode(TEXTS, role="document").n_cached == 0
    assert small.encode(TEXTS, role="document", batch_size=8).n_cached == len(TEXTS)


def test_a_file_renamed_to_another_producer_is_not_served(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path)
    cache.open(SPACE, 4, PRODUCER).close()
    other = {**PRODUCER, "torch": "2.5"}
    cache.path(SPACE, PRODUCER).rename(cache.path(SPACE, other))
    with pytest.raises(CacheError, match=r"another embedding space or producer \(producer"):
        cache.open(SPACE, 4, other)


def test_a_closed_store_is_not_called_damaged(tmp_path: Path) -> None:
    store = EmbeddingCache(tmp_path).open(SPACE, 4, PRODUCER)
    store.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        store.get_many([key(1)])


def test_a_store_that_was_closed_is_opened_again(tmp_path: Path) -> None:
    encoder = CachedEncoder(Counting(), EmbeddingCache(tmp_path))
    encoder.encode(TEXTS, role="document")
    encoder.close_store()
    assert encoder.encode(TEXTS, role="document").n_cached == len(TEXTS)


def test_a_file_system_without_shared_memory_is_named(tmp_path: Path) -> None:
    store = EmbeddingCache(tmp_path).open(SPACE, 4, PRODUCER)
    msg = "locking protocol"
    with (
        pytest.raises(CacheError, match="name a folder on a local disk"),
        store._translated("read"),
    ):
        raise sqlite3.OperationalError(msg)


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    store = EmbeddingCache(tmp_path).open(SPACE, 4, PRODUCER)
    store.close()
    with sqlite3.connect(store.path) as db:
        db.execute("PRAGMA user_version = 2")
    db.close()
    with pytest.raises(CacheError, match="format 2; this embedsmith reads format 1"):
        EmbeddingCache(tmp_path).open(SPACE, 4, PRODUCER)


def test_a_full_disk_is_named_and_leaves_the_earlier_batches(tmp_path: Path) -> None:
    store = EmbeddingCache(tmp_path).open(SPACE, 4, PRODUCER)
    store.put_many([(key(1), row(1))])
    # SQLite answers a full disk and a full quota of pages with the same error.
    store._db.execute("PRAGMA max_page_count = 8")
    with pytest.raises(CacheError, match=r"cannot be written: .*full\. Free space"):
        store.put_many([(key(n), row(n)) for n in range(2, 20000)])
    assert len(store) == 1


def test_a_locked_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedsmith.backends._cache._LOCK_WAIT_S", 0.05)
    store = EmbeddingCache(tmp_path).open(SPACE, 4, PRODUCER)
    holder = sqlite3.connect(store.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(CacheError, match="Another process holds it"):
        store.put_many([(key(1), row(1))])
    holder.execute("ROLLBACK")
    holder.close()
    store.put_many([(key(1), row(1))])
    assert len(store) == 1


def test_a_folder_below_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match=r"cannot be used: .*cache=\.\.\."):
        EmbeddingCache(tmp_path / "file" / "cache").open(SPACE, 4, PRODUCER)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(CacheError, match="Make its folder writable"):
            EmbeddingCache(tmp_path).open(SPACE, 4, PRODUCER)
    finally:
        tmp_path.chmod(0o700)


def test_a_read_only_file_is_named(tmp_path: Path) -> None:
    store = EmbeddingCache(tmp_path).open(SPACE, 4, PRODUCER)
    store._db.execute("PRAGMA query_only = 1")
    with pytest.raises(
        CacheError, match=r"cannot be written: .*readonly.*Make its folder writable"
    ):
        store.put_many([(key(1), row(1))])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")
def test_new_folders_are_private_and_old_ones_keep_their_rights(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    old.chmod(0o755)
    EmbeddingCache(old / "new" / "deep").open(SPACE, 4, PRODUCER).close()
    rights = [stat.S_IMODE(p.stat().st_mode) for p in (old, old / "new", old / "new" / "deep")]
    assert rights == [0o755, 0o700, 0o700]


def test_nothing_is_created_before_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDSMITH_CACHE", str(tmp_path / "cache"))
    encoder = load_encoder("fake:8")
    assert not (tmp_path / "cache").exists()
    encoder.encode(["a"], role="document")
    encoder.close()
    files = [p.name for p in (tmp_path / "cache" / "embeddings").iterdir()]
    assert files == [EmbeddingCache().path(encoder.fingerprint, encoder.producer).name]


def test_without_a_cache_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDSMITH_CACHE", str(tmp_path / "cache"))
    load_encoder("fake:8", cache=False).encode(["a"], role="document")
    assert not (tmp_path / "cache").exists()


def test_texts_are_not_written_down(tmp_path: Path) -> None:
    encoder = load_encoder("fake:8", cache=tmp_path)
    encoder.encode(["a very private sentence"], role="document")
    encoder.close()
    assert all(b"private" not in file.read_bytes() for file in tmp_path.iterdir())


def test_closing_twice_does_no_harm(tmp_path: Path) -> None:
    encoder = load_encoder("fake:8", cache=tmp_path)
    encoder.encode(["a"], role="document")
    encoder.close()
    encoder.close()
    assert encoder.encode(["a"], role="document").n_cached == 1
