"""The index and its file."""

from __future__ import annotations

import hashlib
import json

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


def sections(whole: bytes) -> dict[str, range]:
    """Where the sections of an index file lie."""
    length = int.from_bytes(whole[12:16], "little")
    header = json.loads(whole[48 : 48 + length])
    named = {
        name: range(entry["offset"], entry["offset"] + entry["bytes"])
        for name, entry in header["sections"].items()
    }
    return {"header": range(48 + length), **named}


@pytest.mark.parametrize(
    "section", ["header", "vectors", "norms", "codes", "facts", "sums", "centre"]
)
def test_flipped_bits_are_noticed_in_every_section(section, tmp_path) -> None:
    path = tmp_path / "index"
    es.Index(CORPUS).save(path)
    whole = path.read_bytes()
    places = sections(whole)[section]
    # All of the header, and the first, the last and some more bytes of the others.
    rng = np.random.default_rng(5)
    some = [places[0], places[-1], *rng.choice(places, min(30, len(places)), replace=False)]
    for place in places if section == "header" else some:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="index"):
            es.Index.open(path, verify=section in {"vectors", "codes"})


@pytest.mark.parametrize("section", ["vectors", "codes"])
def test_large_sections_are_read_only_on_request(section, tmp_path) -> None:
    path = tmp_path / "index"
    es.Index(CORPUS).save(path)
    damaged = bytearray(path.read_bytes())
    damaged[sections(bytes(damaged))[section][100]] ^= 1
    path.write_bytes(damaged)
    assert len(es.Index.open(path)) == len(CORPUS)
    with pytest.raises(DataError, match=f"'{section}' does not have its SHA-256"):
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
    with pytest.raises(DataError, match="version 9.*Install a newer release"):
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


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_kept_and_answers_as_its_float32_copy(dtype, tmp_path) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    narrow = CORPUS.astype(np.float16 if dtype == "float16" else ml_dtypes.bfloat16)
    expected = es.topk(QUERIES, narrow.astype(np.float32), k=9)
    index = es.Index(narrow)
    index.save(tmp_path / "index")
    for hits in (
        es.topk(QUERIES, narrow, k=9),
        index.search(QUERIES, 9),
        es.Index.open(tmp_path / "index").search(QUERIES, 9),
    ):
        np.testing.assert_array_equal(hits.rows, expected.rows)
        np.testing.assert_array_equal(hits.exact, expected.exact)


def test_added_rows_are_found_as_if_they_had_always_been_there(tmp_path) -> None:
    index = es.Index(CORPUS[:100])
    before = index.search(QUERIES, 5)
    for start in range(100, 300, 40):
        index.add(CORPUS[start : start + 40])
    assert len(index) == 300
    expected = es.topk(QUERIES, CORPUS, k=7)
    index.save(tmp_path / "index")
    for each in (index, es.Index.open(tmp_path / "index", verify=True)):
        hits = each.search(QUERIES, 7)
        np.testing.assert_array_equal(hits.rows, expected.rows)
        np.testing.assert_array_equal(hits.exact, expected.exact)
    np.testing.assert_array_equal(before.rows, es.topk(QUERIES, CORPUS[:100], k=5).rows)


def test_copies_of_an_index_grow_apart() -> None:
    index = es.Index(CORPUS[:100])
    index.add(CORPUS[100:110])
    twin = es.Index.__new__(es.Index)
    twin.__dict__.update(index.__dict__)
    index.add(CORPUS[110:120])
    twin.add(CORPUS[200:230])
    expected = es.topk(QUERIES, CORPUS[:120], k=9)
    np.testing.assert_array_equal(index.search(QUERIES, 9).exact, expected.exact)
    both = np.concatenate([CORPUS[:110], CORPUS[200:230]])
    np.testing.assert_array_equal(twin.search(QUERIES, 9).exact, es.topk(QUERIES, both, k=9).exact)


def test_what_cannot_be_added_leaves_the_index_as_it_was() -> None:
    index = es.Index(CORPUS)
    with pytest.raises(ShapeError, match="columns but the index has 20"):
        index.add(CORPUS[:, :7])
    bad = CORPUS[:3].copy()
    bad[1, 4] = np.nan
    with pytest.raises(NonFiniteError, match="row 1"):
        index.add(bad)
    index.add(CORPUS[:0])
    assert len(index) == 300
    narrow = es.Index(CORPUS.astype(np.float16))
    with pytest.raises(NonFiniteError, match="float16 cannot hold"):
        narrow.add(np.full((1, 20), 1e6, dtype=np.float32))


def test_statistics_tell_what_ran_and_progress_reaches_its_end() -> None:
    calls: list[tuple[int, int]] = []
    hits = es.Index(CORPUS).search(QUERIES, 3, stats=True, progress=lambda *at: calls.append(at))
    assert hits.stats is not None
    assert sum(hits.stats.rows.values()) >= 300
    assert hits.stats.scored_per_query >= 3
    assert calls[-1] == (300, 300)
    assert es.topk(QUERIES, CORPUS).stats is None


def test_what_progress_raises_stops_the_search() -> None:
    big = np.tile(CORPUS, (2_000, 1))

    def refuse(_done: int, total: int) -> None:
        raise RuntimeError(total)

    with pytest.raises(RuntimeError, match="600000"):
        es.topk(np.tile(QUERIES, (60, 1)), big, k=3, progress=refuse)
    with pytest.raises(ShapeError, match="progress=3"):
        es.topk(QUERIES, CORPUS, progress=3)  # type: ignore[call-overload]
