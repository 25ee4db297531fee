"""How weights are rounded: blocks of 8 bits, bfloat16."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

onnxruntime: Any = pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")

from embedsmith.backends.export._graph import GraphWriter  # noqa: E402
from embedsmith.backends.export._layers import Layers, Plan  # noqa: E402
from embedsmith.backends.export._quantize import quantize_blocks  # noqa: E402

INT8 = Plan("int8", "cpu", fused=False)


def meant(codes: Any, scales: Any) -> Any:
    """Return what codes stand for by the operators' own definition: unsigned, 128 is 0."""
    return (codes.astype("f4") - 128.0) * scales[:, :, None]


def test_each_block_of_32_has_a_scale_of_its_own() -> None:
    """A large weight costs its 31 neighbours their digits, and nobody else."""
    weight = np.full((1, 96), 0.01, dtype=np.float32)
    weight[0, 40] = 100.0
    codes, scales = quantize_blocks(weight)
    assert codes.shape == (1, 3, 32)
    np.testing.assert_allclose(scales, [[0.01 / 127, 100 / 127, 0.01 / 127]], rtol=1e-6)
    found = meant(codes, scales)[0]
    np.testing.assert_allclose(found[[0, 2]], 0.01, rtol=1e-6)
    assert found[1, 8] == pytest.approx(100)
    assert (found[1, :8] == 0).all()


def test_no_weight_is_off_by_more_than_half_a_step() -> None:
    weight = np.random.default_rng(3).standard_normal((40, 70)).astype(np.float32)
    weight[7] = 0
    codes, scales = quantize_blocks(weight)
    found = meant(codes, scales).reshape(40, -1)
    step = np.repeat(scales, 32, axis=1)[:, :70]
    assert (np.abs(found[:, :70] - weight) <= 0.5001 * step).all()
    # The largest of each block is hit, on both sides of 0: the codes lie symmetrically about it.
    assert codes.min() == 1
    assert codes.max() == 255
    assert (found[:, 70:] == 0).all()
    assert (found[7] == 0).all()
    negated, _ = quantize_blocks(-weight)
    np.testing.assert_array_equal(negated.astype(int) - 128, 128 - codes.astype(int))


def test_the_runtime_reads_the_codes_as_they_are_meant() -> None:
    graph = GraphWriter()
    layers = Layers(graph, INT8)
    rng = np.random.default_rng(5)
    # Rows that 8 bits hold exactly, also as the activations that the product rounds itself.
    rows = np.ones((3, 64), dtype=np.float32) * np.array([[1], [-2], [0.5]], dtype=np.float32)
    weight = (rng.standard_normal((48, 64)) + 0.3).astype(np.float32)
    product = layers.matmul(layers.table("words", rows, "input_ids"), "product", weight)
    model = graph.model(graph.op("Gather", product, graph.scalar(0, np.int64), axis=1), 48)
    (node,) = (node for node in model.graph.node if node.op_type == "MatMulNBits")
    attributes = {attribute.name: attribute.i for attribute in node.attribute}
    # Level 4: activations in 8 bits, by blocks of a row; less is exact and several times slower.
    assert attributes == {"K": 64, "N": 48, "bits": 8, "block_size": 32, "accuracy_level": 4}
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    feed = {"input_ids": np.array([[0], [1], [2]]), "attention_mask": np.ones((3, 1), np.int64)}
    (found,) = session.run(None, feed)
    expected = rows @ meant(*quantize_blocks(weight)).reshape(48, 64).T
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_bfloat16_is_rounded_to_nearest_and_ties_to_even() -> None:
    torch = pytest.importorskip("torch", reason="needs the extra 'st'")
    ties = np.array([0x3F808000, 0x3F818000, 0xBF808000, 0xBF818000], dtype=np.uint32)
    beside = np.concatenate([ties - 1, ties + 1]).view(np.float32)
    rng = np.random.default_rng(7)
    values = np.concatenate(
        [ties.view(np.float32), beside, rng.standard_normal(5000).astype(np.float32), [0.0, -0.0]]
    ).astype(np.float32)
    graph = GraphWriter()
    graph.constant_bf16("weight", values)
    raw = graph.model("weight", 1).graph.initializer[0].raw_data
    theirs = torch.from_numpy(values).to(torch.bfloat16).view(torch.int16).numpy()
    np.testing.assert_array_equal(np.frombuffer(raw, dtype="<i2"), theirs)
