"""Search among tensors is ``topk``, whatever the format, the tiles and the dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import embedsmith as es
from embedsmith.search._tensors import topk_tensors
from tests.property.test_topk import problems
from tests.unit.search.conftest import assert_same_bits

if TYPE_CHECKING:
    from embedsmith.search._tensors import TensorTopK

torch = pytest.importorskip("torch")

from embedsmith.search import _tensor_product  # noqa: E402 -- it imports torch
from embedsmith.search._tensor_product import BFLOAT16, FLOAT16, FLOAT32  # noqa: E402
from embedsmith.search._tensor_search import Sizes  # noqa: E402

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
        ],
    ),
]
# What a CUDA device multiplies is its own choice.
FORMATS = {"cpu": (FLOAT16, BFLOAT16, FLOAT32), "cuda": (None,)}


def search(problem: dict[str, Any], form: Any, tiles: Sizes, **options: Any) -> TensorTopK:
    with (
        mock.patch.object(Sizes, "for_memory", return_value=tiles),
        mock.patch.object(
            _tensor_product,
            "format_for",
            _tensor_product.format_for if form is None else lambda _: form,
        ),
    ):
        return topk_tensors(
            problem["queries"],
            problem["corpus"],
            k=problem["k"],
            metric=problem["metric"],
            **options,
        )


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=150, deadline=None)
@given(problem=problems(), data=st.data())
def test_the_answer_is_topks_bit_for_bit(device: str, problem: dict[str, Any], data: Any) -> None:
    rng, queries, corpus = problem["rng"], problem["queries"], problem["corpus"]
    form = data.draw(st.sampled_from(FORMATS[device]))
    batch = data.draw(st.integers(1, 70))
    tiles = Sizes(
        queries=batch,
        rows=data.draw(st.integers(1, 80)),
        hits=batch + data.draw(st.sampled_from((0, 10, 10_000))),
        pairs=data.draw(st.sampled_from((1, 7, 10_000))),
    )
    moved = {**problem, "queries": torch.tensor(queries, device=device)}
    moved["corpus"] = torch.tensor(corpus, device=device)
    expected = es.topk(queries, corpus, k=problem["k"], metric=problem["metric"])
    assert_same_bits(search(moved, form, tiles), expected)

    where = rng.random(len(corpus)) < 0.7
    exclude = [rng.choice(len(corpus), rng.integers(0, 4)) for _ in queries]
    options = {"exclude": exclude, "where": where}
    expected = es.topk(queries, corpus, k=problem["k"], metric=problem["metric"], **options)
    assert_same_bits(search(moved, form, tiles, **options), expected)


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=40, deadline=None)
@given(problem=problems(), data=st.data())
def test_narrow_dtypes_give_the_answer_of_their_float32_values(
    device: str, problem: dict[str, Any], data: Any
) -> None:
    dtype = data.draw(st.sampled_from((torch.float16, torch.bfloat16, torch.int8)))
    form = data.draw(st.sampled_from(FORMATS[device]))
    # Within the range of every one of them.
    scaled = {
        side: torch.tensor(np.clip(problem[side], -100, 100), device=device).to(dtype)
        for side in ("queries", "corpus")
    }
    queries, corpus = (scaled[side].float().cpu().numpy() for side in ("queries", "corpus"))
    expected = es.topk(queries, corpus, k=problem["k"], metric=problem["metric"])
    tiles = Sizes(queries=9, rows=13, hits=30, pairs=20)
    assert_same_bits(search({**problem, **scaled}, form, tiles), expected)
