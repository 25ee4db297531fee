"""What a list of shards is, and that its answer is that of one matrix."""

from __future__ import annotations

from collections import UserList
from typing import Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.exceptions import NonFiniteError, ShapeError
from embedsmith.search._read_ahead import common_half, cut_in_blocks, read_blocks
from embedsmith.search._shards import as_shards, topk_shards
from tests.unit.search.shard_corpus import (
    CORPUS,
    EXPECTED,
    QUERIES,
    SHARDS,
    assert_same,
    save,
)

pytestmark = pytest.mark.usefixtures("small_blocks")


def test_shards_in_every_form_are_one_corpus(tmp_path) -> None:
    torch = pytest.importorskip("torch")
    paths = save(tmp_path)
    whole = tmp_path / "whole" / "all.npy"
    whole.parent.mkdir()
    np.save(whole, CORPUS)
    maps = [np.load(path, mmap_mode="r") for path in paths]
    forms = [
        SHARDS,
        tuple(SHARDS),
        UserList(SHARDS),
        [CORPUS],
        paths,
        [str(path) for path in paths],
        maps,
        [SHARDS[0], paths[1], maps[2]],
        [torch.from_numpy(shard) for shard in SHARDS],
        tmp_path,
        str(tmp_path),
        whole,
        str(whole),
        whole.parent,
    ]
    for corpus in forms:
        assert as_shards(corpus) is not None
        assert_same(es.topk(QUERIES, corpus, k=15))


def test_rows_and_numbers_in_a_list_are_a_matrix_as_ever() -> None:
    for corpus in (
        CORPUS.tolist(),
        list(CORPUS),
        tuple(map(tuple, CORPUS.tolist())),
        UserList(CORPUS.tolist()),
        CORPUS,
        np.asfortranarray(CORPUS),
    ):
        assert as_shards(corpus) is None
        assert_same(es.topk(QUERIES, corpus, k=15))


@pytest.mark.parametrize(
    ("corpus", "match"),
    [
        ([SHARDS[0], [1.0] * 12], "a shard at 0 and a list at 1; pass shards only"),
        ([CORPUS[0], SHARDS[0]], "a shard at 1 and a ndarray at 0"),
        ((shard for shard in SHARDS), "a generator, whose items.*pass a list"),
        ({"a.npy"}, "a set, whose items"),
        ({0: SHARDS[0]}, "a dict, whose items"),
        ([SHARDS[0], SHARDS[1][:, :5]], "shard 1 has 5 columns but corpus shard 0 has 12.*model"),
        ([SHARDS[0], SHARDS[1][:0]], "corpus shard 1 is empty; leave it out"),
        ([SHARDS[0], SHARDS[1].astype(str)], "corpus shard 1 holds str"),
        ([SHARDS[0], SHARDS[1] > 0], "corpus shard 1 holds bool"),
        ([], "corpus has one axis"),
        ([CORPUS[:, :5]], "queries have 12 columns but corpus has 5"),
    ],
)
def test_what_is_no_list_of_shards_is_named(corpus, match) -> None:
    with pytest.raises(ShapeError, match=match):
        es.topk(QUERIES, corpus)


def test_arguments_are_checked_as_for_one_matrix() -> None:
    for how, match in (
        ({"k": 0}, "k=0"),
        ({"metric": "cosin"}, "did you mean 'cosine'"),
        ({"threads": 0}, "threads=0"),
        ({"where": np.ones(299, dtype=bool)}, r"boolean mask of shape \(300,\)"),
        ({"exclude": [[1]]}, "1 entries for 9 queries"),
        ({"exclude": [[], [300], *[[]] * 7]}, "row 300 for query 1, but corpus has rows 0 to 299"),
        ({"exclude": [[], [-2], *[[]] * 7]}, "row -2 for query 1"),
    ):
        with pytest.raises(ShapeError, match=match):
            es.topk(QUERIES, SHARDS, **how)
    with pytest.raises(ShapeError, match="queries is empty"):
        es.topk(QUERIES[:0], SHARDS)


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_exclude_and_where_count_rows_over_all_shards(metric, tmp_path) -> None:
    save(tmp_path)
    where = np.arange(300) % 5 != 0
    exclude = np.random.default_rng(1).integers(-1, 300, (9, 40))
    how: dict[str, Any] = {"k": 300, "metric": metric, "where": where, "exclude": exclude}
    assert_same(es.topk(QUERIES, tmp_path, **how), es.topk(QUERIES, CORPUS, **how))
    assert_same(es.topk(QUERIES, SHARDS, **how), es.topk(QUERIES, CORPUS, **how))


