"""``EmbeddingFolder``, and searching the folder without loading it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith._shard_file import read_shard, write_shard
from embedsmith.exceptions import DataError, ModelError, ShapeError
from embedsmith.search import _sharded

if TYPE_CHECKING:
    from pathlib import Path

IDS = tuple(f"ä{n}" for n in range(100))
TEXTS = tuple(f"text {n % 30} of {n % 7}" for n in range(100))
SPEC = "fake:16"


@pytest.fixture(scope="module", params=["float32", "float16", "int8"])
def path(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("folder") / request.param
    corpus = es.Corpus(IDS, TEXTS)
    es.embed_corpus(corpus, SPEC, folder, dtype=request.param, shard_rows=12, cache=False)
    return folder


def queries(spec: str = SPEC) -> Any:
    encoder = es.load_encoder(spec, cache=False)
    return encoder.encode(["text 17", "of 3 text"], role="query").vectors


def as_stored(path: Path) -> np.ndarray:
    return np.vstack(list(es.EmbeddingFolder(path).rows()))


@pytest.mark.parametrize("in_place", [True, False])
def test_an_index_of_a_folder_answers_as_topk_of_its_rows(
    path: Path, in_place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sharded, "comfortable_bytes", lambda: 1 << 40 if in_place else 0)
    index = es.Index.open(path, verify=True)
    assert (len(index), index.dim, index.metric) == (100, 16, "cosine")
    where = np.arange(100) % 3 > 0
    options: list[dict[str, Any]] = [{}, {"where": where, "exclude": [[1], [2, 3]], "stats": True}]
    for how in options:
        expected = es.topk(queries(), as_stored(path), k=20, **how)
        hits = index.search(queries(), k=20, **how)
        np.testing.assert_array_equal(hits.rows, expected.rows)
        np.testing.assert_array_equal(hits.exact, expected.exact)


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_topk_takes_the_folder_with_its_scales(path: Path, metric: Any) -> None:
    expected = es.topk(queries(), as_stored(path), k=20, metric=metric)
    hits = es.topk(queries(), path, k=20, metric=metric)
    np.testing.assert_array_equal(hits.rows, expected.rows)
    np.testing.assert_array_equal(hits.exact, expected.exact)
    if metric == "cosine":
        mapped = es.topk(queries(), es.EmbeddingFolder(path).vectors, k=20)
        np.testing.assert_array_equal(mapped.rows, expected.rows)


def test_queries_of_another_space_are_refused_where_it_is_known(path: Path) -> None:
    index, folder = es.Index.open(path), es.EmbeddingFolder(path)
    same, other = (
        es.load_encoder(SPEC, cache=False, query_prompt=prompt) for prompt in (None, "q: ")
    )
    assert index.fingerprint == folder.fingerprint.digest == same.fingerprint.digest
    index.search(queries(), fingerprint=same.fingerprint)
    index.search(queries(), fingerprint=same.fingerprint.digest)
    folder.check_encoder(same)
    with pytest.raises(ModelError, match=r"space \w{12}, and the index holds vectors of \w{12}"):
        index.search(queries(), fingerprint=other.fingerprint)
    with pytest.raises(ModelError, match="they differ in query_prompt"):
        folder.check_encoder(other)
    plain = es.Index(as_stored(path))
    plain.search(queries(), fingerprint=other.fingerprint)


def test_what_needs_an_index_of_its_own_is_refused_with_the_way(path: Path, tmp_path: Path) -> None:
    index = es.Index.open(path)
    for call in (
        lambda: index.pairs_above(0.9),
        lambda: index.topk_self(3),
        lambda: index.add(queries()),
        lambda: index.save(tmp_path / "x"),
    ):
        with pytest.raises(ShapeError, match="opened from a folder.*EmbeddingFolder"):
            call()


def test_ids_are_found_by_row_in_any_shape(path: Path) -> None:
    folder = es.EmbeddingFolder(path)
    assert folder.ids_at([[0, 12, 99], [-1, 11, 0]]) == [
        ["ä0", "ä12", "ä99"],
        [None, "ä11", "ä0"],
    ]
    assert folder.ids_at([]) == []
    assert folder.ids_at(5) == "ä5"
    assert tuple(folder.ids()) == IDS
    with pytest.raises(ShapeError, match="row 100 is not there; the folder has 100 rows"):
        folder.ids_at([3, 100])
    with pytest.raises(ShapeError, match="row -2 is not there"):
        folder.ids_at([3, -2])
    with pytest.raises(ShapeError, match="rows holds float64"):
        folder.ids_at([0.5])


def test_batches_cover_all_rows_and_may_be_kept(path: Path) -> None:
    folder = es.EmbeddingFolder(path)
    batches = list(folder.batches(5))
    assert [own for batch in batches for own in batch.ids] == list(IDS)
    assert max(len(batch.ids) for batch in batches) == 5
    together = np.vstack([batch.vectors for batch in batches])
    np.testing.assert_array_equal(together, as_stored(path))
    assert together.dtype == np.float32
    for part in folder.vectors:
        assert isinstance(part, np.memmap)
        assert not part.flags.writeable
    scales = folder.scales
    assert (scales is not None) == (folder.dtype == "int8")
    assert scales is None or [len(part) for part in scales] == [12] * 8 + [4]
    with pytest.raises(ShapeError, match="rows=0"):
        folder.batches(0)


def test_an_arrow_reader_streams_ids_and_vectors(path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="needs the extra 'data'")
    table = es.EmbeddingFolder(path).arrow_reader().read_all()
    assert table.column("id").to_pylist() == list(IDS)
    assert table.schema.field("vector").type == arrow.list_(arrow.float32(), 16)
    np.testing.assert_array_equal(np.vstack(table.column("vector").to_pylist()), as_stored(path))


def test_what_is_no_folder_of_embeddings_is_refused(tmp_path: Path) -> None:
    for read in (es.EmbeddingFolder, es.Index.open):
        with pytest.raises(DataError, match="has no shards.json; name a folder that embedsmith"):
            read(tmp_path)
    np.save(tmp_path / "a.npy", np.eye(3, dtype=np.float32))
    (tmp_path / "shards.json").write_text(
        '{"version": 1, "shards": [{"file": "a.npy", "rows": 3}]}'
    )
    with pytest.raises(DataError, match="names no metric.*topk with metric"):
        es.Index.open(tmp_path)
    with pytest.raises(DataError, match="of schema None"):
        es.EmbeddingFolder(tmp_path)
    assert es.topk(np.ones((1, 3)), tmp_path, k=1).rows.tolist() == [[0]]


def test_a_shard_file_is_checked_before_it_is_mapped(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy", reason="comes with the extra 'st'")
    file = tmp_path / "a.safetensors"
    tensors = {
        "truncated": np.array([True, False]),
        "vectors": np.arange(6, dtype=np.float16).reshape(2, 3),
        "ends": np.array([1, 2], dtype=np.int64),
        "none": np.zeros((0, 3), np.float32),
    }
    found = write_shard(file, tensors, {"schema": "x"})
    assert found.n_bytes == file.stat().st_size
    for name, value in safetensors.load_file(file).items():
        np.testing.assert_array_equal(value, tensors[name])
    shard = read_shard(file)
    assert shard.metadata == {"schema": "x"}
    assert shard.tensors["vectors"].offset % 2 == shard.tensors["ends"].offset % 64 == 0
    for name, value in tensors.items():
        np.testing.assert_array_equal(shard.map(name), value)
    whole = file.read_bytes()
    for end in (0, 7, 8, 40, len(whole) - 1):
        file.write_bytes(whole[:end])
        with pytest.raises(DataError, match="is no whole safetensors file"):
            read_shard(file)
    for old, new in ((b'"F16"', b'"X16"'), (b"[2,3]", b"[2,9]"), (b'"dtype"', b'"dtyqe"')):
        file.write_bytes(whole.replace(old, new))
        with pytest.raises(DataError, match="no table of tensors of numbers"):
            read_shard(file)
    with pytest.raises(DataError, match=r"none\.safetensors cannot be read"):
        read_shard(tmp_path / "none.safetensors")


def test_shard_files_of_others_are_searched_by_their_vectors(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy", reason="comes with the extra 'st'")
    rows = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
    safetensors.save_file({"vectors": rows, "other": rows[:, 0].copy()}, tmp_path / "a.safetensors")
    manifest = '{"version": 1, "shards": [{"file": "a.safetensors", "rows": 9}]}'
    (tmp_path / "shards.json").write_text(manifest)
    expected = es.topk(rows[:2], rows, k=4)
    np.testing.assert_array_equal(es.topk(rows[:2], tmp_path, k=4).rows, expected.rows)
    safetensors.save_file({"embeddings": rows}, tmp_path / "a.safetensors")
    with pytest.raises(DataError, match="has no matrix of numbers named 'vectors'; it has embedd"):
        es.topk(rows[:2], tmp_path)
    tensors = {"vectors": rows.astype(np.int8), "scales": np.ones(3, np.float32)}
    safetensors.save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(DataError, match=r"has scales of shape \(3,\) for 9 rows"):
        es.topk(rows[:2], tmp_path)
