"""What merge_topk takes, refuses and keeps; its laws are in tests/property."""

from __future__ import annotations

import pickle
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.exceptions import NonFiniteError, ShapeError
from embedsmith.search import _best, _merge

if TYPE_CHECKING:
    from embedsmith._typing import Metric

RNG = np.random.default_rng(0)
# Small integers: ties everywhere.
CORPUS = RNG.integers(-1, 2, (60, 4)).astype(np.float32)
QUERIES = RNG.integers(-1, 2, (7, 4)).astype(np.float32)
CUTS = (0, 20, 21, 60)


def parts_of(k: int = 5, metric: Metric = "cosine", cuts: tuple[int, ...] = CUTS) -> list[es.TopK]:
    return [es.topk(QUERIES, CORPUS[a:b], k=k, metric=metric) for a, b in pairwise(cuts)]


def assert_same(hits: es.TopK, expected: es.TopK) -> None:
    np.testing.assert_array_equal(hits.rows, expected.rows)
    np.testing.assert_array_equal(hits.exact.view(np.uint64), expected.exact.view(np.uint64))
    np.testing.assert_array_equal(hits.scores.view(np.uint32), expected.scores.view(np.uint32))
    assert (hits.metric, hits.n_docs) == (expected.metric, expected.n_docs)


def changed(hits: es.TopK, **arrays: Any) -> es.TopK:
    """Return a copy of hits with other arrays."""
    kept: dict[str, Any] = {
        name: getattr(hits, name) for name in ("scores", "rows", "exact", "metric", "n_docs")
    }
    return es.TopK(**{**kept, **arrays})


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_the_metric_and_the_width_come_from_the_parts(metric) -> None:
    expected = es.topk(QUERIES, CORPUS, k=5, metric=metric)
    # The part of one row is narrower than k, and whole.
    assert_same(es.merge_topk(parts_of(5, metric), offsets=CUTS[:-1]), expected)
    assert_same(es.merge_topk(parts_of(5, metric)[::-1], offsets=CUTS[2::-1]), expected)
    assert_same(es.merge_topk(parts_of(9, metric), k=5, offsets=np.array(CUTS[:-1])), expected)


def test_parts_that_are_whole_vouch_for_any_k() -> None:
    parts = parts_of(k=60)
    assert_same(es.merge_topk(parts, offsets=CUTS[:-1]), es.topk(QUERIES, CORPUS, k=60))
    assert_same(es.merge_topk(parts, offsets=CUTS[:-1], k=7), es.topk(QUERIES, CORPUS, k=7))
    assert_same(es.merge_topk(parts, offsets=CUTS[:-1], k=10**30), es.topk(QUERIES, CORPUS, k=60))


def test_rows_of_one_corpus_are_merged_without_offsets() -> None:
    where = np.arange(60) % 3 == 0
    parts = [es.topk(QUERIES, CORPUS, k=5, where=mask) for mask in (where, ~where)]
    assert_same(es.merge_topk(iter(parts), offsets=None), es.topk(QUERIES, CORPUS, k=5))


def test_a_merge_of_merges_is_a_merge() -> None:
    parts = parts_of()
    first = es.merge_topk(parts[:2], offsets=CUTS[:2])
    assert first.n_docs == 21
    assert_same(es.merge_topk([first, parts[2]], offsets=[0, 21]), es.topk(QUERIES, CORPUS, k=5))
    # Rows 21 to 59 are not the rows of a corpus that starts at 0.
    last = es.merge_topk(parts[1:], offsets=CUTS[1:3])
    assert last.n_docs is None
    hits = es.merge_topk([changed(parts[0], n_docs=None), last], offsets=None)
    np.testing.assert_array_equal(hits.rows, es.topk(QUERIES, CORPUS, k=5).rows)