def test_blocks_without_a_row_to_find_are_not_read(tmp_path) -> None:
    paths = save(tmp_path)
    where = np.zeros(300, dtype=bool)
    where[[40, 42]] = True
    shards = as_shards(tmp_path)
    assert shards is not None
    paths[2].unlink()
    how: dict[str, Any] = {"k": 3, "metric": "dot", "where": where}
    hits = topk_shards(QUERIES, shards, exclude=None, threads=None, **how)
    assert_same(hits, es.topk(QUERIES, CORPUS, **how))
    where[:] = False
    hits = topk_shards(QUERIES, shards, exclude=None, threads=None, **how)
    assert (hits.rows == -1).all()


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_names_the_row_in_the_corpus_and_in_its_shard(metric, bad, tmp_path) -> None:
    corpus = CORPUS.copy()
    # Late rows, whose blocks are searched with a least score.
    corpus[210, 3] = corpus[212] = bad
    paths = save(tmp_path, [corpus[:200], corpus[200:]])
    message = r"corpus row 210 \(row 10 of shard 1{}\) holds NaN or infinity.*drop the row"
    for shards, place in (
        ([corpus[:200], corpus[200:]], ""),
        (tmp_path, rf" \({paths[1]}\)"),
        ([corpus[:200], corpus[200:].astype(np.float64)], ""),
    ):
        for threads in (1, 2):
            with pytest.raises(NonFiniteError, match=message.format(place)):
                es.topk(QUERIES, shards, metric=metric, threads=threads)
    np.save(tmp_path / "one.npy", corpus)
    with pytest.raises(NonFiniteError, match=rf"corpus row 210 \({tmp_path / 'one.npy'}\) holds"):
        es.topk(QUERIES, tmp_path / "one.npy", metric=metric)
    bad_query = np.where(np.arange(9)[:, None] == 2, np.nan, QUERIES)
    with pytest.raises(NonFiniteError, match="queries row 2 holds NaN"):
        es.topk(bad_query, [corpus[210:], corpus[:210]], metric=metric)
    # What is masked out may hold anything, and is not what the message names.
    where = np.arange(300) != 210
    with pytest.raises(NonFiniteError, match=r"corpus row 212 \(row 12 of shard 1"):
        es.topk(QUERIES, shards, metric=metric, where=where)
    where[212] = False
    hits = es.topk(QUERIES, shards, metric=metric, where=where)
    assert_same(hits, es.topk(QUERIES, CORPUS, metric=metric, where=where))


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_float64_beyond_float32_is_told_from_an_infinity(order, tmp_path) -> None:
    corpus = np.asarray(CORPUS.astype(np.float64), order=order)
    corpus[250, 1] = 1e300
    save(tmp_path, [corpus])
    message = r"corpus row 250 \(row 250 of shard 0.*\) holds 1e\+300, which float32 cannot hold"
    for shards in ([corpus], tmp_path):
        with pytest.raises(NonFiniteError, match=message):
            es.topk(QUERIES, shards)


def test_half_precision_is_searched_as_it_is(tmp_path) -> None:
    torch, ml_dtypes = pytest.importorskip("torch"), pytest.importorskip("ml_dtypes")
    values = CORPUS / 7  # rounded by each of them, and differently
    for dtype in (np.float16, ml_dtypes.bfloat16):
        rounded = values.astype(dtype)
        expected = es.topk(QUERIES, rounded.astype(np.float32), k=15)
        halves = [rounded[:100], rounded[100:101], rounded[101:]]
        forms: list[Any] = [halves, [np.asfortranarray(half) for half in halves]]
        if dtype == np.float16:
            paths = save(tmp_path, halves)
            forms += [tmp_path, [halves[0], *paths[1:]]]
        else:
            forms.append([torch.tensor(half.astype(np.float32)).bfloat16() for half in halves])
        for corpus in forms:
            shards = as_shards(corpus)
            assert shards is not None
            half = common_half(shards.sources)
            assert half == np.dtype(dtype).name
            blocks = cut_in_blocks(shards.sources, None)
            assert blocks[0].last == 46  # twice the rows of float32
            assert next(read_blocks(blocks, half))[1].dtype == np.uint16
            assert_same(es.topk(QUERIES, corpus, k=15), expected)
        # Beside another precision it widens.
        mixed = [halves[0], halves[1].astype(np.float32), halves[2]]
        assert common_half(as_shards(mixed).sources) is None  # type: ignore[union-attr]
        assert_same(es.topk(QUERIES, mixed, k=15), expected)
        assert_same(es.topk(QUERIES, [forms[-1][0], *mixed[1:]], k=15), expected)


def test_nan_in_half_precision_names_its_row(tmp_path) -> None:
    bad = CORPUS.astype(np.float16)
    bad[210, 3] = np.nan
    save(tmp_path, [bad[:200], bad[200:]])
    for corpus in ([bad[:200], bad[200:]], tmp_path, [bad[:200].astype(np.float32), bad[200:]]):
        with pytest.raises(NonFiniteError, match=r"corpus row 210 \(row 10 of shard 1.*NaN"):
            es.topk(QUERIES, corpus)


def test_statistics_are_those_of_all_blocks() -> None:
    hits = es.topk(QUERIES, SHARDS, k=15, stats=True)
    assert_same(hits, EXPECTED)
    assert hits.stats is not None
    assert sum(hits.stats.rows.values()) >= 300
    assert hits.stats.scored_per_query >= 15
    assert hits.stats.seconds > 0
    np.testing.assert_allclose(
        hits.stats.gflops * hits.stats.seconds, 2e-9 * QUERIES.size * len(CORPUS)
    )
    assert es.topk(QUERIES, SHARDS, k=15).stats is None


def test_tensors_are_returned_on_request() -> None:
    torch = pytest.importorskip("torch")
    hits = es.topk(QUERIES, SHARDS, k=15, as_tensors=True)
    assert torch.equal(hits.rows, torch.from_numpy(EXPECTED.rows))
    assert torch.equal(hits.exact, torch.from_numpy(EXPECTED.exact))


def test_progress_is_told_and_checked() -> None:
    told: list[tuple[int, int]] = []
    es.topk(QUERIES, SHARDS, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (300, 300)
    assert told.count((300, 300)) == 1
    with pytest.raises(ShapeError, match="progress=3 cannot be called"):
        es.topk(QUERIES, SHARDS, progress=3)  # type: ignore[call-overload]
