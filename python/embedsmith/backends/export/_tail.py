"""From token vectors to one vector per text: pooling and the modules after it, in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedsmith.backends._sentence_modules import DENSE_OPERATORS
from embedsmith.backends._st_config import pooling_modes
from embedsmith.backends.export._graph import F16, F32, I32, I64
from embedsmith.backends.export._layers import Norm
from embedsmith.backends.export._weights import Weights

if TYPE_CHECKING:
    from embedsmith.backends._model_folder import Module
    from embedsmith.backends.export._layers import Layers

__all__ = ["write_tail"]


def write_tail(
    layers: Layers,
    hidden: str,
    width: int,
    modules: tuple[Module, ...],
    dim: int,
    *,
    half: bool = True,
) -> str:
    """Write the modules after the transformer, and cut to ``dim``; return the output's name.

    ``half`` tells whether the hidden states are in the type of the trunk.
    """
    graph = layers.graph
    if half and layers.plan.trunk == F16:
        hidden = layers.cast(hidden, F32)
    x = hidden
    for number, module in enumerate(modules[1:], start=1):
        if module.kind == "Pooling":
            modes = pooling_modes(module.config)
            parts = [_pooled(layers, hidden, mode) for mode in modes]
            x = parts[0] if len(parts) == 1 else graph.op("Concat", *parts, axis=-1)
            width *= len(modes)
        elif module.kind == "Dense":
            x, width = _dense(layers, x, width, number, module)
        elif module.kind == "LayerNorm":
            weights = Weights(module.weights)
            norm = Norm(
                weights.read("norm.weight", (width,)), weights.read("norm.bias", (width,)), 1e-5
            )
            x = layers.normalise(x, f"module.{number}", norm, F32)
        elif module.kind == "Normalize":
            length = graph.op("ReduceL2", x, graph.ints(-1), keepdims=1)
            x = graph.op("Div", x, graph.op("Max", length, graph.scalar(1e-12)))
    return x if dim == width else layers.columns(x, 0, dim)


def _dense(layers: Layers, x: str, width: int, number: int, module: Module) -> tuple[str, int]:
    graph, config, weights = layers.graph, module.config, Weights(module.weights)
    columns = int(config["out_features"])
    weight = weights.read("linear.weight", (columns, width))
    # Once per text, so it stays float32 in all precisions.
    y = graph.op("MatMul", x, graph.constant(f"module.{number}.weight", weight.T))
    if config.get("bias", True):
        bias = weights.read("linear.bias", (columns,))
        y = graph.op("Add", y, graph.constant(f"module.{number}.bias", bias))
    named = str(config.get("activation_function", "Tanh")).rsplit(".", 1)[-1]
    operator = DENSE_OPERATORS[named]
    return (graph.op(operator, y) if operator else y), columns


def _pooled(layers: Layers, hidden: str, mode: str) -> str:
    """Make one vector of a text's token vectors, (batch, hidden)."""
    graph = layers.graph
    if mode in ("cls", "lasttoken"):
        return _one_token(layers, hidden, last=mode == "lasttoken")
    if mode == "max":
        seen = graph.op("Unsqueeze", graph.op("Cast", "attention_mask", to=9), graph.ints(2))
        low = graph.scalar(float(np.finfo(np.float32).min))
        return graph.op(
            "ReduceMax", graph.op("Where", seen, hidden, low), graph.ints(1), keepdims=0
        )
    weight = layers.cast("attention_mask", F32)
    if mode == "weightedmean":
        place = graph.op("CumSum", weight, graph.scalar(1, np.int64))
        weight = graph.op("Mul", weight, place)
    row = graph.op("Unsqueeze", weight, graph.ints(1))
    # Twice the same row: for a single one onnxruntime takes a kernel whose order of adding depends
    # on the number of tokens, padding included, and a text's bits would depend on its batch.
    sums = graph.op("MatMul", graph.op("Concat", row, row, axis=1), hidden)
    total = graph.op("Gather", sums, graph.scalar(0, np.int64), axis=1)
    count = graph.op(
        "Max",
        graph.op("ReduceSum", weight, graph.ints(1), keepdims=1),
        graph.scalar(1e-9),
    )
    if mode == "mean_sqrt_len_tokens":
        count = graph.op("Sqrt", count)
    return graph.op("Div", total, count)


def _one_token(layers: Layers, hidden: str, *, last: bool) -> str:
    """Take the first or the last token that is no padding."""
    graph = layers.graph
    at = graph.op(
        "ArgMax",
        graph.op("Cast", "attention_mask", to=I32),
        axis=1,
        keepdims=1,
        select_last_index=int(last),
    )
    # (batch, 1): GatherND takes one token of each text.
    index = graph.op("Cast", at, to=I64)
    return graph.op("GatherND", hidden, index, batch_dims=1)
