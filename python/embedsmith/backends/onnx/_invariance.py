"""Measures whether a text's vector depends on the texts that are computed beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from embedsmith.backends._token_rows import TokenRows

if TYPE_CHECKING:
    from embedsmith._typing import F32Array, I64Array

__all__ = ["largest_difference"]

# Around the widths that kernels are cut to, and short enough to take a tenth of a second.
_LENGTHS = (3, 5, 16, 17, 33, 70, 130)
# A stride that visits the ids of a vocabulary in no order.
_STRIDE = 7919
_FEWEST_IDS = 1000


class _Run(Protocol):
    def __call__(self, rows: TokenRows, positions: I64Array, *, alone: bool) -> F32Array: ...


def largest_difference(run: _Run, vocabulary: int | None, longest: int) -> float:
    """Return the largest difference of a component between texts alone and in batches.

    Parameters
    ----------
    run : callable
        Computes some rows in one batch, with all threads (``alone``) or one.
    vocabulary : int or None
        Ids go up to here.
    longest : int
        Most tokens of a row.
    """
    lengths = np.asarray([min(length, longest) for length in _LENGTHS], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = np.arange(1, starts[-1] + 1) * _STRIDE % (vocabulary or _FEWEST_IDS)
    rows = TokenRows(ids.astype(np.int32), starts)
    every = np.arange(len(lengths), dtype=np.int64)
    each = [run(rows, every[at : at + 1], alone=True)[0] for at in every]
    alone = np.stack(each)
    # All together, so that all but one are padded; by threes; and many rows of one length.
    batches = [
        every,
        *(every[at : at + 3] for at in range(len(every) - 2)),
        np.repeat(every[1], 40),
    ]
    return max(
        float(np.abs(run(rows, batch, alone=wide) - alone[batch]).max())
        for wide, batch in ((index % 2 == 1, batch) for index, batch in enumerate(batches))
    )
