"""How alike the two texts of each pair are, as mteb and scikit-learn define it, in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from embedsmith._typing import F32Array, F64Array, Metric

__all__ = ["OWN", "SIMILARITIES", "Similarity", "pair_similarities"]

Similarity: TypeAlias = Literal["cosine", "dot", "euclidean", "manhattan"]

SIMILARITIES: dict[Similarity, str] = {
    "cosine": "cosine similarity",
    "dot": "dot product",
    "euclidean": "Euclidean distance, sign turned",
    "manhattan": "Manhattan distance, sign turned",
}
# Which of them a model was made for.
OWN: dict[Metric, Similarity] = {"cosine": "cosine", "dot": "dot", "l2": "euclidean"}

# Rows widened to float64 at a time.
_BLOCK = 1 << 13


def pair_similarities(
    vectors: F32Array, rows1: np.ndarray, rows2: np.ndarray
) -> dict[Similarity, F64Array]:
    """Return every similarity of each pair; larger is more alike.

    Parameters
    ----------
    vectors : ndarray of shape (n_texts, dim), float32
        Distinct texts.
    rows1, rows2 : ndarray of shape (n_pairs,), int64
        Rows of each pair.

    Returns
    -------
    dict of str to ndarray of shape (n_pairs,), float64
        Cosine is one minus half the squared distance of the unit vectors, so that a text has
        exactly 1 with itself, and all such pairs tie. Distances are negative.

    Examples
    --------
    >>> vectors = np.array([[3.0, 4.0], [4.0, 3.0]], dtype=np.float32)
    >>> found = pair_similarities(vectors, np.array([0, 0]), np.array([0, 1]))
    >>> found["cosine"].round(3).tolist(), found["manhattan"].tolist()
    ([1.0, 0.96], [-0.0, -2.0])
    """
    found: dict[Similarity, F64Array] = {
        name: np.empty(len(rows1), dtype=np.float64) for name in SIMILARITIES
    }
    for start in range(0, len(rows1), _BLOCK):
        part = slice(start, start + _BLOCK)
        a, b = (vectors[rows[part]].astype(np.float64) for rows in (rows1, rows2))
        apart = a - b
        found["dot"][part] = np.einsum("ij,ij->i", a, b)
        found["euclidean"][part] = -np.sqrt(np.einsum("ij,ij->i", apart, apart))
        found["manhattan"][part] = -np.abs(apart).sum(axis=1)
        apart = _unit(a) - _unit(b)
        found["cosine"][part] = 1.0 - 0.5 * np.einsum("ij,ij->i", apart, apart)
    return found


def _unit(rows: F64Array) -> F64Array:
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    norms[norms == 0.0] = 1.0
    unit: F64Array = rows / norms[:, None]
    return unit
