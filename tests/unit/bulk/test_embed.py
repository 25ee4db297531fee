"""``embed_corpus``: what a folder holds, what a second run does, and what is refused."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import stat
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.backends.fake import FakeEncoder
from embedsmith.bulk import EmbedState, _embed, _run
from embedsmith.bulk._lock import only_writer
from embedsmith.exceptions import (
    ClusterError,
    DataError,
    ModelError,
    NonFiniteError,
    OutputError,
    ParseError,
    ShapeError,
)

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [(f"d{n}", f"text {n % 30} of {n % 7}") for n in range(100)]
SPEC = "fake:16"


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    lines = (json.dumps({"_id": own, "text": text}) + "\n" for own, text in rows)
    path.write_text("".join(lines))
    return path


def embed(source: Any, out: Path, model: Any = SPEC, **more: Any) -> es.EmbeddingRun:
    loaded = {"cache": False} if isinstance(model, str) else {}
    return es.embed_corpus(source, model, out, **{"shard_rows": 12, **loaded, **more})


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file, hidden ones too."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def vectors_of(texts: list[str], model: Any = SPEC) -> np.ndarray:
    encoder = es.load_encoder(model, cache=False) if isinstance(model, str) else model
    return encoder.encode(texts, role="document").vectors


class Interrupted:
    """A model that stops the run when it is asked for its so-many-th shard."""

    def __init__(self, after: int, error: BaseException) -> None:
        self._model, self._left, self._error = FakeEncoder(16), after, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def encode(self, texts: Any, **how: Any) -> Any:
        if not self._left:
            raise self._error
        self._left -= 1
        return self._model.encode(texts, **how)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_a_folder_holds_each_row_in_order_with_its_id(tmp_path: Path, dtype: Any) -> None:
    run = embed(write(tmp_path / "c.jsonl", ROWS), tmp_path / "out", dtype=dtype)
    assert (run.n_texts, run.n_unique, run.n_computed) == (100, len({t for _, t in ROWS}), 100)
    folder = es.EmbeddingFolder(tmp_path / "out")
    assert list(folder.ids()) == [own for own, _ in ROWS]
    expected = vectors_of([text for _, text in ROWS])
    found = np.vstack(list(folder.rows()))
    if dtype == "int8":
        bound = np.abs(expected).max(axis=1, keepdims=True) / 127 * 0.51
        assert (np.abs(found - expected) <= bound).all()
        assert [part.dtype for part in folder.vectors] == [np.int8] * 9
    else:
        np.testing.assert_array_equal(found, expected.astype(dtype).astype(np.float32))
    assert [len(part) for part in folder.vectors] == [12] * 8 + [4]
    folder.verify()


def test_equal_texts_are_embedded_once_wherever_they_stand(tmp_path: Path) -> None:
    rows = [(str(n), f"text {n % 5}") for n in range(60)]
    asked: list[str] = []

    class Counting(FakeEncoder):
        def encode(self, texts: Any, **how: Any) -> Any:
            asked.extend(texts)
            return super().encode(texts, **how)

    run = embed(write(tmp_path / "c.jsonl", rows), tmp_path / "out", Counting(16))
    assert sorted(asked) == sorted({text for _, text in rows})
    assert (run.n_texts, run.n_unique, run.n_computed) == (60, 5, 5)
    np.testing.assert_array_equal(
        np.vstack(es.EmbeddingFolder(tmp_path / "out").vectors),
        vectors_of([text for _, text in rows]),
    )


def test_the_bytes_depend_on_the_corpus_and_not_on_the_file_or_the_time(tmp_path: Path) -> None:
    embed(write(tmp_path / "c.jsonl", ROWS), tmp_path / "a")
    lines = "".join(f"\n{text}\n" for _, text in ROWS)
    (tmp_path / "c.txt").write_text(lines)
    numbered = es.Corpus(tuple(str(2 * n + 2) for n in range(100)), tuple(t for _, t in ROWS))
    embed(tmp_path / "c.txt", tmp_path / "b")
    embed(numbered, tmp_path / "c")
    assert contents(tmp_path / "b") == contents(tmp_path / "c")
    assert contents(tmp_path / "a") != contents(tmp_path / "b")


@pytest.mark.parametrize("after", [0, 1, 5, 8])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("the power went")])
def test_a_run_that_was_stopped_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, after: int, error: BaseException
) -> None:
    source = write(tmp_path / "c.jsonl", ROWS)
    embed(source, tmp_path / "whole")
    with pytest.raises(type(error)):
        embed(source, tmp_path / "out", Interrupted(after, error))
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert len([name for name in names if name.endswith(".safetensors")]) == after
    assert "unfinished.json" in names
    assert ".work.sqlite3" not in names
    with pytest.raises(DataError, match="not complete.*Give its command again"):
        es.Index.open(tmp_path / "out")
    with pytest.raises(DataError, match="not complete.*Give its command again"):
        es.EmbeddingFolder(tmp_path / "out")
    with pytest.raises(DataError, match="no .npy files|not complete"):
        es.topk(np.ones((1, 16), np.float32), tmp_path / "out")
    run = embed(source, tmp_path / "out")
    assert run.n_shards_written == 9 - after
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_what_a_killed_run_left_half_written_is_removed(tmp_path: Path) -> None:
    source = write(tmp_path / "c.jsonl", ROWS)
    embed(source, tmp_path / "whole")
    with pytest.raises(RuntimeError):
        embed(source, tmp_path / "out", Interrupted(3, RuntimeError()))
    (tmp_path / "out" / ".00003-0123456789abcdef.safetensors.0123456789abcdef").write_bytes(b"x")
    (tmp_path / "out" / ".work.sqlite3").write_bytes(b"cut off")
    embed(source, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_second_run_embeds_nothing_and_changes_nothing(tmp_path: Path) -> None:
    source = write(tmp_path / "c.jsonl", ROWS)
    embed(source, tmp_path / "out")
    before = contents(tmp_path / "out")
    times = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out").iterdir()}
    run = embed(source, tmp_path / "out", Interrupted(0, AssertionError()))
    assert (run.n_computed, run.n_reused, run.n_shards_written) == (0, run.n_unique, 0)
    assert run.tokens_per_s is None
    assert contents(tmp_path / "out") == before
    after = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out").iterdir()}
    del times[".lock"], after[".lock"]
    assert after == times


def test_over_a_changed_corpus_only_new_texts_are_embedded(tmp_path: Path) -> None:
    source = write(tmp_path / "c.jsonl", ROWS)
    embed(source, tmp_path / "out")
    kept = contents(tmp_path / "out")
    changed = [*ROWS]
    changed[50] = ("d50", "a text that was changed")
    changed += [("d100", "one more"), ("d101", "text 1 of 1")]
    run = embed(write(source, changed), tmp_path / "out")
    assert (run.n_computed, run.n_texts) == (2, 102)
    # The shards of rows 48 to 59 and of the end; the others were not touched.
    assert run.n_shards_written == 2
    fresh = contents(tmp_path / "out")
    assert sum(fresh.get(name) == content for name, content in kept.items()) == 7 + 1
    embed(source, tmp_path / "anew")
    assert contents(tmp_path / "anew") == fresh
    folder = es.EmbeddingFolder(tmp_path / "out")
    np.testing.assert_array_equal(
        np.vstack(folder.vectors), vectors_of([text for _, text in changed])
    )


def test_rows_that_move_keep_their_vectors(tmp_path: Path) -> None:
    source = write(tmp_path / "c.jsonl", ROWS)
    embed(source, tmp_path / "out")
    moved = [("first", "new"), *ROWS[:30], *ROWS[35:]]
    run = embed(write(source, moved), tmp_path / "out")
    assert run.n_computed == 1
    folder = es.EmbeddingFolder(tmp_path / "out")
    assert list(folder.ids()) == [own for own, _ in moved]
    np.testing.assert_array_equal(
        np.vstack(folder.vectors), vectors_of([text for _, text in moved])
    )


@pytest.mark.parametrize("after", [0, 1, 4])
def test_an_update_that_was_stopped_leaves_the_old_folder_whole(tmp_path: Path, after: int) -> None:
    source = write(tmp_path / "c.jsonl", ROWS)
    embed(source, tmp_path / "out")
    embed(source, tmp_path / "undisturbed")
    changed = [(own, text + "!" if n % 12 == 3 else text) for n, (own, text) in enumerate(ROWS)]
    # A word of its own, so that each shard has something to embed.
    changed = [(own, f"{text} new{n}") if n % 12 == 3 else (own, text) for n, (own, text) in
               enumerate(changed)]  # fmt: skip
    write(source, changed)
    with pytest.raises(RuntimeError):
        embed(source, tmp_path / "out", Interrupted(after, RuntimeError()))
    old = es.EmbeddingFolder(tmp_path / "out")
    old.verify()
    np.testing.assert_array_equal(np.vstack(old.vectors), vectors_of([text for _, text in ROWS]))
    embed(source, tmp_path / "out")
    embed(source, tmp_path / "undisturbed")
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


def test_a_shard_that_only_moved_is_the_file_of_a_run_from_nothing(tmp_path: Path) -> None:
    """Two short texts become a long one: what follows is in the same shards, a row earlier."""
    follow = [("c", "text c"), ("d", "text d"), ("e", "text e")]
    source = write(tmp_path / "c.jsonl", [("a", "text a"), ("b", "text b"), *follow])
    embed(source, tmp_path / "out", shard_bytes=12)
    write(source, [("a", "a longer text"), *follow])
    embed(source, tmp_path / "out", shard_bytes=12)
    embed(source, tmp_path / "anew", shard_bytes=12)
    assert contents(tmp_path / "out") == contents(tmp_path / "anew")


def test_a_file_made_anew_by_a_run_that_was_killed_is_not_taken_for_the_one_listed(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """Its last bits may be others, as those of a model whose vectors depend on the batch."""

    class Nudged(FakeEncoder):
        def encode_tokenized(self, tokenized: Any, positions: Any) -> Any:
            return super().encode_tokenized(tokenized, positions) * np.float32(1 + 2**-20)

    source = write(tmp_path / "c.jsonl", ROWS)
    embed(source, tmp_path / "out")
    min((tmp_path / "out").glob("00000-*")).unlink()

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_embed, "write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            embed(source, tmp_path / "out", Nudged(16))
    embed(source, tmp_path / "out")
    es.EmbeddingFolder(tmp_path / "out").verify()


def test_shards_end_by_the_bytes_of_their_texts_too(tmp_path: Path) -> None:
    rows = [(str(n), "ü" * 50) for n in range(9)]
    run = embed(write(tmp_path / "c.jsonl", rows), tmp_path / "out", shard_bytes=250)
    assert run.n_shards == 3


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"dtype": "float16"}, "dtype is 'float32' there and 'float16' here"),
        ({"shard_rows": 13}, "shard_rows is 12 there and 13 here"),
        ({"shard_bytes": 99}, "shard_bytes is 67108864 there and 99 here"),
        ({"role": "query"}, "role is 'document' there and 'query' here"),
        ({"batch_size": 7}, "producer batch_size is 32 there and 7 here"),
        ({"max_tokens": 3}, r"the embedding space is \w{12} there and \w{12} here \(max_tokens\)"),
        ({"model": "fake:17"}, r"here \(dim\); dim is 16 there and 17 here"),
        ({"threads": 3}, "threads is None there and 3 here"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_other_settings_are_refused_by_the_name_of_what_differs(
    tmp_path: Path, more: dict[str, Any], said: str, *, finished: bool
) -> None:
    source = write(tmp_path / "c.jsonl", ROWS)
    if finished:
        embed(source, tmp_path / "out")
    else:
        with pytest.raises(RuntimeError):
            embed(source, tmp_path / "out", Interrupted(2, RuntimeError()))
    before, more = contents(tmp_path / "out"), {"model": SPEC, **more}
    with pytest.raises(OutputError, match=f"{said}.*name another folder"):
        embed(source, tmp_path / "out", **more)
    assert contents(tmp_path / "out") == before


def test_a_run_that_made_nothing_binds_nobody_to_its_settings(tmp_path: Path) -> None:
    source, out = tmp_path / "c.jsonl", tmp_path / "out"
    source.write_text('{"_id": "a", "text": 5}\n')
    with pytest.raises(ParseError, match="expected a string"):
        embed(source, out)
    # A run that fails at its first shard has written down what it was going to make.
    write(source, ROWS)
    with pytest.raises(RuntimeError):
        embed(source, out, Interrupted(0, RuntimeError()))
    assert (out / "unfinished.json").exists()
    embed(source, out, "fake:17")
    embed(source, tmp_path / "whole", "fake:17")
    assert contents(out) == contents(tmp_path / "whole")


def test_a_folder_of_other_files_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "c.jsonl", ROWS)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious.npy").write_bytes(b"x")
    with pytest.raises(OutputError, match=r"holds precious.npy, which no run.*empty folder"):
        embed(source, tmp_path / "out")
    with pytest.raises(OutputError, match="cannot be written"):
        embed(source, tmp_path / "out" / "precious.npy")
    assert (tmp_path / "out" / "precious.npy").read_bytes() == b"x"


def test_a_hidden_file_of_somebody_else_is_neither_ours_nor_removed(tmp_path: Path) -> None:
    theirs = tmp_path / "out" / ".notes.txt.0123456789abcdef"
    theirs.parent.mkdir()
    theirs.write_text("theirs")
    with pytest.raises(OutputError, match="which no run of this kind wrote"):
        embed(write(tmp_path / "c.jsonl", ROWS), tmp_path / "out")
    assert theirs.read_text() == "theirs"


def test_a_place_without_locks_is_said_to_have_none(tmp_path: Path, monkeypatch: Any) -> None:
    fcntl = pytest.importorskip("fcntl", reason="of POSIX")

    def flock(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OutputError, match="cannot be locked: No locks available.*another disk"):
        embed(write(tmp_path / "c.jsonl", ROWS), tmp_path / "out")


def test_a_place_whose_folders_cannot_be_synced_is_written_all_the_same(
    tmp_path: Path, monkeypatch: Any
) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    embed(write(tmp_path / "c.jsonl", ROWS), tmp_path / "out")
    es.EmbeddingFolder(tmp_path / "out").verify()


def test_a_folder_that_did_not_reach_the_disk_is_an_error(tmp_path: Path, monkeypatch: Any) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OutputError, match="Input/output error"):
        embed(write(tmp_path / "c.jsonl", ROWS), tmp_path / "out")


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "c.jsonl", ROWS)
    with only_writer(tmp_path / "out"), pytest.raises(OutputError, match="another process is writ"):
        embed(source, tmp_path / "out")
    embed(source, tmp_path / "out")


@pytest.mark.parametrize(
    ("lines", "kind", "said"),
    [
        ("", DataError, "holds no documents"),
        ("\n\n", DataError, "holds no documents"),
        ('{"_id": "a", "text": "x"}\n' * 2, DataError, r"c.jsonl:2: found the _id 'a' again \(fir"),
        ('{"_id": "a", "text": "x"}\n{"_id": "b"}\n', ParseError, r"c.jsonl:2:1: .*field `text`"),
    ],
)
def test_a_fault_is_found_before_anything_is_embedded(
    tmp_path: Path, lines: str, kind: type[Exception], said: str
) -> None:
    (tmp_path / "c.jsonl").write_text(lines)
    with pytest.raises(kind, match=said):
        embed(tmp_path / "c.jsonl", tmp_path / "out", Interrupted(0, AssertionError()))


def test_a_repeated_id_names_both_places_across_shards(tmp_path: Path) -> None:
    source = write(tmp_path / "c.jsonl", [*ROWS, ("d7", "other")])
    said = r"c.jsonl:101: found the _id 'd7' again \(first in .*c.jsonl:8\)"
    with pytest.raises(DataError, match=said):
        embed(source, tmp_path / "out")


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_a_text_that_the_model_fails_on_is_named_by_file_line_and_id(
    tmp_path: Path, value: float
) -> None:
    class Bad(FakeEncoder):
        def encode_tokenized(self, tokenized: Any, positions: Any) -> Any:
            vectors = super().encode_tokenized(tokenized, positions)
            for row, at in enumerate(positions):
                if tokenized.texts[at] == ROWS[40][1]:
                    vectors[row] = value
            return vectors

    # Repeats of an earlier shard's text stand before it, which the model is not asked for.
    repeats = [("again", ROWS[0][1]), ("once more", ROWS[0][1])]
    rows = [*ROWS[:38], *repeats, *ROWS[38:]]
    place = next(n for n, (_, text) in enumerate(rows) if text == ROWS[40][1])
    kind = NonFiniteError if np.isnan(value) else ModelError
    with pytest.raises(kind, match=rf"c.jsonl:{place + 1} \(id '{rows[place][0]}'\): .*answered"):
        embed(write(tmp_path / "c.jsonl", rows), tmp_path / "out", Bad(16))


def test_what_float16_cannot_hold_is_named(tmp_path: Path) -> None:
    class Large(FakeEncoder):
        def encode_tokenized(self, tokenized: Any, positions: Any) -> Any:
            return super().encode_tokenized(tokenized, positions) * np.float32(1e5)

    said = r"c.jsonl:1 \(id 'd0'\): the vector holds .*--dtype float32"
    source = write(tmp_path / "c.jsonl", ROWS)
    with pytest.raises(NonFiniteError, match=said):
        embed(source, tmp_path / "out", Large(16), dtype="float16")


def test_a_corpus_that_changes_meanwhile_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    source = write(tmp_path / "c.jsonl", ROWS)
    plan = vars(_embed)["plan_run"]

    def planned(*given: Any) -> Any:
        found = plan(*given)
        write(source, [*ROWS[:20], ("d20", "changed"), *ROWS[21:]])
        return found

    monkeypatch.setattr(_embed, "plan_run", planned)
    with pytest.raises(DataError, match="changed while it was read.*what is finished is kept"):
        embed(source, tmp_path / "out")

    def shortened(*given: Any) -> Any:
        found = plan(*given)
        write(source, ROWS[:30])
        return found

    monkeypatch.setattr(_embed, "plan_run", shortened)
    write(source, ROWS)
    with pytest.raises(DataError, match="changed while it was read"):
        embed(source, tmp_path / "out")
    monkeypatch.undo()
    run = embed(write(source, ROWS), tmp_path / "out")
    assert run.n_texts == 100


def test_a_full_disk_stops_cleanly_and_the_run_goes_on_later(
    tmp_path: Path, monkeypatch: Any
) -> None:
    source = write(tmp_path / "c.jsonl", ROWS)
    embed(source, tmp_path / "whole")
    save, left = vars(_run)["save_shard"], [3]

    def full(*given: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise OutputError
        return save(*given)

    with monkeypatch.context() as patched:
        patched.setattr(_run, "save_shard", full)
        with pytest.raises(OutputError):
            embed(source, tmp_path / "out")
    run = embed(source, tmp_path / "out")
    assert run.n_shards_written == 6
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_damaged_file_is_found_and_made_anew(tmp_path: Path) -> None:
    source = write(tmp_path / "c.jsonl", ROWS)
    embed(source, tmp_path / "out")
    whole = contents(tmp_path / "out")
    victim = min((tmp_path / "out").glob("00004-*"))
    content = bytearray(victim.read_bytes())
    content[-700] ^= 1
    victim.write_bytes(content)
    folder = es.EmbeddingFolder(tmp_path / "out")
    with pytest.raises(DataError, match=f"{victim.name} does not have the SHA-256.*makes these"):
        folder.verify()
    with pytest.raises(DataError, match=f"{victim.name} does not have the SHA-256"):
        es.Index.open(tmp_path / "out", verify=True)
    # Written to since: known without being asked for. A bit that turned by itself is not.
    run = embed(source, tmp_path / "out")
    assert run.n_shards_written == 1
    assert contents(tmp_path / "out") == whole
    victim.unlink()
    run = embed(source, tmp_path / "out")
    assert run.n_shards_written == 1
    assert contents(tmp_path / "out") == whole
    victim.write_bytes(bytes(content[:-9]))
    with pytest.raises(DataError, match="is no whole safetensors file"):
        es.EmbeddingFolder(tmp_path / "out")
    embed(source, tmp_path / "out")
    assert contents(tmp_path / "out") == whole


def test_the_manifest_tells_all_and_its_edits_are_found(tmp_path: Path) -> None:
    source = write(tmp_path / "c.jsonl", ROWS)
    run = embed(source, tmp_path / "out", max_tokens=3)
    assert run.n_truncated == 100
    path = tmp_path / "out" / "shards.json"
    content = json.loads(path.read_text())
    assert content["counts"] == {
        "texts": 100,
        "unique_texts": 100,
        "truncated": 100,
        "tokens": 400,
    }
    assert content["fingerprint"] == run.fingerprint
    assert content["settings"]["fingerprint"]["fields"]["max_tokens"] == 3
    for entry in content["shards"]:
        file = tmp_path / "out" / entry["file"]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == entry["sha256"]
        assert file.stat().st_size == entry["bytes"]
    content["settings"]["dtype"] = "float16"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="was edited or damaged"):
        es.EmbeddingFolder(tmp_path / "out")
    path.write_text("{}")
    with pytest.raises(DataError, match="is no list of shards"):
        embed(source, tmp_path / "out")


def test_each_text_has_its_hash_in_its_shard(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy", reason="comes with the extra 'st'")
    embed(write(tmp_path / "c.jsonl", ROWS), tmp_path / "out", dtype="int8")
    found: list[bytes] = []
    for file in sorted((tmp_path / "out").glob("*.safetensors")):
        tensors = safetensors.load_file(file)
        assert tensors["vectors"].dtype == np.int8
        assert tensors["scales"].shape == tensors["truncated"].shape
        found += [row.tobytes() for row in tensors["text_sha256"]]
    assert found == [hashlib.sha256(text.encode()).digest() for _, text in ROWS]


def test_texts_of_the_cache_are_not_computed(tmp_path: Path) -> None:
    source = write(tmp_path / "c.jsonl", ROWS)
    first = embed(source, tmp_path / "a", cache=tmp_path / "cache")
    again = embed(source, tmp_path / "b", cache=tmp_path / "cache")
    assert (first.n_cached, first.n_computed) == (0, first.n_unique)
    assert (again.n_cached, again.n_computed) == (again.n_unique, 0)
    assert (first.computed_tokens, again.computed_tokens) == (400, 0)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_progress_ends_with_all_texts_and_estimates_what_is_left(tmp_path: Path) -> None:
    told: list[EmbedState] = []
    embed(write(tmp_path / "c.jsonl", ROWS), tmp_path / "out", progress=told.append, batch_size=4)
    stages = [state.stage for state in told]
    assert stages == sorted(stages, reverse=True)  # reading before embedding
    assert (told[-1].texts, told[-1].total, told[-1].tokens) == (100, 100, 400)
    assert told[-1].left_tokens == 0
    texts = [state.texts for state in told if state.stage == "embedding"]
    assert texts == sorted(texts)
    middle = next(state for state in told if state.texts >= 50 and state.stage == "embedding")
    assert middle.left_tokens is not None
    assert abs(middle.tokens + middle.left_tokens - 400) < 40


def test_arguments_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "c.jsonl", ROWS)
    with pytest.raises(DataError, match="dtype='float8' is unknown"):
        embed(source, tmp_path / "a", dtype="float8")
    with pytest.raises(ShapeError, match="shard_rows=0"):
        embed(source, tmp_path / "b", shard_rows=0)
    with pytest.raises(ShapeError, match="workers=0"):
        embed(source, tmp_path / "c", workers=0)
    with pytest.raises(ModelError, match="pass what load_encoder takes, such as 'fake:16'"):
        embed(source, tmp_path / "d", FakeEncoder(16), workers=2)
    with pytest.raises(ModelError, match="max_cost is a limit of one process"):
        embed(source, tmp_path / "h", threads=1, max_cost=1)
    with pytest.raises(ModelError, match="batch_size is for load_encoder"):
        embed(source, tmp_path / "e", FakeEncoder(16), batch_size=2)
    with pytest.raises(DataError, match="cluster='dask' is unknown"):
        embed(source, tmp_path / "f", cluster="dask")
    pytest.importorskip("ray", reason="ray is not installed: the extra 'ray' brings it")
    with pytest.raises(ClusterError, match=r"call ray\.init\(\) first"):
        embed(source, tmp_path / "g", cluster="ray")


def test_workers_write_the_bytes_of_one(tmp_path: Path, caplog: Any) -> None:
    # Texts stand again where the shard they stand in first was written just before, or is not yet.
    repeats = [(f"e{n}", f"more {n % 9}") for n in range(50)]
    firsts = [(f"f{n}", ROWS[n][1]) for n in range(24)]
    source = write(tmp_path / "c.jsonl", [*ROWS[:24], *firsts, *ROWS[24:], *repeats])
    embed(source, tmp_path / "one", threads=1)
    with caplog.at_level(logging.WARNING):
        run = embed(source, tmp_path / "two", threads=1, workers=2, progress=lambda _: None)
    assert (run.n_restarts, caplog.records) == (0, [])
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    # Begun by two workers and ended by one: the folder knows how many threads each had.
    again = embed(source, tmp_path / "two", workers=1)
    assert again.n_shards_written == 0


def test_a_worker_that_opens_another_model_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    source = write(tmp_path / "c.jsonl", ROWS)
    # As if libraries, or the folder behind the name, were others where the worker starts.
    monkeypatch.setattr(_embed, "identity_of", lambda _: "another model's")
    with pytest.raises(ClusterError, match=r"fake:16 is another model, .* another model's where"):
        embed(source, tmp_path / "out", workers=2)
    assert not list((tmp_path / "out").glob("*.safetensors"))


def test_what_a_model_refuses_in_a_worker_is_raised_here(tmp_path: Path) -> None:
    source = write(tmp_path / "c.jsonl", ROWS)
    (tmp_path / "cache").write_text("no folder")
    with pytest.raises(es.exceptions.CacheError, match=r"cache"):
        embed(source, tmp_path / "out", workers=2, cache=tmp_path / "cache")


def test_the_lock_is_free_once_its_holder_is_gone(tmp_path: Path) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    source = write(tmp_path / "c.jsonl", ROWS)
    child = os.fork()
    if child == 0:
        with only_writer(tmp_path / "out"):
            os._exit(0)
    os.waitpid(child, 0)
    embed(source, tmp_path / "out")
