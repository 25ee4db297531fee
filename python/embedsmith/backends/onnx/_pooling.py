"""From token vectors to one vector per text, where the graph does not do it.

Each row is summed by itself, in the order of its tokens, so that neither padding nor neighbours
have a part in its bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from embedsmith._typing import F32Array, I64Array

__all__ = ["POOLINGS", "normalized", "pooled"]

POOLINGS = frozenset({"cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"})


def pooled(tokens: F32Array, lengths: I64Array, mode: str) -> F32Array:
    """Return the vectors of texts.

    Parameters
    ----------
    tokens : ndarray of shape (n_texts, longest, width), float32
        What lies beyond a text's length is ignored.
    lengths : ndarray of shape (n_texts,), int64
        Tokens of each text.
    mode : str
        One of `POOLINGS`, as sentence-transformers names them.
    """
    each = [_one(tokens[row, :length], mode) for row, length in enumerate(lengths)]
    return np.stack(each) if each else np.empty((0, tokens.shape[2]), np.float32)


def _one(own: F32Array, mode: str) -> F32Array:
    length = np.float32(len(own))
    vector: F32Array
    if mode == "cls":
        vector = own[0]
    elif mode == "max":
        vector = own.max(axis=0)
    elif mode == "lasttoken":
        vector = own[-1]
    elif mode == "weightedmean":
        weights = np.arange(1, len(own) + 1, dtype=np.float32)[:, None]
        vector = (own * weights).sum(axis=0) / weights.sum()
    elif mode == "mean_sqrt_len_tokens":
        vector = own.sum(axis=0) / np.sqrt(length)
    elif mode == "mean":
        vector = own.sum(axis=0) / length
    else:
        msg = f"no such pooling: {mode!r}"
        raise ValueError(msg)
    return vector


def normalized(vectors: F32Array) -> F32Array:
    """Return rows of length 1; a zero row stays zero."""
    lengths = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True))
    scaled: F32Array = vectors / np.maximum(lengths, np.float32(1e-12))
    return scaled
