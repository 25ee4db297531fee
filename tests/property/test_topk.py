"""Laws of exact search, against the definition written in numpy float64."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import embedsmith as es
from embedsmith._core import available_isas

if TYPE_CHECKING:
    from embedsmith._typing import Metric

METRICS: tuple[Metric, ...] = ("cosine", "dot", "l2")
# Around every vector width, and the widths of real models.
DIMS = (1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 384, 768, 1025)
TRICKY = np.array([0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-45, -1e-38, 1e-20, 1e19, -3e38, 1.0000001])


def canonical_sum(terms: np.ndarray) -> np.ndarray:
    """Sum float64 terms over the last axis: 16 lanes in order, then halves onto halves."""
    padding = -terms.shape[-1] % 16
    padded = np.concatenate([terms, np.zeros((*terms.shape[:-1], padding))], axis=-1)
    lanes = np.zeros((*terms.shape[:-1], 16))
    for start in range(0, padded.shape[-1], 16):
        lanes = lanes + padded[..., start : start + 16]
    for half in (8, 4, 2, 1):
        lanes = lanes[..., :half] + lanes[..., half : 2 * half]
    return lanes[..., 0]


def oracle(
    queries: np.ndarray, corpus: np.ndarray, k: int, metric: str, left: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Score every pair, sort by score and row, keep ``left[query, row]`` only."""
    q, x = queries.astype(np.float64), corpus.astype(np.float64)
    if metric == "l2":
        badness = canonical_sum((q[:, None] - x[None]) ** 2)
    else:
        badness = -canonical_sum(q[:, None] * x[None])
    if metric == "cosine":
        norms = np.sqrt(canonical_sum(q * q))[:, None] * np.sqrt(canonical_sum(x * x))[None]
        badness = np.where(norms == 0, 0.0, badness / np.where(norms == 0, 1.0, norms))
    width = min(k, len(corpus))
    rows = np.full((len(queries), width), -1, dtype=np.int64)
    scores = np.full(rows.shape, np.inf if metric == "l2" else -np.inf, dtype=np.float32)
    for query in range(len(queries)):
        candidates = np.flatnonzero(left[query])
        order = candidates[np.argsort(badness[query, candidates], kind="stable")][:width]
        rows[query, : len(order)] = order
        values = badness[query, order] if metric == "l2" else -badness[query, order]
        with np.errstate(over="ignore"):
            scores[query, : len(order)] = (values + 0.0).astype(np.float32)
    return scores, rows


@st.composite
def problems(draw: Any) -> dict[str, Any]:
    dim = draw(st.sampled_from(DIMS))
    n = draw(st.integers(1, 70))
    n_queries = draw(st.sampled_from((1, 2, 3, 4, 5, 16, 17, 33, 65)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(("normal", "integers", "tricky", "duplicates", "tiny steps")))
    total = n + n_queries
    if kind == "normal":
        values = rng.standard_normal((total, dim))
    elif kind == "integers":  # ties everywhere, exact in every precision
        values = rng.integers(-2, 3, (total, dim)).astype(np.float64)
    elif kind == "tricky":
        values = rng.choice(TRICKY, (total, dim))
    elif kind == "duplicates":
        values = rng.standard_normal((3, dim))[rng.integers(0, 3, total)]
    else:  # neighbours closer than float32 sums can tell
        values = np.float32(rng.standard_normal(dim)) + np.float64(1e-7) * rng.integers(
            -2, 3, (total, dim)
        )
    values = values.astype(np.float32)
    values[rng.random(total) < draw(st.sampled_from((0.0, 0.2)))] = 0.0
    return {
        "queries": values[n:],
        "corpus": values[:n],
        "k": draw(st.integers(1, n + 5)),
        "metric": draw(st.sampled_from(METRICS)),
        "threads": draw(st.sampled_from((1, 2, 5))),
        "rng": rng,
    }


@pytest.mark.parametrize("isa", available_isas())
@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_topk_is_the_definition_bit_for_bit(isa: str, problem: dict[str, Any]) -> None:
    queries, corpus, rng = problem["queries"], problem["corpus"], problem["rng"]
    k, metric = problem["k"], problem["metric"]
    with mock.patch.dict(os.environ, {"EMBEDSMITH_ISA": isa}):
        everything = np.ones((len(queries), len(corpus)), dtype=bool)
        hits = es.topk(queries, corpus, k=k, metric=metric, threads=problem["threads"])
        scores, rows = oracle(queries, corpus, k, metric, everything)
        np.testing.assert_array_equal(hits.rows, rows)
        np.testing.assert_array_equal(hits.scores.view(np.uint32), scores.view(np.uint32))

        where = rng.random(len(corpus)) < 0.7
        excluded = [rng.choice(len(corpus), rng.integers(0, 4)) for _ in queries]
        left = everything & where
        for query, banned in enumerate(excluded):
            left[query, banned] = False
        hits = es.Index(corpus, metric=metric).search(queries, k, exclude=excluded, where=where)
        scores, rows = oracle(queries, corpus, k, metric, left)
        np.testing.assert_array_equal(hits.rows, rows)
        np.testing.assert_array_equal(hits.scores.view(np.uint32), scores.view(np.uint32))


@settings(max_examples=40, deadline=None)
@given(problem=problems())
def test_a_shorter_list_is_a_prefix_and_queries_do_not_see_each_other(
    problem: dict[str, Any],
) -> None:
    queries, corpus = problem["queries"], problem["corpus"]
    metric = problem["metric"]
    full = es.topk(queries, corpus, k=len(corpus), metric=metric)
    short = es.topk(queries, corpus, k=problem["k"], metric=metric)
    width = short.rows.shape[1]
    np.testing.assert_array_equal(short.rows, full.rows[:, :width])
    np.testing.assert_array_equal(short.scores, full.scores[:, :width])
    for query in (0, len(queries) - 1):
        alone = es.topk(queries[query : query + 1], corpus, k=problem["k"], metric=metric)
        np.testing.assert_array_equal(alone.rows[0], short.rows[query])
        np.testing.assert_array_equal(alone.scores[0], short.scores[query])


@pytest.mark.parametrize("isa", available_isas())
@pytest.mark.parametrize("metric", METRICS)
def test_many_blocks_and_threads_give_the_definition(
    isa: str, metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Larger than one block, a tenth of it duplicated, sorted so that every row beats the last."""
    monkeypatch.setenv("EMBEDSMITH_ISA", isa)
    rng = np.random.default_rng(7)
    corpus = rng.standard_normal((6_000, 48)).astype(np.float32)
    queries = rng.standard_normal((70, 48)).astype(np.float32)
    corpus[rng.integers(0, 6_000, 600)] = corpus[rng.integers(0, 6_000, 600)]
    corpus = corpus[np.argsort(corpus @ queries[0])]
    scores, rows = oracle(queries, corpus, 100, metric, np.ones((70, 6_000), dtype=bool))
    for threads in (1, 2, 3):
        hits = es.topk(queries, corpus, k=100, metric=metric, threads=threads)
        np.testing.assert_array_equal(hits.rows, rows)
        np.testing.assert_array_equal(hits.scores.view(np.uint32), scores.view(np.uint32))