def test_empty_places_stay_at_the_end() -> None:
    worst_scores: dict[Metric, float] = {"dot": -np.inf, "l2": np.inf}
    for metric, worst in worst_scores.items():
        nothing = np.zeros(20, dtype=bool)
        one = nothing.copy()
        one[3] = True
        parts = [
            es.topk(QUERIES, CORPUS[:20], k=3, metric=metric, where=nothing),
            es.topk(QUERIES, CORPUS[20:40], k=3, metric=metric, where=one),
        ]
        hits = es.merge_topk(parts, offsets=[0, 20], k=30)
        assert hits.rows.shape == (7, 30)
        assert (hits.rows[:, 0] == 23).all()
        assert (hits.rows[:, 1:] == -1).all()
        assert (hits.scores[:, 1:] == worst).all()
        assert (hits.exact[:, 1:] == worst).all()


def test_queries_are_merged_in_pieces(monkeypatch) -> None:
    monkeypatch.setattr(_merge, "PLACES_AT_ONCE", 25)
    monkeypatch.setattr(_best, "PLACES_AT_ONCE", 25)
    assert_same(es.merge_topk(parts_of(), offsets=CUTS[:-1]), es.topk(QUERIES, CORPUS, k=5))


def test_hits_keep_what_merging_needs_through_a_pickle() -> None:
    parts = [pickle.loads(pickle.dumps(part)) for part in parts_of(metric="l2")]  # noqa: S301
    assert_same(es.merge_topk(parts, offsets=CUTS[:-1]), es.topk(QUERIES, CORPUS, k=5, metric="l2"))


def test_a_k_that_a_part_cannot_vouch_for_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"k=6 is more than parts\[0\].*best 5 of its 20 rows"):
        es.merge_topk(parts_of(k=5), offsets=CUTS[:-1], k=6)
    unknown = [changed(part, n_docs=None) for part in parts_of(k=60)]
    with pytest.raises(ShapeError, match=r"k=2 is more than parts\[1\].*best 1 of its rows"):
        es.merge_topk(unknown, offsets=CUTS[:-1], k=2)
    # One query has seen all that it may find; the others have not.
    limited = es.topk(QUERIES, CORPUS, k=20, exclude=[range(50), *[[]] * 6])
    assert (limited.rows[0, -1], limited.rows[1:, -1].min() >= 0) == (-1, True)
    with pytest.raises(ShapeError, match=r"k=21 is more than parts\[0\]"):
        es.merge_topk([limited], offsets=[0], k=21)
    with pytest.raises(ShapeError, match="k=0"):
        es.merge_topk(parts_of(), offsets=CUTS[:-1], k=0)


def test_forgotten_offsets_are_no_default() -> None:
    with pytest.raises(TypeError, match="offsets"):
        es.merge_topk(parts_of())  # type: ignore[call-arg]
    with pytest.raises(ShapeError, match="corpora of 1 and 39 rows.*offsets="):
        es.merge_topk(parts_of(), offsets=None)
    halves = parts_of(cuts=(0, 30, 60), k=30)
    with pytest.raises(ShapeError, match="row 0 comes twice for query 0.*offsets="):
        es.merge_topk(halves, offsets=None)


@pytest.mark.parametrize(
    ("offsets", "match"),
    [
        ([0, 20], "2 entries for 3 parts"),
        ([0, 19, 21], r"parts\[0\] covers rows 0 to 19, and parts\[1\] starts at 19"),
        ([21, 0, 19], r"parts\[2\] covers rows 19 to 57, and parts\[0\] starts at 21"),
        ([0, 0, 21], "overlap"),
        ([-20, 0, 1], "out of range"),
        ([0, 20, 2**63], "out of range"),
        ([0.0, 20.0, 21.0], "no integers"),
        (5, "no integers"),
    ],
)
def test_offsets_that_fit_no_corpus_are_refused(offsets, match) -> None:
    with pytest.raises(ShapeError, match=match):
        es.merge_topk(parts_of(), offsets=offsets)


