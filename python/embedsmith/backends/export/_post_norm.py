"""BERT and its kin: embeddings of words and places, then layers that normalise after adding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedsmith.backends._post_norm_names import POST_NORM
from embedsmith.backends.export._graph import I64
from embedsmith.backends.export._layers import Heads, Norm
from embedsmith.backends.export._mpnet_bias import relative_bias

if TYPE_CHECKING:
    from embedsmith._typing import F32Array
    from embedsmith.backends._post_norm_names import PostNormNames
    from embedsmith.backends._transformer_config import TransformerConfig
    from embedsmith.backends.export._layers import Layers
    from embedsmith.backends.export._weights import Weights

__all__ = ["write_post_norm"]


def write_post_norm(layers: Layers, config: TransformerConfig, weights: Weights) -> str:
    """Write the transformer; return its last hidden states, (batch, tokens, hidden)."""
    names = POST_NORM[config.family]
    under = weights.under(names.prefixes, "embeddings.word_embeddings.weight")
    return _Writer(layers, config, under, names).write()


@dataclass(frozen=True)
class _Writer:
    layers: Layers
    config: TransformerConfig
    weights: Weights
    names: PostNormNames

    def write(self) -> str:
        layers, config = self.layers, self.config
        x = self.embeddings()
        fused = layers.plan.fused
        heads = Heads(
            count=config.heads,
            width=config.hidden // config.heads,
            mask="" if fused else layers.additive_mask(layers.keep_mask()),
            padding=layers.padding() if fused else "",
            bias=relative_bias(layers, config, self.weights) if config.family == "mpnet" else "",
        )
        for number in range(config.layers):
            x = self.layer(x, number, heads)
        return x

    def norm(self, name: str) -> Norm:
        shape = (self.config.hidden,)
        return Norm(
            self.weights.read(f"{name}.weight", shape),
            self.weights.read(f"{name}.bias", shape),
            self.config.epsilon,
        )

    def embeddings(self) -> str:
        layers, config, weights = self.layers, self.config, self.weights
        graph, width = layers.graph, config.hidden
        words = weights.read("embeddings.word_embeddings.weight", (config.vocabulary, width))
        places = weights.read("embeddings.position_embeddings.weight", (config.places, width))
        if config.token_types:
            # Each text is of the first type: its row is added to each place once, here.
            kinds = weights.read(
                "embeddings.token_type_embeddings.weight", (config.token_types, width)
            )
            places = places + kinds[0]
        x = layers.table("embeddings.words", words, "input_ids")
        table = layers.typed("embeddings.places", places)
        if self.names.counts_tokens:
            at = graph.op("Gather", table, self.counted_places(), axis=0)
        else:
            at = graph.op("Slice", table, graph.ints(0), layers.token_count(), graph.ints(0))
        return layers.normalise(
            graph.op("Add", x, at), "embeddings.norm", self.norm("embeddings.LayerNorm")
        )

    def counted_places(self) -> str:
        """Return the place of each token: counted over all that is no padding, after its id."""
        graph, fixed = self.layers.graph, self.names.padding_id
        padding = graph.scalar(self.config.padding_id if fixed is None else fixed, np.int64)
        real = graph.op("Cast", graph.op("Not", graph.op("Equal", "input_ids", padding)), to=I64)
        counted = graph.op("CumSum", real, graph.scalar(1, np.int64))
        return graph.op("Add", graph.op("Mul", counted, real), padding)

    def product(self, name: str, rows: int, columns: int) -> tuple[F32Array, F32Array]:
        return (
            self.weights.read(f"{name}.weight", (rows, columns)),
            self.weights.read(f"{name}.bias", (rows,)),
        )

    def layer(self, x: str, number: int, heads: Heads) -> str:
        layers, names = self.layers, self.names
        at, own = names.layer.format(number), f"layer.{number}"
        width, inner = self.config.hidden, self.config.inner
        parts = (names.query, names.key, names.value)
        three = [self.product(f"{at}{name}", width, width) for name in parts]
        # One product in place of three: each token's vector is packed once.
        qkv = layers.linear(
            x,
            f"{own}.qkv",
            np.concatenate([weight for weight, _ in three]),
            np.concatenate([bias for _, bias in three]),
        )
        sizes = layers.graph.ints(width, width, width)
        q, k, v = layers.graph.ops("Split", (qkv, sizes), 3, axis=-1)
        weight, bias = self.product(f"{at}{names.out}", width, width)
        mixed = layers.matmul(layers.attend(q, k, v, heads), f"{own}.out", weight)
        norm = self.norm(f"{at}{names.attention_norm}")
        x = layers.add_normalise(mixed, x, f"{own}.out", bias, norm)

        weight, bias = self.product(f"{at}{names.inner}", inner, width)
        wide = layers.matmul(x, f"{own}.inner", weight)
        wide = layers.bias_activation(wide, f"{own}.inner", bias, self.config.activation)
        weight, bias = self.product(f"{at}{names.outer}", width, inner)
        y = layers.matmul(wide, f"{own}.outer", weight)
        norm = self.norm(f"{at}{names.outer_norm}")
        return layers.add_normalise(y, x, f"{own}.outer", bias, norm)
