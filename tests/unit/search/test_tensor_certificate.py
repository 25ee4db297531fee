"""The bounds of the device's pass hold, and need every term that they have."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.search._tensors import topk_tensors

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedsmith._typing import F32Array, Metric
    from embedsmith.search._tensor_certificate import Encoded

torch = pytest.importorskip("torch")

from embedsmith.search import _tensor_product, _tensor_search  # noqa: E402 -- they import torch
from embedsmith.search._tensor_certificate import Certificate, typical_size  # noqa: E402
from embedsmith.search._tensor_product import (  # noqa: E402
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    Format,
    formats_of,
    product,
)
from embedsmith.search._tensor_scores import canonical_norms, canonical_sum, goodness, narrow, widen  # noqa: E402
from embedsmith.search._tensor_search import Sizes  # noqa: E402
from embedsmith.search._tensor_top import Batch  # noqa: E402

METRICS: tuple[Metric, ...] = ("cosine", "dot", "l2")
FORMATS = pytest.mark.parametrize(
    "form", [FLOAT16, BFLOAT16, FLOAT32], ids=["float16", "bfloat16", "float32"]
)


def truths(metric: Metric, queries: F32Array, corpus: F32Array, both: np.ndarray) -> np.ndarray:
    """Return the truth of every pair in the certificate's units; ``both`` is ``s t`` per query."""
    hits = es.topk(queries, corpus, k=len(corpus), metric=metric)
    scores = np.empty(hits.exact.shape)
    np.put_along_axis(scores, hits.rows, hits.exact, axis=1)
    if metric == "l2":
        squares = (queries.astype(np.longdouble) ** 2).sum(axis=1)[:, None]
        return np.asarray((squares - scores) * both / 2)
    return np.asarray(scores * both if metric == "dot" else scores)


def encode(
    metric: Metric, queries: F32Array, corpus: F32Array, form: Format
) -> tuple[Certificate, Encoded, Encoded]:
    rows = torch.from_numpy(corpus)
    certificate = Certificate(metric, corpus.shape[1], form, typical_size(rows))
    return certificate, certificate.queries(torch.from_numpy(queries)), certificate.rows(rows)


def scales(certificate: Certificate, queries: Encoded) -> np.ndarray:
    factor = queries.scale / certificate.unit
    return np.asarray(factor.numpy())


