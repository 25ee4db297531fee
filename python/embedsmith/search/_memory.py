"""Buffers for what is read again and again: on page boundaries, in large pages."""

from __future__ import annotations

import math
import mmap
from typing import Any

import numpy as np

__all__ = ["empty"]

# A large page on most systems: smaller buffers gain nothing from them.
_LARGE_BYTES = 2 << 20
# Shared memory, which is what mmap gives unasked, has no large pages as Linux is usually set up.
_PRIVATE = (
    {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}
)


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    """Return a zeroed array that starts on a page, in large pages where the system has them.

    First touches of 4 KB pages cost more than writing them; tiles of codes are read fastest when
    no row straddles two cache lines.
    """
    count = math.prod(shape)
    size = count * np.dtype(dtype).itemsize
    if size == 0:
        return np.zeros(shape, dtype=dtype)
    buffer = mmap.mmap(-1, size, **_PRIVATE)
    if size >= _LARGE_BYTES and hasattr(mmap, "MADV_HUGEPAGE"):
        try:
            buffer.madvise(mmap.MADV_HUGEPAGE)
        except OSError:
            # A kernel without large pages: the buffer is as good, only slower to fill.
            return np.frombuffer(buffer, dtype=dtype, count=count).reshape(shape)
    return np.frombuffer(buffer, dtype=dtype, count=count).reshape(shape)
