"""Candidates of each query, best first, with the filters at work while the corpus is searched.

Ceilings act within the search: rows above a query's own are counted there, and never come back. A
query that finds too few goes on from where it stopped, alone: those that have enough are not
searched again, and rows seen before are excluded from the scan instead of being asked for anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedsmith.mining._found import ENDED, FILTERS, KEPT, UNTESTED, Candidates, Found
from embedsmith.mining._lists import RowLists
from embedsmith.mining._near import near_by_cosine, near_by_shingles

if TYPE_CHECKING:
    import numpy.typing as npt

    from embedsmith._typing import BoolArray, F32Array, F64Array, I64Array
    from embedsmith.mining._ceilings import Ceilings
    from embedsmith.mining._settings import Settings
    from embedsmith.mining._texts import Shingles
    from embedsmith.mining._vectors import CorpusVectors

__all__ = ["PLACES", "Scan", "Wanted", "first_width"]

_CODE = {name: code for code, name in enumerate(FILTERS)}
_RULE_CODES = np.array([KEPT, 1, 2, 3])

_SPARE = 5
_DEEPER = 4
_WIDEST = 2_048
# Rows of all queries together that one search returns: some 100 MB, with what is known of them.
PLACES = 1 << 20
# Queries that are judged together, which bounds what that takes.
_JUDGED = 4_096


@dataclass(frozen=True)
class Wanted:
    """Some queries and what binds them.

    Attributes
    ----------
    queries : ndarray of shape (n, dim), float32
    excluded, positives : RowLists
        Rows that must not come back; rows that candidates must not repeat.
    ceilings : Ceilings
    """

    queries: F32Array
    excluded: RowLists
    positives: RowLists
    ceilings: Ceilings


def first_width(settings: Settings, most: int) -> int:
    """Return how many rows a query is searched for at first, to find ``most``."""
    width = settings.range_min + most + _SPARE
    return width if settings.range_max is None else min(width, settings.range_max)


@dataclass(frozen=True)
class Scan:
    """The corpus and the rules that are the same for all queries.

    Attributes
    ----------
    vectors : CorpusVectors
    settings : Settings
    text_keys : ndarray of uint64 or None
        What texts are known by, to keep one of each.
    shingles : Shingles or None
    threads : int or None
    """

    vectors: CorpusVectors
    settings: Settings
    text_keys: npt.NDArray[np.uint64] | None
    shingles: Shingles | None
    threads: int | None

    def run(self, wanted: Wanted, most: int) -> Found:
        """Return up to ``most`` candidates for each query, fewer only if there are no more."""
        found = Found.nothing(len(wanted.queries), most)
        pending = np.arange(len(wanted.queries))
        seen = wanted.excluded
        depth, width, limit = 0, first_width(self.settings, most), self.settings.range_max
        while pending.size:
            # Not copied as long as all are in it.
            queries = wanted.queries
            hits = self.vectors.search_below(
                queries if len(pending) == len(queries) else queries[pending],
                width,
                seen,
                wanted.ceilings.values[pending],
                threads=self.threads,
            )
            if not depth:
                self._count_above(found, wanted, hits.above)
            lowest = np.empty(len(pending))
            for first in range(0, len(pending), _JUDGED):
                part = slice(first, first + _JUDGED)
                rows, scores = hits.rows[part], hits.exact[part]
                ranks = (hits.above[part] + depth)[:, None] + np.arange(rows.shape[1])
                if limit is not None:
                    rows = np.where(ranks < limit, rows, -1)
                places = pending[part]
                self._judge(wanted, found, places, places, rows=rows, scores=scores, ranks=ranks)
                lowest[part] = np.where(rows >= 0, scores, np.inf).min(axis=1)
            depth += hits.rows.shape[1]
            over = hits.rows[:, -1] < 0
            total = hits.above + depth - (hits.rows < 0).sum(axis=1)
            self._end(found, pending, lowest=lowest, over=over, total=total)
            left = np.flatnonzero(found.ended[pending] < 0)
            pending = pending[left]
            if pending.size:
                offsets = np.arange(len(left) + 1) * hits.rows.shape[1]
                seen = seen.take(left).joined(RowLists(offsets, hits.rows[left].reshape(-1)))
                width = min(width * _DEEPER, _WIDEST, max(PLACES // pending.size, width))
        return found

    def passing(
        self, wanted: Wanted, place: int, rows: I64Array, scores: F64Array, most: int
    ) -> Candidates:
        """Return what passes all filters of the rows that another retriever found for a query."""
        found, only = Found.nothing(1, most), np.zeros(1, dtype=np.int64)
        who, ranks = np.array([place]), np.arange(len(rows))[None]
        self._judge(wanted, found, only, who, rows=rows[None], scores=scores[None], ranks=ranks)
        return found.at(0)

    def _count_above(self, found: Found, wanted: Wanted, above: I64Array) -> None:
        """Count rows above the ceilings for what takes them: ``range_min``, then the rule."""
        if self.settings.range_max is not None:
            above = np.minimum(above, self.settings.range_max)
        skipped = np.minimum(above, self.settings.range_min)
        found.taken[:, _CODE["range_min"]] += skipped
        places = np.flatnonzero(above > skipped)
        rules = _RULE_CODES[wanted.ceilings.rules[places]]
        found.taken[places, rules] += (above - skipped)[places]

    def _end(
        self,
        found: Found,
        pending: I64Array,
        *,
        lowest: F64Array,
        over: BoolArray,
        total: I64Array,
    ) -> None:
        """Note why queries are at an end: ``total`` rows were seen, down to ``lowest``."""
        floor, limit = self.settings.min_score, self.settings.range_max
        never = np.zeros(len(pending), dtype=bool)
        reached = never if limit is None else total >= limit
        reasons = {
            "enough": found.counts[pending] >= found.rows.shape[1],
            "corpus": over & ~reached,
            "min_score": never if floor is None else lowest < floor,
            "range_max": reached,
        }
        codes = [ENDED.index(name) for name in reasons]
        found.ended[pending] = np.select(list(reasons.values()), codes, default=-1)

    def _judge(
        self,
        wanted: Wanted,
        found: Found,
        places: I64Array,
        who: I64Array,
        *,
        rows: I64Array,
        scores: F64Array,
        ranks: npt.NDArray[np.int64],
    ) -> None:
        """Add what passes all filters to ``places`` of what is found; count what filters take."""
        if not rows.size:
            return
        codes = self._cheap(wanted, who, rows, scores, ranks)
        self._drop_kept_before(found, places, rows, codes)
        self._costly(wanted, who, rows, codes, found.rows.shape[1] - found.counts[places])
        found.take_in(places, rows=rows, scores=scores, ranks=ranks, verdicts=codes)

    def _cheap(
        self,
        wanted: Wanted,
        who: I64Array,
        rows: I64Array,
        scores: F64Array,
        ranks: npt.NDArray[np.int64],
    ) -> I64Array:
        codes = np.full(rows.shape, UNTESTED, dtype=np.int64)
        floor = self.settings.min_score
        if floor is not None:
            codes[scores < floor] = _CODE["min_score"]
        over = scores > wanted.ceilings.values[who][:, None]
        rules = np.broadcast_to(_RULE_CODES[wanted.ceilings.rules[who]][:, None], rows.shape)
        codes[over] = rules[over]
        codes[ranks < self.settings.range_min] = _CODE["range_min"]
        return codes

    def _costly(
        self, wanted: Wanted, who: I64Array, rows: I64Array, codes: I64Array, need: I64Array
    ) -> None:
        """Test, in order, only as many as may be needed."""
        there = rows >= 0
        while True:
            have = (codes == KEPT).sum(axis=1)
            untested = there & (codes == UNTESTED)
            due = untested & (np.cumsum(untested, axis=1) <= (need - have)[:, None])
            if not due.any():
                return
            place, column = np.nonzero(due)
            candidates, owners = rows[due], who[place]
            verdict = np.full(len(candidates), KEPT, dtype=np.int64)
            if self.shingles is not None and self.settings.shingle_similarity is not None:
                near = near_by_shingles(
                    self.shingles,
                    candidates,
                    owners,
                    wanted.positives,
                    self.settings.shingle_similarity,
                )
                verdict[near] = _CODE["shingle_similarity"]
            if self.settings.near_duplicate is not None:
                near = near_by_cosine(
                    self.vectors,
                    candidates,
                    owners,
                    wanted.positives,
                    self.settings.near_duplicate,
                )
                verdict[near] = _CODE["near_duplicate"]
            codes[place, column] = verdict
            self._drop_repeats(rows, codes)

    def _drop_kept_before(
        self, found: Found, places: I64Array, rows: I64Array, codes: I64Array
    ) -> None:
        """Drop rows whose text a query has from an earlier part of the scan."""
        if self.text_keys is None:
            return
        for line in np.flatnonzero(found.counts[places]).tolist():
            place = places[line]
            kept = self.text_keys[found.rows[place, : found.counts[place]]]
            again = np.isin(self.text_keys[rows[line]], kept)
            codes[line, again & (codes[line] == UNTESTED)] = _CODE["repeated_text"]

    def _drop_repeats(self, rows: I64Array, codes: I64Array) -> None:
        """Keep the first of the rows of a query that have the same text."""
        if self.text_keys is None:
            return
        place, column = np.nonzero(codes == KEPT)
        keys = self.text_keys[rows[place, column]]
        order = np.lexsort((column, keys, place))
        same = (np.diff(keys[order]) == 0) & (np.diff(place[order]) == 0)
        again = order[1:][same]
        codes[place[again], column[again]] = _CODE["repeated_text"]
