"""ModernBERT: rotated places, gated layers that normalise before adding, mostly near neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedsmith.backends.export._graph import CONTRIB, F16, F32
from embedsmith.backends.export._layers import Heads, Norm

if TYPE_CHECKING:
    from embedsmith.backends._transformer_config import TransformerConfig
    from embedsmith.backends.export._layers import Layers
    from embedsmith.backends.export._weights import Weights

__all__ = ["write_modernbert"]


@dataclass(frozen=True)
class _Rotation:
    """Cosine and sine of each place and frequency, and the places where they are fused."""

    cos: str
    sin: str
    places: str = ""


def write_modernbert(layers: Layers, config: TransformerConfig, weights: Weights) -> str:
    """Write the transformer; return its last hidden states, (batch, tokens, hidden), float32.

    What passes by the layers is a sum that grows with them: it stays float32 also where the
    layers run in half precision.
    """
    under = weights.under(("", "model."), "embeddings.tok_embeddings.weight")
    return _Writer(layers, config, under).write()


@dataclass(frozen=True)
class _Writer:
    layers: Layers
    config: TransformerConfig
    weights: Weights

    def write(self) -> str:
        layers, config, graph = self.layers, self.config, self.layers.graph
        words = self.weights.read(
            "embeddings.tok_embeddings.weight", (config.vocabulary, config.hidden)
        )
        x = self.wide(layers.table("embeddings.words", words, "input_ids"))
        x = self.normalised(x, "embeddings.norm")
        places = self.places()
        keep = layers.keep_mask()
        heads, rotations = {}, {}
        for kind in sorted(set(config.layer_kinds)):
            seen = keep if kind == "full" else graph.op("And", keep, self.near(places))
            heads[kind] = self.heads(kind, seen)
            rotations[kind] = self.rotation(kind, places)
        for number, kind in enumerate(config.layer_kinds):
            at = f"layers.{number}."
            normal = x if number == 0 else self.normalised(x, f"{at}attn_norm")
            mixed = self.attention(normal, number, heads[kind], rotations[kind])
            x = graph.op("Add", x, mixed)
            x = graph.op("Add", x, self.gated(self.normalised(x, f"{at}mlp_norm"), number))
        return self.normalised(x, "final_norm")

    def wide(self, x: str) -> str:
        return self.layers.cast(x, F32) if self.layers.plan.trunk == F16 else x

    def narrow(self, x: str) -> str:
        return self.layers.cast(x, F16) if self.layers.plan.trunk == F16 else x

    def normalised(self, x: str, name: str) -> str:
        shape, shift = (self.config.hidden,), f"{name}.bias"
        norm = Norm(
            self.weights.read(f"{name}.weight", shape),
            self.weights.read(shift, shape) if self.config.norm_bias else None,
            self.config.epsilon,
        )
        return self.layers.normalise(x, name, norm, F32)

    def places(self) -> str:
        graph = self.layers.graph
        end = graph.op("Squeeze", self.layers.token_count(), graph.ints(0))
        return graph.op("Range", graph.scalar(0, np.int64), end, graph.scalar(1, np.int64))

    def near(self, places: str) -> str:
        """Return (tokens, tokens), true where two tokens are within the window of each other."""
        graph = self.layers.graph
        rows, columns = (graph.op("Unsqueeze", places, graph.ints(axis)) for axis in (0, 1))
        distance = graph.op("Abs", graph.op("Sub", rows, columns))
        return graph.op("LessOrEqual", distance, graph.scalar(self.config.window, np.int64))

    def heads(self, kind: str, seen: str) -> Heads:
        layers, config = self.layers, self.config
        fused = layers.plan.fused
        # The fused attention takes padding as such, and the window as a bias.
        added = "" if fused and kind == "full" else layers.additive_mask(seen)
        return Heads(
            count=config.heads,
            width=config.hidden // config.heads,
            mask="" if fused else added,
            padding=layers.padding() if fused else "",
            bias=added if fused else "",
        )

    def rotation(self, kind: str, places: str) -> _Rotation:
        graph, config = self.layers.graph, self.config
        width = config.hidden // config.heads
        powers = np.arange(0, width, 2, dtype=np.float32) / np.float32(width)
        base = np.float32(config.rope_bases[kind])
        frequencies = np.float32(1) / np.power(base, powers, dtype=np.float32)
        angles = np.arange(config.places, dtype=np.float32)[:, None] * frequencies
        cos = self.layers.typed(f"rotation.{kind}.cos", np.cos(angles))
        sin = self.layers.typed(f"rotation.{kind}.sin", np.sin(angles))
        if self.layers.plan.fused:
            row = graph.op("Unsqueeze", places, graph.ints(0))
            return _Rotation(cos, sin, graph.op("Expand", row, graph.op("Shape", "input_ids")))
        end = self.layers.token_count()
        cut = [graph.op("Slice", t, graph.ints(0), end, graph.ints(0)) for t in (cos, sin)]
        return _Rotation(cut[0], cut[1])

    def rotated(self, x: str, rotation: _Rotation, heads: Heads) -> str:
        graph, cos, sin = self.layers.graph, rotation.cos, rotation.sin
        if rotation.places:
            return graph.op("RotaryEmbedding", x, rotation.places, cos, sin, domain=CONTRIB)
        half = heads.width // 2
        first, second = graph.ops("Split", (x, graph.ints(half, half)), 2, axis=-1)
        return graph.op(
            "Concat",
            graph.op("Sub", graph.op("Mul", first, cos), graph.op("Mul", second, sin)),
            graph.op("Add", graph.op("Mul", second, cos), graph.op("Mul", first, sin)),
            axis=-1,
        )

    def product(self, x: str, name: str, own: str, shape: tuple[int, int], *, bias: bool) -> str:
        return self.layers.linear(
            x,
            own,
            self.weights.read(f"{name}.weight", shape),
            self.weights.read(f"{name}.bias", shape[:1]) if bias else None,
        )

    def attention(self, x: str, number: int, heads: Heads, rotation: _Rotation) -> str:
        layers, width, bias = self.layers, self.config.hidden, self.config.attention_bias
        at, own = f"layers.{number}.attn", f"layer.{number}"
        shape = (3 * width, width)
        qkv = self.product(self.narrow(x), f"{at}.Wqkv", f"{own}.qkv", shape, bias=bias)
        sizes = layers.graph.ints(width, width, width)
        parts = layers.graph.ops("Split", (qkv, sizes), 3, axis=-1)
        if not layers.plan.fused:
            parts = [layers.split_heads(part, heads) for part in parts]
        q, k = (self.rotated(part, rotation, heads) for part in parts[:2])
        attend = layers.attend if layers.plan.fused else layers.attend_heads
        mixed = attend(q, k, parts[2], heads)
        return self.wide(self.product(mixed, f"{at}.Wo", f"{own}.out", (width, width), bias=bias))

    def gated(self, x: str, number: int) -> str:
        layers, width, inner = self.layers, self.config.hidden, self.config.inner
        at, own, bias = f"layers.{number}.mlp", f"layer.{number}", self.config.inner_bias
        shape = (2 * inner, width)
        both = self.product(self.narrow(x), f"{at}.Wi", f"{own}.inner", shape, bias=bias)
        sizes = layers.graph.ints(inner, inner)
        value, gate = layers.graph.ops("Split", (both, sizes), 2, axis=-1)
        gated = layers.graph.op("Mul", layers.activation(value, self.config.activation), gate)
        return self.wide(self.product(gated, f"{at}.Wo", f"{own}.outer", (width, inner), bias=bias))
