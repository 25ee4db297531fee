"""An encoder that answers mteb with given embeddings, so that only its evaluators are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class GivenEmbeddings:
    """What mteb calls an encoder, over a table of texts.

    Embeddings are handed over in float64: mteb computes in the precision it is given, and the
    comparison is to see definitions, not float32's rounding.
    """

    mteb_model_meta = None

    def __init__(self, table: Mapping[str, np.ndarray]) -> None:
        self.table = {text: vector.astype(np.float64) for text, vector in table.items()}

    def encode(self, inputs: Iterable[Mapping[str, Any]], **_: Any) -> np.ndarray:
        return np.stack([self.table[text] for batch in inputs for text in batch["text"]])

    def similarity(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        unit_a, unit_b = (m / np.linalg.norm(m, axis=1, keepdims=True) for m in (a, b))
        return np.asarray(unit_a @ unit_b.T)

    def similarity_pairwise(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        from sklearn.metrics.pairwise import paired_cosine_distances

        return np.asarray(1.0 - paired_cosine_distances(a, b))


class Remembering:
    """An embedsmith encoder that keeps what it answered, by text."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self.table: dict[str, np.ndarray] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode(self, texts: Any, **options: Any) -> Any:
        found = self._encoder.encode(texts, **options)
        self.table.update(zip(texts, found.vectors, strict=True))
        return found