def test_metrics_are_not_mixed_or_guessed() -> None:
    mixed = [parts_of()[0], parts_of(metric="dot")[1]]
    with pytest.raises(ShapeError, match=r"'cosine' \(parts\[0\]\), 'dot' \(parts\[1\]\)"):
        es.merge_topk(mixed, offsets=[0, 20])
    with pytest.raises(ShapeError, match="'cosine'.*metric='l2' is asked for"):
        es.merge_topk(parts_of(), offsets=CUTS[:-1], metric="l2")
    with pytest.raises(ShapeError, match="did you mean 'dot'"):
        es.merge_topk(parts_of(), offsets=CUTS[:-1], metric="dott")  # type: ignore[arg-type]
    unknown = [changed(part, metric=None) for part in parts_of(metric="l2")]
    with pytest.raises(ShapeError, match="do not know their metric.*metric="):
        es.merge_topk(unknown, offsets=CUTS[:-1])
    with pytest.raises(ShapeError, match="not in the order of metric='dot'"):
        es.merge_topk(unknown, offsets=CUTS[:-1], metric="dot")
    hits = es.merge_topk(unknown, offsets=CUTS[:-1], metric="l2")
    assert_same(hits, es.topk(QUERIES, CORPUS, k=5, metric="l2"))


def test_what_is_no_hits_of_a_search_is_refused() -> None:
    part = parts_of()[0]
    with pytest.raises(ShapeError, match="parts is empty"):
        es.merge_topk([], offsets=[])
    with pytest.raises(ShapeError, match=r"parts\[0\] is of type ndarray.*canonical"):
        es.merge_topk(part, offsets=[0])  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"parts\[1\] is of type tuple.*canonical"):
        es.merge_topk([part, tuple(part)], offsets=[0, 20])  # type: ignore[list-item]
    with pytest.raises(ShapeError, match=r"parts\[1\] answers 6 queries but parts\[0\] answers 7"):
        es.merge_topk([part, es.topk(QUERIES[:6], CORPUS)], offsets=[0, 20])
    with pytest.raises(ShapeError, match="int32.*int64"):
        es.merge_topk([changed(part, rows=part.rows.astype(np.int32))], offsets=[0])
    with pytest.raises(ShapeError, match="list.*expected|None.*expected"):
        es.merge_topk([changed(part, rows=part.rows.tolist())], offsets=[0])
    with pytest.raises(ShapeError, match="arrays of shapes"):
        es.merge_topk([changed(part, rows=part.rows[:, :2])], offsets=[0])
    with pytest.raises(ShapeError, match="arrays of shapes"):
        es.merge_topk([es.TopK(part.scores[0], part.rows[0], part.exact[0])], offsets=[0])


def with_value(array, place, value):
    copy = array.copy()
    copy[place] = value
    return copy


@pytest.mark.parametrize(
    ("field", "place", "value", "match"),
    [
        ("exact", (2, 1), 0.123, "query 2 (have scores|are not in the order)"),
        ("scores", (2, 1), 0.123, "query 2 have scores that are not their canonical"),
        ("rows", (3, 0), 59, r"parts\[0\] for query 3 (name rows beyond|are not in the order)"),
        ("rows", (3, 1), -1, "query 3 have an empty place"),
        ("rows", (3, 4), -2, "query 3 have an empty place"),
    ],
)
def test_hits_that_were_changed_are_refused(field, place, value, match) -> None:
    part = parts_of()[0]
    bad = changed(part, **{field: with_value(getattr(part, field), place, value)})
    with pytest.raises(ShapeError, match=match):
        es.merge_topk([bad, *parts_of()[1:]], offsets=CUTS[:-1])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_in_a_score_are_refused(value) -> None:
    part = parts_of()[1]
    bad = changed(part, exact=with_value(part.exact, (4, 0), value))
    with pytest.raises(NonFiniteError, match=r"parts\[1\] scores a row .* for query 4"):
        es.merge_topk([parts_of()[0], bad], offsets=[0, 20])


def test_a_row_beyond_its_corpus_is_refused() -> None:
    part = parts_of()[0]
    with pytest.raises(ShapeError, match="rows beyond the corpus"):
        es.merge_topk([changed(part, n_docs=2)], offsets=[0])
