"""The index and its file."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

import embedsmith as es
from embedsmith.exceptions import DataError, NonFiniteError, OutputError, ShapeError

RNG = np.random.default_rng(1)
CORPUS = RNG.standard_normal((300, 20)).astype(np.float32)
QUERIES = RNG.standard_normal((9, 20)).astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_an_index_answers_as_topk_before_and_after_its_file(metric, tmp_path) -> None:
    expected = es.topk(QUERIES, CORPUS, k=7, metric=metric)
    index = es.Index(CORPUS, metric=metric)
    index.save(tmp_path / "index")
    for each in (index, es.Index.open(tmp_path / "index", verify=True)):
        hits = each.search(QUERIES, 7)
        np.testing.assert_array_equal(hits.rows, expected.rows)
        np.testing.assert_array_equal(hits.scores, expected.scores)
        assert (len(each), each.dim, each.metric) == (300, 20, metric)


def test_an_index_of_nothing_is_refused_when_it_is_built() -> None:
    with pytest.raises(ShapeError, match="corpus is empty"):
        es.Index(CORPUS[:0])


def test_a_query_of_another_width_is_refused() -> None:
    with pytest.raises(ShapeError, match="columns"):
        es.Index(CORPUS).search(QUERIES[:, :5])


def test_every_flipped_byte_of_header_and_norms_is_noticed(tmp_path) -> None:
    path = tmp_path / "index"
    es.Index(CORPUS).save(path)
    whole = path.read_bytes()
    header_ends = 48 + int.from_bytes(whole[12:16], "little")
    used = [*range(header_ends), len(whole) - 4096 + 5, len(whole) - 2000]
    for place in used:
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="index"):
            es.Index.open(path)


def test_a_flipped_byte_in_a_vector_is_noticed_on_request(tmp_path) -> None:
    path = tmp_path / "index"
    es.Index(CORPUS).save(path)
    damaged = bytearray(path.read_bytes())
    damaged[4096 + 100] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(DataError, match="'vectors' does not have its SHA-256"):
        es.Index.open(path, verify=True)


@pytest.mark.parametrize("length", [0, 7, 40, 200, 4096, 20_000])
def test_a_file_cut_short_is_refused(length, tmp_path) -> None:
    path = tmp_path / "index"
    es.Index(CORPUS).save(path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match="index|cut off"):
        es.Index.open(path)


def test_foreign_newer_and_missing_files_say_what_they_are(tmp_path) -> None:
    path = tmp_path / "index"
    path.write_bytes(b"\x93NUMPY" + bytes(200))
    with pytest.raises(DataError, match="no embedsmith index"):
        es.Index.open(path)
    es.Index(CORPUS).save(path)
    newer = bytearray(path.read_bytes())
    newer[8] = 9
    path.write_bytes(newer)
    with pytest.raises(DataError, match="version 9.*Install the release"):
        es.Index.open(path)
    with pytest.raises(DataError, match="cannot be read.*Check the path"):
        es.Index.open(tmp_path / "nowhere")


def rewrite_header(path, change) -> None:
    """Replace the header by another one that is whole by its own SHA-256."""
    data = path.read_bytes()
    length = int.from_bytes(data[12:16], "little")
    header = change(data[48 : 48 + length])
    assert len(header) <= 4000
    fixed = data[:12] + len(header).to_bytes(4, "little") + hashlib.sha256(header).digest()
    path.write_bytes((fixed + header).ljust(4096, b"\0") + data[4096:])


@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"not json",
        lambda _: b"[]",
        lambda _: b"{}",
        lambda header: header.replace(b'"rows": 300', b'"rows": "many"'),
        lambda header: header.replace(b'"rows": 300', b'"rows": -300'),
        lambda header: header.replace(b'"rows": 300', b'"rows": 10000000000000000000000'),
        lambda header: header.replace(b'"cosine"', b'["dot"]'),
        lambda header: header.replace(b'"offset": 4096', b'"offset": -4096'),
    ],
)
def test_a_hostile_header_is_damage_and_not_a_crash(change, tmp_path) -> None:
    path = tmp_path / "index"
    es.Index(CORPUS).save(path)
    rewrite_header(path, change)
    with pytest.raises(DataError, match="damaged"):
        es.Index.open(path)


def test_a_vector_damaged_to_nan_is_refused_when_a_search_meets_it(tmp_path) -> None:
    path = tmp_path / "index"
    for metric in ("cosine", "dot", "l2"):
        es.Index(CORPUS, metric=metric).save(path)
        damaged = bytearray(path.read_bytes())
        damaged[4096 + 80 * 7 : 4096 + 80 * 7 + 4] = np.float32(np.nan).tobytes()
        path.write_bytes(damaged)
        for queries in (QUERIES, QUERIES[:1]):
            with pytest.raises(NonFiniteError, match="corpus row 7"):
                es.Index.open(path).search(queries)


def test_the_fingerprint_of_the_embedding_space_is_kept(tmp_path) -> None:
    es.Index(CORPUS, fingerprint="1eca21").save(tmp_path / "index")
    assert es.Index.open(tmp_path / "index").fingerprint == "1eca21"
    assert es.Index(CORPUS).fingerprint is None


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch) -> None:
    path = tmp_path / "index"
    es.Index(CORPUS[:3]).save(path)
    before = path.read_bytes()

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OutputError, match="No space left on device.*Free space"):
        es.Index(CORPUS).save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["index"]


def test_a_place_that_does_not_exist_is_an_output_error(tmp_path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        es.Index(CORPUS).save(tmp_path / "missing" / "index")
