"""Shards in files and folders: what can be read, and what is wrong with the rest."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest

import embedsmith as es
from embedsmith.exceptions import DataError, ShapeError
from embedsmith.search import _sources
from embedsmith.search._shards import as_shards, topk_shards
from tests.unit.search.shard_corpus import (
    CORPUS,
    QUERIES,
    SHARDS,
    assert_same,
    manifest,
    save,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("small_blocks")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", ">f4", ">f8", "uint16"])
def test_files_of_numbers_of_any_type_are_converted_as_they_are_read(
    dtype, order, tmp_path
) -> None:
    corpus = np.abs(CORPUS) if dtype == "uint16" else CORPUS / 7 if dtype == "float64" else CORPUS
    values = np.asarray(corpus.astype(dtype), order=order)
    save(tmp_path, [values[:40], values[40:]])
    expected = es.topk(QUERIES, values.astype(np.float32), k=15)
    assert_same(es.topk(QUERIES, tmp_path, k=15), expected)
    assert_same(es.topk(QUERIES, [values], k=15), expected)


def bad_files(folder: Path) -> dict[str, tuple[type[Exception], str]]:
    """Write files that are no shards; return what is expected of each."""
    whole = folder / "whole.npy"
    np.save(whole, SHARDS[1])
    data = whole.read_bytes()
    whole.unlink()
    contents = {
        "cut.npy": (data[:-4], DataError, r"cut.npy\) is cut off: 1 x 12 float32 need 48 bytes"),
        "header.npy": (data[:50], DataError, "is no whole .npy file.*numpy.save"),
        "nothing.npy": (b"", DataError, "is no whole .npy file"),
        "twice.npy": (data + data, DataError, "goes on after its array"),
        "pickle.npy": (pickle.dumps(CORPUS), DataError, "is no whole .npy file"),
        "index.npy": (b"ESINDEX\n" + data, DataError, "is an index; open it with"),
        "version.npy": (data[:6] + b"\x03" + data[7:], DataError, "of version 3"),
    }
    for name, (content, _, _) in contents.items():
        (folder / name).write_bytes(content)
    objects = np.array([[{}, 1], [2, 3]], dtype=object)
    np.save(folder / "objects.npy", objects, allow_pickle=True)
    np.save(folder / "axis.npy", CORPUS[0])
    np.save(folder / "cube.npy", CORPUS[None])
    np.save(folder / "words.npy", np.array([["a", "b"]]))
    np.save(folder / "empty.npy", CORPUS[:0])
    np.savez(folder / "archive", CORPUS)
    (folder / "folder").mkdir()
    return {
        **{name: (error, match) for name, (_, error, match) in contents.items()},
        "objects.npy": (DataError, "pickled Python objects, which are never loaded"),
        "axis.npy": (ShapeError, "has one axis, of length 12"),
        "cube.npy": (ShapeError, r"has shape \(1, 300, 12\)"),
        "words.npy": (ShapeError, "holds str"),
        "empty.npy": (ShapeError, r"\(.*empty.npy\) is empty; leave it out"),
        "archive.npz": (DataError, "no whole .npy file.*npz archive"),
        "folder": (DataError, "is no file"),
        "missing.npy": (DataError, "cannot be read: No such file.*Check the path"),
        "a text": (DataError, "texts are encoded before"),
    }


def test_a_bad_file_is_named_and_never_unpickled(tmp_path) -> None:
    for name, (error, match) in bad_files(tmp_path).items():
        path = tmp_path / name
        with pytest.raises(error, match=match) as told:
            es.topk(QUERIES, [SHARDS[0], path])
        assert f"corpus shard 1 ({path})" in str(told.value)
        if name != "folder":
            with pytest.raises(error, match=match):
                es.topk(QUERIES, path)


def test_a_pickle_inside_a_shard_does_not_run(tmp_path) -> None:
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    np.save(tmp_path / "bomb.npy", np.array([[Bomb()]], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="never loaded"):
        es.topk(QUERIES, tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(DataError, match="is no file"):
        es.topk(QUERIES, tmp_path)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda path: path.unlink(), "cannot be read: No such file.*there when the search began"),
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "was changed while"),
        (lambda path: np.save(path, SHARDS[2] + 1), "was changed while"),
        (lambda path: path.with_name("other").replace(path), "was changed while"),
    ],
)
def test_a_shard_that_changes_meanwhile_is_named(change, match, tmp_path) -> None:
    paths = save(tmp_path)
    np.save(tmp_path / "new.npy", SHARDS[2])
    (tmp_path / "new.npy").rename(tmp_path / "other")
    # Clocks of file systems are coarse.
    os.utime(paths[2], (1, 1))
    shards = as_shards(tmp_path)
    assert shards is not None
    change(paths[2])
    with pytest.raises(DataError, match=match) as told:
        topk_shards(QUERIES, shards, k=3, metric="dot", exclude=None, where=None, threads=None)
    assert f"corpus shard 2 ({paths[2]})" in str(told.value)


def test_a_file_that_is_cut_between_two_reads_is_named(tmp_path, monkeypatch) -> None:
    (path,) = save(tmp_path, [CORPUS])
    shards = as_shards(path)
    assert shards is not None
    size = path.stat().st_size
    # The check sees the whole file; what is read after it does not.
    monkeypatch.setattr(
        _sources.NpySource, "_refuse_change", lambda self, _: os.truncate(self.path, size - 50)
    )
    with pytest.raises(DataError, match=r"corpus \(.*000.npy\) ends early"):
        topk_shards(QUERIES, shards, k=3, metric="dot", exclude=None, where=None, threads=None)


def test_a_manifest_gives_the_order_and_keys_of_others_are_left_alone(tmp_path) -> None:
    names = ["b.npy", "c.npy", "a.npy"]
    save(tmp_path, names=names)
    (tmp_path / ".000.npy.part").write_bytes(b"half written")
    (tmp_path / ".hidden.npy").write_bytes(b"half written")
    (tmp_path / "readme.txt").write_text("not a shard", encoding="utf-8")
    entries = [(name, len(shard)) for name, shard in zip(names, SHARDS, strict=True)]
    manifest(tmp_path, entries, fingerprint="1eca21", dim=12)
    assert_same(es.topk(QUERIES, tmp_path, k=15))


@pytest.mark.parametrize("names", [["2.npy", "10.npy"], ["s9a.npy", "s10a.npy"]])
def test_names_whose_order_is_unclear_are_refused(names, tmp_path) -> None:
    save(tmp_path, SHARDS[:2], names)
    with pytest.raises(DataError, match="no clear order.*leading zeros.*shards.json"):
        es.topk(QUERIES, tmp_path)


def test_a_folder_without_shards_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="holds no .npy files"):
        es.topk(QUERIES, tmp_path)


GOOD = [("000.npy", 100), ("001.npy", 1), ("002.npy", 199)]


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        (GOOD[:2], "does not list 002.npy, so.*List it"),
        (GOOD[:1], "does not list 001.npy and 1 more"),
        ([*GOOD, ("003.npy", 7)], r"lists 003.npy, which is not there \(near it lies 00.\.npy\)"),
        ([*GOOD[:2], ("002.npy", 200)], r"002.npy\) has 199 rows, and .*shards.json says 200"),
        ([*GOOD, ("../000.npy", 100)], "entry 3 names no file of the folder"),
        ([*GOOD, ("/etc/passwd", 100)], "entry 3 names no file of the folder"),
        ([*GOOD, GOOD[0]], "entry 3 names no file of the folder, or one named before"),
        ([(3, 100)], "entry 0 names no file"),
        ([("000.npy", "100")], "entry 0 has no number of rows"),
        ([("000.npy", True)], "entry 0 has no number of rows"),
        ([], "no version 1 and list of shards"),
    ],
)
def test_a_manifest_that_does_not_fit_its_folder_is_refused(entries, match, tmp_path) -> None:
    save(tmp_path)
    manifest(tmp_path, entries)
    with pytest.raises(DataError, match=match):
        es.topk(QUERIES, tmp_path)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "shards.json is no JSON.*Write the folder again"),
        ("[]", "no version 1 and list of shards"),
        ('{"version": 1, "shards": [7]}', "entry 0 names no file"),
        ('{"version": "1", "shards": []}', "no version 1"),
        ('{"version": 2, "shards": []}', "of version 2, and this release reads up to 1. Install"),
        ("\udcff", "cannot be read"),
    ],
)
def test_a_manifest_that_is_none_is_refused(text, match, tmp_path) -> None:
    save(tmp_path)
    (tmp_path / "shards.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=match):
        es.topk(QUERIES, tmp_path)
