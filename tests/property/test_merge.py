"""Laws of merging: any cut of a corpus, searched in parts, is one search, bit for bit."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import embedsmith as es
from embedsmith.search import _read_ahead, _sources


def assert_same(hits: es.TopK, expected: es.TopK) -> None:
    np.testing.assert_array_equal(hits.rows, expected.rows)
    np.testing.assert_array_equal(hits.exact.view(np.uint64), expected.exact.view(np.uint64))
    np.testing.assert_array_equal(hits.scores.view(np.uint32), expected.scores.view(np.uint32))
    assert (hits.metric, hits.n_docs) == (expected.metric, expected.n_docs)


@st.composite
def cut_corpora(draw: Any) -> dict[str, Any]:
    n, dim = draw(st.integers(1, 90)), draw(st.sampled_from((1, 2, 3, 17)))
    n_queries = draw(st.sampled_from((1, 2, 5, 33)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(("few values", "duplicates", "all equal", "tiny steps")))
    if kind == "few values":
        values = rng.integers(-1, 2, (n + n_queries, dim)).astype(np.float32)
    elif kind == "duplicates":
        values = rng.standard_normal((3, dim))[rng.integers(0, 3, n + n_queries)]
    elif kind == "all equal":
        values = np.ones((n + n_queries, dim)) * draw(st.sampled_from((0.0, -0.0, 1.0, -2.5)))
    else:  # float32 scores tie where the canonical ones differ
        values = 1 + 1e-7 * rng.integers(-2, 3, (n + n_queries, dim))
    values = values.astype(np.float32)
    cuts = sorted(draw(st.sets(st.integers(1, max(n - 1, 1)), max_size=6)) - {n})
    limits = draw(st.booleans())
    return {
        "corpus": values[:n],
        "queries": values[n:],
        "bounds": list(zip([0, *cuts], [*cuts, n], strict=True)),
        "k": draw(st.integers(1, n + 3)),
        "metric": draw(st.sampled_from(("cosine", "dot", "l2"))),
        "where": rng.random(n) < draw(st.sampled_from((0.0, 0.2, 0.8))) if limits else None,
        "exclude": [rng.choice(n, rng.integers(0, 4)) for _ in range(n_queries)]
        if limits
        else None,
    }


@settings(max_examples=300, deadline=None)
@given(problem=cut_corpora())
def test_merged_parts_are_one_search(problem: dict[str, Any]) -> None:
    corpus, queries, bounds = problem["corpus"], problem["queries"], problem["bounds"]
    k, metric = problem["k"], problem["metric"]
    where, exclude = problem["where"], problem["exclude"]
    expected = es.topk(queries, corpus, k=k, metric=metric, where=where, exclude=exclude)
    parts = [
        es.topk(
            queries,
            corpus[first:last],
            k=k,
            metric=metric,
            where=None if where is None else where[first:last],
            exclude=None
            if exclude is None
            else [rows[(rows >= first) & (rows < last)] - first for rows in exclude],
        )
        for first, last in bounds
    ]
    offsets = [first for first, _ in bounds]
    assert_same(es.merge_topk(parts, offsets=offsets, k=k), expected)
    # The order of the parts is of no matter.
    assert_same(es.merge_topk(parts[::-1], offsets=offsets[::-1], k=k), expected)
    # A shorter answer is the longer one's beginning.
    short = es.merge_topk(parts, offsets=offsets, k=1)
    np.testing.assert_array_equal(short.rows, expected.rows[:, :1])


@settings(max_examples=200, deadline=None)
@given(problem=cut_corpora(), rows_a_block=st.integers(1, 40), mapped=st.booleans())
def test_searched_shards_are_one_search(
    problem: dict[str, Any], rows_a_block: int, *, mapped: bool
) -> None:
    corpus, queries = problem["corpus"], problem["queries"]
    how = {name: problem[name] for name in ("k", "metric", "where", "exclude")}
    shards = [corpus[first:last] for first, last in problem["bounds"]]
    if mapped:  # a type that must be converted, so that blocks are read and not borrowed
        shards = [np.asfortranarray(shard.astype(np.float64)) for shard in shards]
    with (
        mock.patch.object(_read_ahead, "BLOCK_BYTES", rows_a_block * corpus.shape[1] * 4),
        mock.patch.object(_sources, "_PIECE_BYTES", 64),
    ):
        assert_same(es.topk(queries, shards, **how), es.topk(queries, corpus, **how))
