"""Eight-bit weights with a scale for each block of 32: what a product reads along one row.

Scales belong to blocks of weights, and onnxruntime scales activations by blocks of a token's own
row. No scale looks at another token or text, so a vector does not depend on its batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedsmith._typing import F32Array

__all__ = ["BLOCK", "quantize_blocks"]

BLOCK = 32
# Codes are unsigned, with this for 0.
_ZERO = 128
_LARGEST = 127


def quantize_blocks(weight: F32Array) -> tuple[NDArray[np.uint8], F32Array]:
    """Return codes and scales of a matrix, block by block along its rows.

    Parameters
    ----------
    weight : ndarray of shape (rows, columns), float32

    Returns
    -------
    codes : ndarray of shape (rows, blocks, 32), uint8
        ``round(weight / scale) + 128``; the last block is filled up with zeros.
    scales : ndarray of shape (rows, blocks), float32
        A block's largest magnitude by 127; 1 for a block of zeros.
    """
    rows, columns = weight.shape
    blocks = -(-columns // BLOCK)
    filled = np.zeros((rows, blocks * BLOCK), dtype=np.float32)
    filled[:, :columns] = weight
    filled = filled.reshape(rows, blocks, BLOCK)
    scales = np.abs(filled).max(axis=2) / np.float32(_LARGEST)
    scales = np.where(scales > 0, scales, np.float32(1)).astype(np.float32)
    steps = np.clip(np.rint(filled / scales[:, :, None]), -_LARGEST, _LARGEST)
    return (steps + _ZERO).astype(np.uint8), scales