def tensor_core(block: int, toward: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a product as tensor cores compute it: blocks of addends cut to a common exponent."""

    def cut(values: np.ndarray, largest: np.ndarray) -> np.ndarray:
        _, exponent = np.frexp(largest)
        step = np.ldexp(1.0, exponent - 24)
        with np.errstate(invalid="ignore"):
            return np.where(np.isfinite(values), toward(values / step) * step, values)

    def multiply(queries: Any, rows: Any) -> Any:
        q, x = queries.double().numpy(), rows.double().numpy()
        total = np.zeros((len(q), len(x)))
        for start in range(0, q.shape[1], block):
            part = q[:, None, start : start + block] * x[None, :, start : start + block]
            addends = np.concatenate([part, total[..., None]], axis=-1)
            largest = np.where(np.isfinite(addends), np.abs(addends), 0).max(axis=-1)
            total = cut(addends, largest[..., None]).sum(axis=-1)
            total = cut(total, np.where(np.isfinite(total), np.abs(total), 0))
        return torch.from_numpy(total).float()

    return multiply


def hard_corpora(dim: int = 83, rows: int = 60) -> dict[str, F32Array]:
    """Return corpora that strain a bound, each in its own way."""
    rng = np.random.default_rng(5)
    normal = rng.standard_normal((rows, dim))
    giant = normal.copy()
    giant[7, 3] = 1e6
    ranging = normal * 10.0 ** rng.integers(-30, 15, (rows, 1))
    subnormal = normal * 1e-41
    zeros = normal.copy()
    zeros[::3] = 0
    corpora = {
        "normal": normal,
        "near ties": normal[:1] + 1e-7 * rng.integers(-2, 3, normal.shape),
        "halfway": (1 + 2.0**-11 + 2.0**-23 * rng.integers(0, 2, normal.shape)),
        "halfway, bfloat16": 1 + 2.0**-8 + 2.0**-20 * rng.integers(0, 2, normal.shape),
        "falling": np.abs(normal) * 2.0 ** -np.linspace(0, 24, dim),
        "one giant coordinate": giant,
        "every size": ranging,
        "sizes within a row": normal * 10.0 ** rng.integers(-20, 4, normal.shape),
        "subnormal": subnormal,
        "zero rows": zeros,
        "huge": normal * 1e37,
        "positive": np.abs(normal) + 3,
    }
    return {name: values.astype(np.float32) for name, values in corpora.items()}


@FORMATS
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", hard_corpora())
def test_no_truth_exceeds_its_bound(form: Format, metric: Metric, name: str) -> None:
    corpus = hard_corpora()[name]
    queries = corpus[:20].copy()
    queries[5:10] = hard_corpora()["normal"][5:10]
    queries[10] = 0
    certificate, left, right = encode(metric, queries, corpus, form)
    truth = truths(metric, queries, corpus, scales(certificate, left))
    multiplications = [product] + [
        tensor_core(block, toward) for block in (4, 16) for toward in (np.trunc, np.floor)
    ]
    for multiply in multiplications:
        bounds = multiply(left.codes, right.codes).double().numpy()
        assert not np.isnan(bounds).any()
        assert (bounds >= truth).all()


@FORMATS
@pytest.mark.parametrize("metric", METRICS)
def test_bounds_are_tight_enough_to_rule_rows_out(form: Format, metric: Metric) -> None:
    corpus = hard_corpora(dim=384, rows=400)["normal"]
    certificate, left, right = encode(metric, corpus[:50], corpus, form)
    truth = truths(metric, corpus[:50], corpus, scales(certificate, left))
    gap = product(left.codes, right.codes).double().numpy() - truth
    # In units of the product of the lengths; both roundings and the sum.
    assert gap.max() < 3.5 * form.unit


@pytest.mark.parametrize("metric", METRICS)
def test_the_bound_needs_the_term_for_truncated_sums(metric: Metric) -> None:
    """Values that float16 holds: only the sum can go wrong, and it does."""
    rng = np.random.default_rng(0)
    corpus = rng.integers(1, 2_048, (50, 2_000)).astype(np.float32)
    multiply = tensor_core(4, np.floor)

    def least_gap(*, lost: float | None) -> float:
        certificate = Certificate(metric, 2_000, FLOAT16, typical_size(torch.from_numpy(corpus)))
        if lost is not None:
            certificate.lost = lost
        left, right = (
            encode_side(torch.from_numpy(corpus))
            for encode_side in (certificate.queries, certificate.rows)
        )
        # Without what the columns' own rounding adds, a little too much by design.
        bounds = multiply(left.codes[:, :2_000], right.codes[:, :2_000]).double()
        if metric == "l2":
            bounds += left.codes[:, 2_004:2_006].double() @ right.codes[:, 2_004:2_006].double().T
        errors = left.codes[:, 2_000].double()[:, None] * right.codes[:, 2_000].double()
        truth = truths(metric, corpus, corpus, scales(certificate, left))
        return float((bounds.numpy() + errors.numpy() - truth).min())

    assert least_gap(lost=None) > 0
    if metric != "cosine":  # whose scaled values are no float16 values: rounding hides the sum
        assert least_gap(lost=0.0) < 0


@FORMATS
@pytest.mark.parametrize("metric", METRICS)
def test_a_row_too_long_for_the_bound_is_always_scored(form: Format, metric: Metric) -> None:
    corpus = torch.ones(3, 4)
    corpus[1] *= 1e30
    wide = Certificate(metric, 200_000, form, typical_size(corpus))
    assert wide.width % 8 == 0
    assert not wide.encodes
    bounds = product(
        wide.queries(torch.ones(1, 200_000)).codes, wide.rows(torch.ones(2, 200_000)).codes
    )
    assert bounds.isposinf().all()
    narrow_enough = Certificate(metric, 4, form, typical_size(corpus))
    bounds = product(narrow_enough.queries(corpus).codes, narrow_enough.rows(corpus).codes)
    assert bounds[:, 1].isposinf().all() == (metric != "cosine")
    assert bounds[[0, 2]][:, [0, 2]].isfinite().all()


@pytest.mark.parametrize("metric", METRICS)
def test_floors_are_below_what_they_stand_for(metric: Metric) -> None:
    """To the last bit, where scores nearly cancel the query's own length too."""
    rng = np.random.default_rng(4)
    queries = rng.standard_normal((200, 50)).astype(np.float32)
    rows = queries * rng.choice([1.0, 1e-6, 3.0], (200, 1)).astype(np.float32)
    rows = (rows + 1e-3 * rng.standard_normal(rows.shape)).astype(np.float32)
    if metric == "l2":  # as far as the query is long
        rows = (queries + np.roll(queries, 1, axis=1)).astype(np.float32)
    certificate, left, _ = encode(metric, queries, rows, FLOAT16)
    batch = Batch(
        metric,
        torch.from_numpy(queries),
        left,
        norms=canonical_norms(torch.from_numpy(queries), 64),
        row_scale=1 / certificate.unit,
        rounding=certificate.rounding,
        width=1,
    )
    assert (batch.floors() == batch.floors().min()).all()
    numbers = torch.arange(200)
    scores = goodness(metric, widen(batch.queries), widen(torch.from_numpy(rows)), batch.norms)
    batch.merge(numbers, scores, numbers)
    floors = batch.floors().double().numpy()
    truth = np.diagonal(truths(metric, queries, rows, scales(certificate, left)))
    assert (floors < truth).all()
    assert (truth - floors).max() < 1e-5


def test_no_switch_of_torch_rounds_the_factors_on_a_cpu() -> None:
    rng = np.random.default_rng(6)
    values = torch.from_numpy(rng.standard_normal((64, 392))).half().float()
    exact = values.double() @ values.double().T
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        assert (product(values, values) - exact).abs().max() < 1e-3
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("direction", [-1, 1])
@pytest.mark.parametrize("metric", METRICS)
@FORMATS
def test_the_worst_product_that_the_bound_allows_changes_no_answer(
    form: Format, metric: Metric, direction: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worst(queries: Any, rows: Any) -> Any:
        q, x = queries.double(), rows.double()
        masses = [torch.where(side.isfinite(), side, 0).abs() for side in (q, x)]
        lost = (2 * q.shape[1] + 64) * 2.0**-23
        # Pair by pair in another direction, so that near ties change places.
        signs = torch.from_numpy(rng.choice([direction, -1], (len(q), len(x))))
        return (q @ x.T + signs * lost * (masses[0] @ masses[1].T)).float()

    rng = np.random.default_rng(1)
    monkeypatch.setattr(_tensor_search, "product", worst)
    monkeypatch.setattr("embedsmith.search._tensor_product.format_for", lambda _: form)
    monkeypatch.setattr(
        Sizes, "for_memory", classmethod(lambda cls, *_, **__: cls(7, 25, hits=60, pairs=30))
    )
    for corpus in hard_corpora(dim=40, rows=90).values():
        queries = corpus[:12]
        expected = es.topk(queries, corpus, k=6, metric=metric)
        found = topk_tensors(
            torch.from_numpy(queries), torch.from_numpy(corpus), k=6, metric=metric
        )
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_array_equal(found.exact, expected.exact)


@pytest.mark.parametrize(
    ("capability", "wide_output", "sums_float16", "expected"),
    [
        ((9, 0), True, False, FLOAT16),
        ((7, 0), True, False, FLOAT16),
        ((6, 1), True, False, FLOAT32),
        ((9, 0), False, False, FLOAT32),
        # Sums in float16 have no bound here.
        ((9, 0), True, True, BFLOAT16),
        ((7, 5), True, True, FLOAT32),
    ],
)
def test_the_format_has_a_bounded_sum(
    capability: tuple[int, int], wide_output: bool, sums_float16: bool, expected: Format
) -> None:
    found = formats_of(capability, wide_output=wide_output, sums_float16=sums_float16)
    assert found is expected


@pytest.mark.parametrize(
    ("switches", "name", "inside"),
    [
        (SimpleNamespace(fp32_precision="ieee"), "fp32_precision", "tf32"),
        (SimpleNamespace(allow_tf32=False), "allow_tf32", True),
        (torch.backends.cuda.matmul, "fp32_precision", "tf32"),
    ],
    ids=["new", "old", "torch's own"],
)
def test_tf32_is_on_inside_only_however_searches_overlap(
    switches: Any, name: str, inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cuda, "matmul", switches)
    before = getattr(switches, name)
    first, second = _tensor_product._tf32(), _tensor_product._tf32()
    first.__enter__()
    second.__enter__()
    assert getattr(switches, name) == inside
    first.__exit__(None, None, None)
    assert getattr(switches, name) == inside
    second.__exit__(None, None, None)
    assert getattr(switches, name) == before
    with pytest.raises(ZeroDivisionError), _tensor_product._tf32():
        _ = 1 / 0
    assert getattr(switches, name) == before


def test_sizes_fit_the_memory_and_are_never_nothing() -> None:
    for memory in (1, 1 << 20, 1 << 30, 4 << 30):
        for queries, rows, dim, width in (
            (1, 1, 0, 1),
            (1, 10**9, 4_096, 10),
            (10**6, 10**6, 384, 100),
            (10_000, 10**6, 768, 10**6),
        ):
            sizes = Sizes.for_memory(memory, queries=queries, rows=rows, dim=dim, width=width)
            assert min(sizes.queries, sizes.rows, sizes.hits, sizes.pairs) >= 1
            # Or a crowded tile could not be cut small enough.
            assert sizes.hits >= sizes.queries
            if min(sizes.queries, sizes.rows) > 1:
                assert sizes.queries * sizes.rows * 24 <= memory
                # torch.nonzero takes no more on CUDA.
                assert sizes.queries * sizes.rows < 2**31


def test_conversions_are_ieee_to_the_last_subnormal() -> None:
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2**32, 200_000, dtype=np.uint64).astype(np.uint32)
    bits[:100_000] &= 0x80FFFFFF  # small ones
    values = bits.view(np.float32)
    values = np.where(np.isnan(values), np.float32(0), values)
    wide = widen(torch.from_numpy(values)).numpy()
    np.testing.assert_array_equal(wide, values.astype(np.float64))
    between = wide * rng.choice([1, 0.5, 0.75, 1 + 2**-24, 2**-30], len(wide))
    with np.errstate(over="ignore"):
        expected = between.astype(np.float32)
    found = narrow(torch.from_numpy(between)).numpy()
    np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))


