"""Laws of a corpus compared with itself, against the definition and against plain search."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from unittest import mock

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import embedsmith as es
from embedsmith._core import available_isas
from embedsmith.search._pairs import neighbours_within, pairs_within

if TYPE_CHECKING:
    from embedsmith._typing import Metric

METRICS: tuple[Metric, ...] = ("cosine", "dot", "l2")
DIMS = (1, 2, 7, 16, 17, 33, 63, 64, 65, 127, 384)
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


def goodness_of(rows: np.ndarray, metric: str) -> np.ndarray:
    """Score every row with every row, larger is better."""
    x = rows.astype(np.float64)
    if metric == "l2":
        return 0.0 - canonical_sum((x[:, None] - x[None]) ** 2)
    products: np.ndarray = canonical_sum(x[:, None] * x[None])
    if metric == "dot":
        return products
    norms = np.sqrt(canonical_sum(x * x))
    scale = norms[:, None] * norms[None]
    cosines: np.ndarray = np.where(scale == 0, 0.0, products / np.where(scale == 0, 1.0, scale))
    return cosines


def expected_pairs(goodness: np.ndarray, least: float) -> list[tuple[float, int, int]]:
    """List the pairs that reach `least` as (badness, first, second), in order."""
    first, second = np.triu_indices(len(goodness), 1)
    good = goodness[first, second] >= least
    badness = 0.0 - goodness[first[good], second[good]]
    return sorted(zip(badness.tolist(), first[good].tolist(), second[good].tolist(), strict=True))


@st.composite
def corpora(draw: Any) -> np.ndarray:
    dim = draw(st.sampled_from(DIMS))
    n = draw(st.integers(1, 90))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(("normal", "integers", "tricky", "duplicates", "tiny steps")))
    if kind == "normal":
        values = rng.standard_normal((n, dim)) + rng.choice([0.0, 2.0])
    elif kind == "integers":  # ties everywhere, exact in every precision
        values = rng.integers(-2, 3, (n, dim)).astype(np.float64)
    elif kind == "tricky":
        values = rng.choice(TRICKY, (n, dim))
    elif kind == "duplicates":
        values = rng.standard_normal((3, dim))[rng.integers(0, 3, n)]
    else:  # neighbours closer than float32 sums can tell
        values = np.float32(rng.standard_normal(dim)) + np.float64(1e-7) * rng.integers(
            -2, 3, (n, dim)
        )
    values = values.astype(np.float32)
    values[rng.random(n) < draw(st.sampled_from((0.0, 0.2)))] = 0.0
    return np.asarray(values)


@pytest.mark.parametrize("isa", available_isas())
@settings(max_examples=50, deadline=None)
@given(rows=corpora(), metric=st.sampled_from(METRICS), data=st.data())
def test_pairs_and_neighbours_are_the_definition_bit_for_bit(
    isa: str, rows: np.ndarray, metric: Metric, data: st.DataObject
) -> None:
    how: dict[str, Any] = {
        "threads": data.draw(st.sampled_from((1, 2, 5))),
        "precision": data.draw(st.sampled_from((None, "int8", "bf16", "f32"))),
        "progress": None,
    }
    goodness = goodness_of(rows, metric)
    # At a pair's very score, or somewhere.
    place = data.draw(st.integers(0, goodness.size - 1))
    least = data.draw(st.sampled_from((float(goodness.flat[place]), 0.5, -1.0)))
    k = data.draw(st.integers(1, len(rows) + 5))
    with mock.patch.dict(os.environ, {"EMBEDSMITH_ISA": isa}):
        content = es.Index(rows, metric=metric)._in_one_piece()
        sign = -1.0 if metric == "l2" else 1.0
        pairs = pairs_within(content, sign * least, max_pairs=10_000, **how)
        hits = neighbours_within(content, k, stats=False, **how)
        plain = es.topk(rows, rows, k=k, metric=metric, exclude=np.arange(len(rows)))
    expected = expected_pairs(goodness, least)
    assert [(i, j) for i, j, _ in pairs] == [(i, j) for _, i, j in expected]
    np.testing.assert_array_equal(pairs.exact, -sign * np.array([b for b, *_ in expected]))
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(pairs.scores, pairs.exact.astype(np.float32))
    width = min(k, len(rows) - 1)
    assert hits.rows.shape == (len(rows), width)
    np.testing.assert_array_equal(hits.rows, plain.rows[:, :width])
    bits, expected_bits = hits.exact.view(np.uint64), plain.exact[:, :width].view(np.uint64)
    np.testing.assert_array_equal(bits, expected_bits)
    np.testing.assert_array_equal(hits.scores, plain.scores[:, :width])


@settings(max_examples=40, deadline=None)
@given(rows=corpora(), metric=st.sampled_from(METRICS), k=st.integers(1, 20))
def test_halves_are_compared_as_what_they_widen_to(
    rows: np.ndarray, metric: Metric, k: int
) -> None:
    narrow = np.where(np.isfinite(rows.astype(ml_dtypes.bfloat16)), rows, 1.0)
    halves = narrow.astype(ml_dtypes.bfloat16)
    hits = es.topk_self(halves, k, metric=metric)
    widened = es.topk_self(halves.astype(np.float32), k, metric=metric)
    np.testing.assert_array_equal(hits.rows, widened.rows)
    np.testing.assert_array_equal(hits.exact, widened.exact)


@settings(max_examples=40, deadline=None)
@given(rows=corpora(), metric=st.sampled_from(METRICS))
def test_a_stricter_threshold_gives_a_prefix_and_neighbours_are_pairs(
    rows: np.ndarray, metric: Metric
) -> None:
    loosest = float("inf") if metric == "l2" else float("-inf")
    pairs = es.pairs_above(rows, loosest, metric=metric)
    assert len(pairs) == len(rows) * (len(rows) - 1) // 2
    assert (pairs.first < pairs.second).all()
    if len(pairs):
        strict = es.pairs_above(rows, float(pairs.exact[len(pairs) // 3]), metric=metric)
        assert list(strict) == list(pairs)[: len(strict)]
        # The best pair is each other's best.
        hits = es.topk_self(rows, 1, metric=metric)
        best = hits.exact.min() if metric == "l2" else hits.exact.max()
        assert best == pairs.exact[0]


@pytest.mark.parametrize("isa", available_isas())
@pytest.mark.parametrize("metric", METRICS)
def test_many_batches_and_threads_give_what_plain_search_gives(
    isa: str, metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More rows than one batch packs, a tenth of them copies, sorted by cluster."""
    monkeypatch.setenv("EMBEDSMITH_ISA", isa)
    rng = np.random.default_rng(7)
    n = 4_500
    rows = np.repeat(rng.standard_normal((n // 15, 40)), 15, axis=0)
    rows = (rows + 0.5 * rng.standard_normal((n, 40))).astype(np.float32)
    rows[rng.integers(0, n, n // 10)] = rows[rng.integers(0, n, n // 10)]
    plain = es.topk(rows, rows, k=25, metric=metric, exclude=np.arange(n))
    threshold = float(np.median(plain.exact[:, 3]))
    reach = (plain.exact <= threshold) if metric == "l2" else (plain.exact >= threshold)
    assert not reach[:, -1].any()
    expected = {
        (min(i, j), max(i, j)) for i, row in enumerate(plain.rows) for j in row[reach[i]].tolist()
    }
    for threads in (1, 3):
        hits = es.topk_self(rows, 25, metric=metric, threads=threads)
        np.testing.assert_array_equal(hits.rows, plain.rows)
        np.testing.assert_array_equal(hits.exact, plain.exact)
        pairs = es.pairs_above(rows, threshold, metric=metric, threads=threads)
        assert {(i, j) for i, j, _ in pairs} == expected
        assert len(pairs) == len(expected)
