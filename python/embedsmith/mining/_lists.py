"""One list of corpus rows for each query, flat in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from embedsmith._typing import I64Array

__all__ = ["RowLists"]


@dataclass(frozen=True)
class RowLists:
    """Lists one after the other: list ``i`` is ``rows[offsets[i]:offsets[i + 1]]``.

    Attributes
    ----------
    offsets : ndarray of shape (n_lists + 1,), int64
    rows : ndarray, int64
    """

    offsets: I64Array
    rows: I64Array

    @classmethod
    def of(cls, lists: Iterable[Sequence[int] | I64Array]) -> RowLists:
        """Put lists one after the other."""
        arrays = [np.asarray(one, dtype=np.int64).reshape(-1) for one in lists]
        offsets = np.zeros(len(arrays) + 1, dtype=np.int64)
        np.cumsum([len(one) for one in arrays], out=offsets[1:])
        rows = np.concatenate(arrays) if arrays else np.empty(0, dtype=np.int64)
        return cls(offsets, rows)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> I64Array:
        """Length of each list."""
        return np.diff(self.offsets)

    def at(self, place: int) -> I64Array:
        """Return one list."""
        return self.rows[self.offsets[place] : self.offsets[place + 1]]

    def take(self, places: I64Array) -> RowLists:
        """Return the lists at these places, in their order."""
        counts = self.counts[places]
        offsets = np.zeros(len(places) + 1, dtype=np.int64)
        np.cumsum(counts, out=offsets[1:])
        # Each entry's place: where its list begins, plus its place within the list.
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
        return RowLists(offsets, self.rows[np.repeat(self.offsets[places], counts) + within])

    def joined(self, others: RowLists) -> RowLists:
        """Return each list with the other's list behind it."""
        owners = np.concatenate(
            [np.repeat(np.arange(len(self)), one.counts) for one in (self, others)]
        )
        order = np.argsort(owners, kind="stable")
        rows = np.concatenate([self.rows, others.rows])[order]
        return RowLists(self.offsets + others.offsets, rows)
