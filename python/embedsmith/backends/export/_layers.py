"""Writes the parts that all families are made of, plain or fused, in the precision asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedsmith.backends.export._graph import BF16, CONTRIB, F16, F32, I32
from embedsmith.backends.export._quantize import BLOCK, quantize_blocks
from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from embedsmith._typing import F32Array
    from embedsmith.backends.export._graph import GraphWriter

__all__ = ["Heads", "Layers", "Norm", "Plan"]

_GELU = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh", "gelu_fast": "tanh"}
_ACTIVATIONS = (*_GELU, "relu", "silu", "swish")


@dataclass(frozen=True)
class Plan:
    """How a graph is written.

    Attributes
    ----------
    precision : str
        ``"fp32"``, ``"bf16"``, ``"fp16"`` or ``"int8"``.
    target : str
        ``"cpu"`` or ``"cuda"``.
    fused : bool
        Whether attention and normalisation are single operators of onnxruntime.
    """

    precision: str
    target: str
    fused: bool

    @property
    def trunk(self) -> int:
        """Type of the values between the layers."""
        return F16 if self.precision == "fp16" else F32


@dataclass(frozen=True)
class Norm:
    """Scale, shift and epsilon of a layer normalisation."""

    scale: F32Array
    shift: F32Array | None
    epsilon: float


@dataclass(frozen=True)
class Heads:
    """Shape of an attention and what is added to its scores."""

    count: int
    width: int
    # (batch, 1, 1, tokens) or (batch, 1, tokens, tokens) in plain graphs, added to the scores.
    mask: str
    # (batch, tokens) int32, in fused graphs.
    padding: str
    # (1, heads or 1, tokens, tokens), the same for each text; "" for none.
    bias: str = ""


class Layers:
    """Adds layers to a graph by a plan.

    Attributes
    ----------
    graph : GraphWriter
        What is written to.
    plan : Plan
        How.
    fused_layers : int
        Attentions that were written as one operator.
    """

    def __init__(self, graph: GraphWriter, plan: Plan) -> None:
        self.graph = graph
        self.plan = plan
        self.fused_layers = 0

    def cast(self, x: str, to: int) -> str:
        """Change a value's type."""
        return self.graph.op("Cast", x, to=to)

    def typed(self, name: str, values: F32Array, dtype: int | None = None) -> str:
        """Add a constant in the type of the trunk."""
        half = (self.plan.trunk if dtype is None else dtype) == F16
        return self.graph.constant(name, _half(name, values) if half else values)

    def table(self, name: str, rows: F32Array, ids: str) -> str:
        """Look rows up: embeddings."""
        if self.plan.precision != "int8":
            return self.graph.op("Gather", self.typed(name, rows), ids, axis=0)
        codes, scales = quantize_blocks(rows)
        width = codes.shape[1] * codes.shape[2]
        wide = self.graph.op(
            "GatherBlockQuantized",
            self.graph.constant(f"{name}.codes", codes.reshape(len(rows), width)),
            ids,
            self.graph.constant(f"{name}.scales", scales),
            domain=CONTRIB,
            gather_axis=0,
            quantize_axis=1,
            block_size=BLOCK,
            bits=8,
        )
        return wide if width == rows.shape[1] else self.columns(wide, 0, rows.shape[1])

    def columns(self, x: str, start: int, end: int) -> str:
        """Keep some of the last axis."""
        return self.graph.op(
            "Slice", x, self.graph.ints(start), self.graph.ints(end), self.graph.ints(-1)
        )

    def linear(self, x: str, name: str, weight: F32Array, bias: F32Array | None) -> str:
        """Multiply by a weight of shape (out, in), and add the bias."""
        y = self.matmul(x, name, weight)
        return y if bias is None else self.graph.op("Add", y, self.typed(f"{name}.bias", bias))

    def matmul(self, x: str, name: str, weight: F32Array) -> str:
        """Multiply by a weight of shape (out, in), in the precision of the plan."""
        if self.plan.precision == "int8":
            codes, scales = quantize_blocks(weight)
            return self.graph.op(
                "MatMulNBits",
                x,
                self.graph.constant(f"{name}.codes", codes),
                self.graph.constant(f"{name}.scales", scales),
                domain=CONTRIB,
                K=weight.shape[1],
                N=weight.shape[0],
                bits=8,
                block_size=BLOCK,
                accuracy_level=4,
            )
        if self.plan.precision == "bf16":
            # Only the products run in bfloat16; sums between them, norms and softmax stay float32.
            y = self.graph.op(
                "MatMul",
                self.cast(x, BF16),
                self.graph.constant_bf16(f"{name}.weight", weight.T),
            )
            return self.cast(y, F32)
        return self.graph.op("MatMul", x, self.typed(f"{name}.weight", weight.T))

    def normalise(self, x: str, name: str, norm: Norm, dtype: int | None = None) -> str:
        """Normalise each token's vector."""
        shift = "" if norm.shift is None else self.typed(f"{name}.shift", norm.shift, dtype)
        scale = self.typed(f"{name}.scale", norm.scale, dtype)
        return self.graph.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=norm.epsilon)

    def add_normalise(self, x: str, skip: str, name: str, bias: F32Array | None, norm: Norm) -> str:
        """Add a bias and what was skipped, then normalise."""
        if not self.plan.fused:
            if bias is not None:
                x = self.graph.op("Add", x, self.typed(f"{name}.bias", bias))
            return self.normalise(self.graph.op("Add", x, skip), name, norm)
        return self.graph.op(
            "SkipLayerNormalization",
            x,
            skip,
            self.typed(f"{name}.scale", norm.scale),
            "" if norm.shift is None else self.typed(f"{name}.shift", norm.shift),
            "" if bias is None else self.typed(f"{name}.bias", bias),
            domain=CONTRIB,
            epsilon=norm.epsilon,
        )

    def activation(self, x: str, kind: str) -> str:
        """Apply an activation by its name in config.json."""
        check_activation(kind)
        if kind in _GELU:
            return self.graph.op("Gelu", x, approximate=_GELU[kind])
        if kind == "relu":
            return self.graph.op("Relu", x)
        return self.graph.op("Mul", x, self.graph.op("Sigmoid", x))

    def bias_activation(self, x: str, name: str, bias: F32Array | None, kind: str) -> str:
        """Add a bias, then apply an activation."""
        if self.plan.fused and bias is not None and kind in _GELU:
            operator = "BiasGelu" if _GELU[kind] == "none" else "FastGelu"
            return self.graph.op(operator, x, self.typed(f"{name}.bias", bias), domain=CONTRIB)
        if bias is not None:
            x = self.graph.op("Add", x, self.typed(f"{name}.bias", bias))
        return self.activation(x, kind)

    def attend(self, q: str, k: str, v: str, heads: Heads) -> str:
        """Let each token look at the others; all of shape (batch, tokens, hidden)."""
        if self.plan.fused:
            self.fused_layers += 1
            return self.graph.op(
                "MultiHeadAttention",
                q,
                k,
                v,
                "",
                heads.padding,
                heads.bias,
                domain=CONTRIB,
                num_heads=heads.count,
            )
        return self.attend_heads(
            self.split_heads(q, heads),
            self.split_heads(k, heads),
            self.split_heads(v, heads),
            heads,
        )

    def split_heads(self, x: str, heads: Heads) -> str:
        """From (batch, tokens, hidden) to (batch, heads, tokens, width)."""
        shape = self.graph.ints(0, 0, heads.count, heads.width)
        return self.graph.op("Transpose", self.graph.op("Reshape", x, shape), perm=[0, 2, 1, 3])

    def attend_heads(self, q: str, k: str, v: str, heads: Heads) -> str:
        """Attention by plain operators; of shape (batch, heads, tokens, width)."""
        flipped = self.graph.op("Transpose", k, perm=[0, 1, 3, 2])
        scores = self.graph.op("Mul", self.graph.op("MatMul", q, flipped), self.scale(heads.width))
        for added in (heads.bias, heads.mask):
            if added:
                scores = self.graph.op("Add", scores, added)
        mixed = self.graph.op("MatMul", self.graph.op("Softmax", scores, axis=-1), v)
        return self.graph.op(
            "Reshape",
            self.graph.op("Transpose", mixed, perm=[0, 2, 1, 3]),
            self.graph.ints(0, 0, heads.count * heads.width),
        )

    def scale(self, width: int) -> str:
        """Return the factor of the scores."""
        dtype = np.float16 if self.plan.trunk == F16 else np.float32
        return self.graph.scalar(float(width) ** -0.5, dtype)

    def padding(self) -> str:
        """Return the mask as the fused attention takes it: int32, 1 for a token."""
        return self.cast("attention_mask", I32)

    def additive_mask(self, keep: str) -> str:
        """Return what is added to the scores: 0 where ``keep`` (bool), else the lowest number."""
        half = self.plan.trunk == F16
        dtype = np.float16 if half else np.float32
        lowest = float(np.finfo(dtype).min)
        return self.graph.op(
            "Where", keep, self.graph.scalar(0.0, dtype), self.graph.scalar(lowest, dtype)
        )

    def keep_mask(self) -> str:
        """Return (batch, 1, 1, tokens), true for a token."""
        seen = self.graph.op("Cast", "attention_mask", to=9)
        return self.graph.op("Unsqueeze", seen, self.graph.ints(1, 2))

    def token_count(self) -> str:
        """Return the length of the token axis, of shape (1,)."""
        return self.graph.op("Shape", "input_ids", start=1, end=2)


def check_activation(kind: str) -> None:
    """Refuse an activation that is not known.

    Raises
    ------
    ModelError
        Naming those that are.
    """
    if kind not in _ACTIVATIONS:
        msg = (
            f"the activation {kind!r} cannot be exported; known are {', '.join(_ACTIVATIONS)}. "
            "Run the model with the torch backend: st:MODEL."
        )
        raise ModelError(msg)


def _half(name: str, values: F32Array) -> np.ndarray[tuple[int, ...], np.dtype[np.float16]]:
    if float(np.abs(values).max(initial=0.0)) > float(np.finfo(np.float16).max):
        msg = (
            f"the weight {name} holds values that float16 cannot ({np.abs(values).max():.3g}). "
            "Export with --precision bf16 or fp32."
        )
        raise ModelError(msg)
    return values.astype(np.float16)
