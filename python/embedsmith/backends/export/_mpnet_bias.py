"""MPNet's bias of attention: by the distance of two tokens, in buckets that widen with it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from embedsmith.backends.export._graph import I64

if TYPE_CHECKING:
    from embedsmith._typing import I64Array
    from embedsmith.backends._transformer_config import TransformerConfig
    from embedsmith.backends.export._layers import Layers
    from embedsmith.backends.export._weights import Weights

__all__ = ["bucket_of", "relative_bias"]

# The family's code fixes them; config.json's number of buckets sizes the table only.
_BUCKETS = 32
_FARTHEST = 128


def bucket_of(distance: I64Array) -> I64Array:
    """Return the bucket of each distance (the other token's place less one's own).

    Half of the buckets are for tokens behind, half for those in front; of each half, the first
    half holds one distance each, the rest grows by the logarithm up to 128 and ends there.
    """
    half = _BUCKETS // 2
    exact = half // 2
    away = np.abs(distance)
    # In float32, operation by operation, since a bucket's border is a rounding away.
    ratio = np.log(np.maximum(away, 1).astype(np.float32) / np.float32(exact))
    steps = ratio / np.float32(math.log(_FARTHEST / exact)) * np.float32(half - exact)
    far = np.minimum(exact + steps.astype(np.int64), half - 1)
    side = np.where(distance > 0, half, 0)
    return np.asarray(side + np.where(away < exact, away, far), dtype=np.int64)


def relative_bias(layers: Layers, config: TransformerConfig, weights: Weights) -> str:
    """Write the bias of all heads, (1, heads, tokens, tokens); return its name."""
    graph = layers.graph
    rows = weights.read("encoder.relative_attention_bias.weight", (None, config.heads))
    most = config.places
    by_distance = rows[bucket_of(np.arange(-most + 1, most, dtype=np.int64))]
    table = layers.typed("attention.bias", by_distance)
    places = graph.op(
        "Range",
        graph.scalar(0, np.int64),
        graph.op("Squeeze", layers.token_count(), graph.ints(0)),
        graph.scalar(1, np.int64),
    )
    distance = graph.op(
        "Sub",
        graph.op("Unsqueeze", places, graph.ints(0)),
        graph.op("Unsqueeze", places, graph.ints(1)),
    )
    shifted = graph.op("Add", distance, graph.scalar(most - 1, np.int64))
    bias = graph.op("Gather", table, graph.op("Cast", shifted, to=I64), axis=0)
    return graph.op("Unsqueeze", graph.op("Transpose", bias, perm=[2, 0, 1]), graph.ints(0))