def test_sums_follow_the_specifications_order() -> None:
    """One by one 2^53 swallows every 1; lane by lane only those behind it do."""
    terms = torch.zeros(40, dtype=torch.float64)
    terms[0] = 2.0**53
    terms[1:] = 1.0
    # Lane 0: 2^53 + 1 + 1 = 2^53. Lanes 1 to 7 hold 3 ones, lanes 8 to 15 two.
    # Halves: lane 0 + 8 = 2^53 + 2, the others 5; then 2^53 + 7 = 2^53 + 8 (even), 10, 10, 10;
    # then 2^53 + 18, 20; then 2^53 + 38.
    assert float(canonical_sum(terms)) == 2.0**53 + 38
    for dim in (3, 16, 35):
        assert str(float(canonical_sum(torch.full((dim,), -0.0, dtype=torch.float64)))) == "0.0"


@pytest.mark.parametrize("metric", METRICS)
def test_goodness_has_no_negative_zero(metric: Metric) -> None:
    zeros, negative = torch.zeros(1, 20, dtype=torch.float64), -torch.ones(1, 20).double()
    rows = zeros if metric == "l2" else negative
    found = goodness(metric, zeros.clone(), rows.clone(), torch.zeros(1, dtype=torch.float64))
    assert str(float(found)) == "0.0"
