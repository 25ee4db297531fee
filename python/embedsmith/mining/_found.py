"""What queries found, and what their filters took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from embedsmith._typing import F64Array, I64Array

__all__ = ["ENDED", "FILTERS", "KEPT", "UNTESTED", "Candidates", "Found"]

# In the order in which they take; a row counts for the first that takes it.
FILTERS = (
    "range_min",
    "absolute_margin",
    "relative_margin",
    "max_score",
    "min_score",
    "near_duplicate",
    "shingle_similarity",
    "repeated_text",
)
ENDED = ("enough", "corpus", "range_max", "min_score", "cross_encoder")
# Verdicts on rows that are no place in FILTERS.
KEPT, UNTESTED = -1, -2


@dataclass
class Candidates:
    """What one query found: rows in order, until there were enough or there were no more."""

    rows: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    taken: I64Array = field(default_factory=lambda: np.zeros(len(FILTERS), dtype=np.int64))
    ended: str = ""


@dataclass(frozen=True)
class Found:
    """What some queries found: rows in order, until there were enough or there were no more.

    Attributes
    ----------
    rows : ndarray of shape (n, most), int64
        -1 behind the last.
    scores : ndarray of that shape, float64
        ``-inf`` there.
    ranks : ndarray of that shape, int64
        From 1; 0 there.
    counts : ndarray of shape (n,), int64
        How many rows each query has.
    taken : ndarray of shape (n, n_filters), int64
        How many rows each of ``FILTERS`` took before there were enough.
    ended : ndarray of shape (n,), int64
        Place in ``ENDED`` of the reason for which the search stopped; -1 as long as it goes on.
    """

    rows: I64Array
    scores: F64Array
    ranks: I64Array
    counts: I64Array
    taken: I64Array
    ended: I64Array

    @classmethod
    def nothing(cls, count: int, most: int) -> Found:
        """Return what queries have that want up to ``most`` rows, before they are searched."""
        return cls(
            np.full((count, most), -1, dtype=np.int64),
            np.full((count, most), -np.inf),
            np.zeros((count, most), dtype=np.int64),
            np.zeros(count, dtype=np.int64),
            np.zeros((count, len(FILTERS)), dtype=np.int64),
            np.full(count, -1, dtype=np.int64),
        )

    def take_in(
        self,
        places: I64Array,
        *,
        rows: I64Array,
        scores: F64Array,
        ranks: npt.NDArray[np.int64],
        verdicts: I64Array,
    ) -> None:
        """Add further rows of some queries: those that are kept, and those that filters took.

        Parameters
        ----------
        places : ndarray of shape (m,), int64
            The queries.
        rows, scores, ranks : ndarray of shape (m, width)
            In the order of their ranks, which count from 0; rows of -1 end a list.
        verdicts : ndarray of that shape, int64
            Places in ``FILTERS``, ``KEPT``, or ``UNTESTED`` from where on nothing was wanted.
        """
        kept = verdicts == KEPT
        slots = np.cumsum(kept, axis=1) - kept + self.counts[places][:, None]
        ends = (rows < 0) | (verdicts == UNTESTED) | (slots >= self.rows.shape[1])
        read = ~np.logical_or.accumulate(ends, axis=1)
        place, column = np.nonzero(read & ~kept)
        np.add.at(self.taken, (places[place], verdicts[place, column]), 1)
        kept &= read
        place, column = np.nonzero(kept)
        target = (places[place], slots[place, column])
        self.rows[target] = rows[place, column]
        self.scores[target] = scores[place, column]
        self.ranks[target] = ranks[place, column] + 1
        self.counts[places] += kept.sum(axis=1)

    def at(self, place: int) -> Candidates:
        """Return what one query found."""
        count, ended = int(self.counts[place]), int(self.ended[place])
        return Candidates(
            self.rows[place, :count].tolist(),
            self.scores[place, :count].tolist(),
            self.ranks[place, :count].tolist(),
            self.taken[place].copy(),
            ENDED[ended] if ended >= 0 else "",
        )
