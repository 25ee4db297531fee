"""Canonical scores of pairs on a torch device, with the bits of the core's.

The specification is ``kernels/scalar.rs``. Every step here is one IEEE 754 float64 operation per
value, in the specification's order, which is all that the bits depend on:

* Widening float32 is exact. The product of two float32 is exact in float64, so whether a device
  fuses it with an addition changes nothing.
* The square of a difference is not exact. It is stored before it is added, so nothing can fuse the
  two.
* Lanes are added 16 at a time by elementwise additions in a Python loop, then halves onto halves.
  ``sum`` would be one call, in an order of its own.
* Division of float64 is rounded correctly by CUDA and by every CPU. So is CUDA's square root; on a
  CPU torch may call a vector library that is off by a last bit, so there it is numpy's.

A CPU thread may have been told to take subnormals for 0 (``torch.set_flush_denormal``), and torch's
own threads keep that mode for good. It touches only the two conversions: every number between them
is 0 or at least ``2**-298``, far above float64's subnormals. So on a CPU subnormals are converted
through their bits; CUDA knows no such mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from embedsmith._typing import Metric

__all__ = ["LANES", "canonical_norms", "canonical_sum", "goodness", "narrow", "single", "widen"]

LANES = 16

_SIGN = 1 << 31
_SMALLEST_NORMAL = 2.0**-126
_STEP = 2.0**-149


def widen(values: torch.Tensor) -> torch.Tensor:
    """Return float32 values as float64, exactly, whatever the thread does to subnormals."""
    wide = values.double()
    if values.device.type != "cpu":
        return wide
    bits = values.contiguous().view(torch.int32)
    size = bits & (_SIGN - 1)
    subnormal = (size > 0) & (size < 1 << 23)
    if not subnormal.any():
        return wide
    steps = size.double() * _STEP
    return torch.where(subnormal, torch.where(bits < 0, -steps, steps), wide)


def narrow(values: torch.Tensor) -> torch.Tensor:
    """Return float64 values rounded to the nearest float32, subnormal ones too."""
    rounded = values.float()
    if values.device.type != "cpu":
        return rounded
    size = values.abs()
    # Where the size is no subnormal, what is computed for it is not used; it only must fit.
    steps = torch.round(size.clamp(max=_SMALLEST_NORMAL) / _STEP).to(torch.int32)
    signed = torch.where(torch.signbit(values), steps | -_SIGN, steps)
    return torch.where(size < _SMALLEST_NORMAL, signed.view(torch.float32), rounded)


def single(values: torch.Tensor) -> torch.Tensor:
    """Return what a search takes numbers for: themselves, rounded to float32 if they are wider."""
    return narrow(values) if values.dtype == torch.float64 else values.float()


def canonical_sum(terms: torch.Tensor) -> torch.Tensor:
    """Add float64 terms over the last axis in the specification's order."""
    dim = terms.shape[-1]
    # From 0, not from the first terms: 0 + -0 is 0.
    lanes = terms.new_zeros((*terms.shape[:-1], LANES))
    whole = dim - dim % LANES
    for start in range(0, whole, LANES):
        lanes += terms[..., start : start + LANES]
    if whole < dim:
        lanes[..., : dim - whole] += terms[..., whole:]
    half = LANES // 2
    while half:
        lanes = lanes[..., :half] + lanes[..., half : 2 * half]
        half //= 2
    return lanes[..., 0]


def _square_root(squares: torch.Tensor) -> torch.Tensor:
    if squares.device.type != "cpu":
        return squares.sqrt()
    return torch.from_numpy(np.sqrt(squares.numpy()))


def canonical_norms(rows: torch.Tensor, at_once: int) -> torch.Tensor:
    """Return the canonical float64 norms of float32 rows, ``at_once`` of them at a time."""
    norms = torch.empty(rows.shape[0], dtype=torch.float64, device=rows.device)
    for start in range(0, rows.shape[0], at_once):
        wide = widen(rows[start : start + at_once])
        norms[start : start + at_once] = _square_root(canonical_sum(wide.mul_(wide)))
    return norms


def goodness(
    metric: Metric, queries: torch.Tensor, rows: torch.Tensor, query_norms: torch.Tensor
) -> torch.Tensor:
    """Return the canonical goodness of pairs: the similarity, or the negated squared distance.

    Parameters
    ----------
    metric : {"cosine", "dot", "l2"}
        How vectors are compared.
    queries, rows : tensor of shape (pairs, dim), float64
        The two sides of each pair, widened from float32. Overwritten.
    query_norms : tensor of shape (pairs,), float64
        Canonical norms of ``queries``; read for cosine only.

    Returns
    -------
    tensor of shape (pairs,), float64
        Larger is better. Never -0, so that equal values have equal bits.
    """
    if metric == "dot":
        return canonical_sum(queries.mul_(rows))
    if metric == "l2":
        difference = queries.sub_(rows)
        # 0 - 0 is 0, where negating would give -0.
        return 0.0 - canonical_sum(difference.mul_(difference))
    # Both sums in one loop: on a GPU the number of calls is what costs.
    terms = torch.stack((queries.mul_(rows), rows.mul_(rows)))
    dot, square = canonical_sum(terms)
    product = query_norms * _square_root(square)
    return torch.where(product == 0, 0.0, dot / product)
