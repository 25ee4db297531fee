"""From token vectors to one vector per text: pooling and the modules after it, in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedsmith.backends._st_config import pooling_modes
from embedsmith.backends.export._graph import F16, F32, I32, I64
from embedsmith.backends.export._layers import Norm
from embedsmith.backends.export._weights import Weights
from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from embedsmith.backends._model_folder import Module
    from embedsmith.backends.export._layers import Layers

__all__ = ["check_modules", "write_tail"]

POOLINGS = ("mean", "cls", "max", "lasttoken", "mean_sqrt_len_tokens", "weightedmean")
# torch.nn.modules.activation.Tanh and torch.nn.Tanh are the same class.
_DENSE_ACTIVATIONS = {"Identity": "", "Tanh": "Tanh", "ReLU": "Relu", "Sigmoid": "Sigmoid"}
_DENSE_ACTIVATIONS["GELU"] = "Gelu"


def check_modules(modules: tuple[Module, ...]) -> None:
    """Refuse by name, before anything is read, what `write_tail` does not write.

    Raises
    ------
    ModelError
        Naming the module and the backend that runs it.
    """
    kinds = [module.kind for module in modules]
    if kinds[0] != "Transformer":
        raise _refused(modules[0], "no transformer comes first")
    if kinds[1:2] != ["Pooling"]:
        raise _refused(modules[min(1, len(kinds) - 1)], "a Pooling has to follow the Transformer")
    for module in modules[1:]:
        if module.kind == "Pooling":
            _check_pooling(module)
        elif module.kind == "Dense":
            _check_dense(module)
        elif module.kind not in ("Normalize", "Dropout", "LayerNorm"):
            raise _refused(module, "this module is not known")
    if kinds.count("Pooling") != 1:
        raise _refused(modules[-1], "there are two Poolings")


def _check_pooling(module: Module) -> None:
    for mode in pooling_modes(module.config):
        if mode not in POOLINGS:
            raise _refused(module, f"the pooling {mode!r} is not known")
    if module.config.get("include_prompt", True) is False:
        raise _refused(module, "it leaves the prompt's tokens out (include_prompt)")


def _check_dense(module: Module) -> None:
    named = str(module.config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    config = module.config
    if named.rsplit(".", 1)[-1] not in _DENSE_ACTIVATIONS:
        raise _refused(module, f"its activation {named} is not known")
    names = {config.get("module_input_name"), config.get("module_output_name")}
    if not names <= {None, "sentence_embedding"}:
        raise _refused(module, "it works on token vectors (module_input_name)")
    if config.get("use_residual"):
        raise _refused(module, "it adds its input (use_residual)")


def _refused(module: Module, reason: str) -> ModelError:
    msg = (
        f"{module.folder}: the module {module.kind} cannot be exported: {reason}. "
        "Run the model with the torch backend: st:MODEL."
    )
    return ModelError(msg)


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
    operator = _DENSE_ACTIVATIONS[named]
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
