"""Vectors in fewer columns and fewer bits, and what they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedsmith._typing import F32Array

__all__ = [
    "are_unit",
    "bytes_per_vector",
    "cut",
    "int8_codes",
    "int8_ranges",
    "int8_values",
    "signs",
]

_LEVELS = 255
_BITS = 8
# Vectors that a model normalised differ from length 1 by rounding only; float16 weights do most.
_UNIT_TOLERANCE = 1e-2


def are_unit(vectors: F32Array) -> bool:
    """Tell whether all vectors have length 1, up to the rounding of a model."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    return bool((np.abs(lengths - 1) <= _UNIT_TOLERANCE).all())


def cut(vectors: F32Array, dim: int, *, unit: bool) -> F32Array:
    """Return the first columns of vectors, scaled to length 1 again if they had it.

    Examples
    --------
    >>> cut(np.array([[0.6, 0.0, 0.8]], dtype=np.float32), 2, unit=True)
    array([[1., 0.]], dtype=float32)
    """
    short = np.ascontiguousarray(vectors[:, :dim])
    if not unit:
        return short
    lengths = np.sqrt(np.einsum("ij,ij->i", short, short, dtype=np.float64))
    # What has nothing in the first columns stays the zero vector.
    lengths[lengths == 0] = 1.0
    scaled: F32Array = (short / lengths[:, None]).astype(np.float32)
    return scaled


def int8_ranges(vectors: F32Array) -> F32Array:
    """Return the least and the greatest value of each column, which 8-bit codes are spread over.

    Returns
    -------
    ndarray of shape (2, dim), float32
        As ``sentence_transformers.quantize_embeddings`` takes them.
    """
    return np.vstack([vectors.min(axis=0), vectors.max(axis=0)])


def int8_codes(vectors: F32Array, ranges: F32Array) -> NDArray[np.int8]:
    """Return the code of each value: which of 256 steps of its column's range it lies in.

    The same codes as ``sentence_transformers.quantize_embeddings(precision="int8")`` of release 6.

    Parameters
    ----------
    vectors : ndarray of shape (n, dim), float32
        What lies outside the ranges gets the nearest code.
    ranges : ndarray of shape (2, dim), float32
        From :func:`int8_ranges`.

    Returns
    -------
    ndarray of shape (n, dim), int8
        From -128 on.
    """
    steps = _steps(ranges)
    levels = np.clip(np.floor((vectors - ranges[0]) / steps), 0, _LEVELS)
    codes: NDArray[np.int8] = (levels - 128).astype(np.int8)
    return codes


def int8_values(codes: NDArray[np.int8], ranges: F32Array) -> F32Array:
    """Return the values in the middle of the steps that codes name."""
    values: F32Array = codes.astype(np.float32)
    values += np.float32(128.5)
    values *= _steps(ranges)
    values += ranges[0]
    return values


def _steps(ranges: F32Array) -> Any:
    steps = (ranges[1] - ranges[0]) / np.float32(_LEVELS)
    return np.where(steps == 0, np.float32(1), steps)


def signs(vectors: F32Array) -> F32Array:
    """Return 1 where a value is above 0, else -1.

    These are the bits that ``sentence_transformers.quantize_embeddings(precision="ubinary")``
    packs. The dot product of two such rows is the number of columns less twice their Hamming
    distance, so both rank alike.

    Examples
    --------
    >>> signs(np.array([[0.5, -1, 0]], dtype=np.float32))
    array([[ 1., -1., -1.]], dtype=float32)
    """
    found: F32Array = np.where(vectors > 0, np.float32(1), np.float32(-1))
    return found


def bytes_per_vector(dim: int, precision: str) -> int:
    """Return what a document's vector takes where it is searched.

    Examples
    --------
    >>> [bytes_per_vector(1024, precision) for precision in ("f32", "int8", "binary")]
    [4096, 1024, 128]
    """
    if precision == "f32":
        return 4 * dim
    return dim if precision == "int8" else -(-dim // _BITS)
