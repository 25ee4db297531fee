"""Measures whether a text's vector depends on the texts that are computed beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from embedsmith.backends._token_rows import TokenRows

if TYPE_CHECKING:
    from embedsmith._typing import F32Array, I64Array

__all__ = ["Alignment", "aligned_width", "find_alignment", "largest_difference"]

# Every remainder of the widths that kernels are cut to, and few enough to take half a second.
_SHORT = tuple(range(3, 21))
_LENGTHS = (*_SHORT, 27, 33, 70, 131)
# A stride that visits the ids of a vocabulary in no order.
_STRIDE = 7919
_FEWEST_IDS = 1000


# Tried in this order: each costs a little more padding.
_MULTIPLES = (1, 4, 8, 16)


class _Run(Protocol):
    def __call__(
        self, rows: TokenRows, positions: I64Array, *, alone: bool, grid: int
    ) -> F32Array: ...


class Alignment(NamedTuple):
    """What the width of a batch is a multiple of, and what difference that leaves."""

    multiple: int
    difference: float


def aligned_width(longest: int, multiple: int, limit: int | None) -> int:
    """Return the width of a batch, at most what the model has positions for."""
    width = -(-longest // multiple) * multiple
    return width if limit is None else max(longest, min(width, limit))


def find_alignment(
    run: _Run, vocabulary: int | None, longest: int, *, padding_helps: bool
) -> Alignment:
    """Return the least multiple at which a text has the same bits in every batch, 1 if none does.

    A kernel that adds over tokens takes them by fours or eights, and those that are left over in
    another order. Where none are left over, padding adds zeros and changes no bit.
    """
    first = 0.0
    for multiple in _MULTIPLES if padding_helps else (1,):
        difference = largest_difference(run, vocabulary, longest, multiple)
        if not difference:
            return Alignment(multiple, 0.0)
        first = first or difference
    return Alignment(1, first)


def largest_difference(run: _Run, vocabulary: int | None, longest: int, multiple: int = 1) -> float:
    """Return the largest difference of a component between texts alone and in batches.

    Parameters
    ----------
    run : callable
        Computes some rows in one batch, with all threads (``alone``) or one.
    vocabulary : int or None
        Ids go up to here.
    longest : int
        Most tokens of a row.
    multiple : int
        What the width of a batch is a multiple of.
    """
    lengths = np.asarray([min(length, longest) for length in _LENGTHS], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = np.arange(1, starts[-1] + 1) * _STRIDE % (vocabulary or _FEWEST_IDS)
    rows = TokenRows(ids.astype(np.int32), starts)
    every = np.arange(len(lengths), dtype=np.int64)
    each = [run(rows, every[at : at + 1], alone=True, grid=multiple)[0] for at in every]
    alone = np.stack(each)
    # Short ones among themselves, padded to another remainder; with long ones; and many alike.
    n_short = len(_SHORT)
    batches = [
        every[:n_short],
        np.append(every[:n_short], n_short + 1),
        np.append(every[n_short:], (every[5], every[8], every[13])),
        np.repeat(every[2], 40),
    ]
    return max(
        float(np.abs(run(rows, batch, alone=wide, grid=multiple) - alone[batch]).max())
        for wide, batch in ((index % 2 == 1, batch) for index, batch in enumerate(batches))
    )
