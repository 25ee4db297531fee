"""The graph that every provider has to run, as the package ``onnx`` reads it."""

from __future__ import annotations

import numpy as np
import pytest

from embedsmith.diagnosis._tiny_graph import INPUT, OUTPUTS, expected, tiny_graph, tiny_input


def test_the_bytes_are_a_valid_model() -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_model_from_string(tiny_graph())
    onnx.checker.check_model(model, full_check=True)
    assert [one.name for one in model.graph.input] == [INPUT]
    assert tuple(one.name for one in model.graph.output) == OUTPUTS


def test_the_runtime_answers_what_is_expected() -> None:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(tiny_graph(), providers=["CPUExecutionProvider"])
    product, answer = session.run(list(OUTPUTS), {INPUT: tiny_input()})
    np.testing.assert_array_equal(product, expected()["product"])
    np.testing.assert_allclose(answer, expected()["answer"], atol=1e-6)


def test_products_fit_every_precision() -> None:
    assert np.abs(expected()["product"]).max() <= 256  # whole numbers up to 2^8 fit bfloat16
    assert np.unique(expected()["product"]).size > 4
