"""Candidates of each query, best first, with the filters at work while the corpus is searched.

A query that finds too few goes on from where it stopped, alone: those that have enough are not
searched again, and rows seen before are excluded from the scan instead of being asked for anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from embedsmith.mining._below import best_below
from embedsmith.mining._lists import RowLists
from embedsmith.mining._near import near_by_cosine, near_by_shingles

if TYPE_CHECKING:
    import numpy.typing as npt

    from embedsmith._typing import BoolArray, F32Array, F64Array, I64Array
    from embedsmith.mining._ceilings import Ceilings
    from embedsmith.mining._settings import Settings
    from embedsmith.mining._texts import Shingles
    from embedsmith.mining._vectors import CorpusVectors

__all__ = ["FILTERS", "Candidates", "Scan", "Wanted"]

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
_KEPT, _UNTESTED = -1, -2
_CODE = {name: code for code, name in enumerate(FILTERS)}
_RULE_CODES = np.array([_KEPT, 1, 2, 3])

_SPARE = 5
_DEEPER = 4
_WIDEST = 2_048
# From here on, a query that is still above its ceiling is looked up below it.
_CEILING_FROM = 64


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


@dataclass
class Candidates:
    """What one query found: rows in order, until there were enough or there were no more."""

    rows: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    taken: I64Array = field(default_factory=lambda: np.zeros(len(FILTERS), dtype=np.int64))
    ended: str = ""
    texts: set[int] = field(default_factory=set)


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

    def run(self, wanted: Wanted, most: int) -> list[Candidates]:
        """Return up to ``most`` candidates for each query, fewer only if there are no more."""
        found = [Candidates() for _ in range(len(wanted.queries))]
        pending = np.arange(len(found))
        seen = wanted.excluded
        depth = 0
        width = self.settings.range_min + most + _SPARE
        if self.settings.range_max is not None:
            width = min(width, self.settings.range_max)
        while pending.size:
            hits = self.vectors.search(wanted.queries[pending], width, seen, threads=self.threads)
            ranks = np.broadcast_to(depth + np.arange(hits.rows.shape[1]), hits.rows.shape)
            states = [found[one] for one in pending.tolist()]
            self._judge(
                wanted, states, pending, most, rows=hits.rows, scores=hits.exact, ranks=ranks
            )
            depth += hits.rows.shape[1]
            last = hits.exact[:, -1]
            over = hits.rows[:, -1] < 0
            self._end(found, pending, most=most, last=last, over=over, depth=depth)
            left = np.array([not found[one].ended for one in pending.tolist()], dtype=bool)
            seen = seen.joined(RowLists.of([row[row >= 0] for row in hits.rows])).take(
                np.flatnonzero(left)
            )
            pending, last = pending[left], last[left]
            high = last > wanted.ceilings.values[pending]
            if high.any() and depth >= _CEILING_FROM:
                places = np.flatnonzero(high)
                below = pending[places]
                self._below(wanted, found, below, seen.take(places), most=most, depth=depth)
                seen, pending = seen.take(np.flatnonzero(~high)), pending[~high]
            width = min(width * _DEEPER, _WIDEST)
            if self.settings.range_max is not None:
                width = min(width, max(self.settings.range_max - depth, 1))
        return found

    def passing(
        self, wanted: Wanted, place: int, rows: I64Array, scores: F64Array, most: int
    ) -> Candidates:
        """Return what passes all filters of the rows that another retriever found for a query."""
        state = Candidates()
        ranks = np.arange(len(rows))[None]
        who = np.array([place])
        self._judge(wanted, [state], who, most, rows=rows[None], scores=scores[None], ranks=ranks)
        return state

    def _end(
        self,
        found: list[Candidates],
        pending: I64Array,
        *,
        most: int,
        last: F64Array,
        over: BoolArray,
        depth: int,
    ) -> None:
        floor, limit = self.settings.min_score, self.settings.range_max
        for place, one in enumerate(pending.tolist()):
            if len(found[one].rows) >= most:
                found[one].ended = "enough"
            elif over[place]:
                found[one].ended = "corpus"
            elif floor is not None and last[place] < floor:
                found[one].ended = "min_score"
            elif limit is not None and depth >= limit:
                found[one].ended = "range_max"

    def _below(
        self,
        wanted: Wanted,
        found: list[Candidates],
        places: I64Array,
        seen: RowLists,
        *,
        most: int,
        depth: int,
    ) -> None:
        """Finish queries whose best rows are all above the ceiling."""
        skip, limit = self.settings.range_min, self.settings.range_max
        # Nothing above the ceiling is a candidate; its rows only count.
        amount = 4 * most + skip + 32
        while places.size:
            results = best_below(
                wanted.queries[places],
                self.vectors,
                wanted.ceilings.values[places],
                seen,
                amount,
            )
            again = []
            for place, (one, below) in enumerate(zip(places.tolist(), results, strict=True)):
                state = Candidates(taken=found[one].taken.copy())
                state.taken[_RULE_CODES[wanted.ceilings.rules[one]]] += below.n_above
                start = depth + below.n_above
                ranks = start + np.arange(len(below.rows))
                if limit is not None:
                    ranks = ranks[ranks < limit]
                within = slice(len(ranks))
                self._judge(
                    wanted,
                    [state],
                    np.array([one]),
                    most,
                    rows=below.rows[None, within],
                    scores=below.scores[None, within],
                    ranks=ranks[None],
                )
                floor = self.settings.min_score
                last = below.scores[len(ranks) - 1] if len(ranks) else np.inf
                if len(state.rows) >= most:
                    state.ended = "enough"
                elif limit is not None and start + len(below.rows) >= limit:
                    state.ended = "range_max"
                elif below.is_all:
                    state.ended = "corpus"
                elif floor is not None and last < floor:
                    state.ended = "min_score"
                else:
                    again.append(place)
                    continue
                found[one] = state
            rest = np.array(again, dtype=np.int64)
            places, seen = places[rest], seen.take(rest)
            amount *= 8

    def _judge(
        self,
        wanted: Wanted,
        states: list[Candidates],
        who: I64Array,
        most: int,
        *,
        rows: I64Array,
        scores: F64Array,
        ranks: npt.NDArray[np.int64],
    ) -> None:
        """Put what passes all filters into the queries' states; count what each filter takes."""
        if not rows.size:
            return
        codes = self._cheap(wanted, who, rows, scores, ranks)
        self._drop_kept_before(states, rows, codes)
        need = np.array([most - len(state.rows) for state in states])
        self._costly(wanted, who, rows, codes, need)
        for place, state in enumerate(states):
            self._collect(
                state,
                most,
                rows=rows[place],
                scores=scores[place],
                ranks=ranks[place],
                codes=codes[place],
            )

    def _cheap(
        self,
        wanted: Wanted,
        who: I64Array,
        rows: I64Array,
        scores: F64Array,
        ranks: npt.NDArray[np.int64],
    ) -> I64Array:
        codes = np.full(rows.shape, _UNTESTED, dtype=np.int64)
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
            have = (codes == _KEPT).sum(axis=1)
            untested = there & (codes == _UNTESTED)
            due = untested & (np.cumsum(untested, axis=1) <= (need - have)[:, None])
            if not due.any():
                return
            place, column = np.nonzero(due)
            candidates, owners = rows[due], who[place]
            verdict = np.full(len(candidates), _KEPT, dtype=np.int64)
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

    def _drop_kept_before(self, states: list[Candidates], rows: I64Array, codes: I64Array) -> None:
        """Drop rows whose text a query has from an earlier part of the scan."""
        if self.text_keys is None:
            return
        for place, state in enumerate(states):
            if state.texts:
                keys = self.text_keys[rows[place]]
                again = np.isin(keys, np.fromiter(state.texts, np.uint64, len(state.texts)))
                codes[place, again & (codes[place] == _UNTESTED)] = _CODE["repeated_text"]

    def _drop_repeats(self, rows: I64Array, codes: I64Array) -> None:
        """Keep the first of the rows of a query that have the same text."""
        if self.text_keys is None:
            return
        place, column = np.nonzero(codes == _KEPT)
        keys = self.text_keys[rows[place, column]]
        order = np.lexsort((column, keys, place))
        same = (np.diff(keys[order]) == 0) & (np.diff(place[order]) == 0)
        again = order[1:][same]
        codes[place[again], column[again]] = _CODE["repeated_text"]

    def _collect(
        self,
        into: Candidates,
        most: int,
        *,
        rows: I64Array,
        scores: F64Array,
        ranks: npt.NDArray[np.int64],
        codes: I64Array,
    ) -> None:
        for row, score, rank, code in zip(
            rows.tolist(), scores.tolist(), ranks.tolist(), codes.tolist(), strict=True
        ):
            if row < 0 or len(into.rows) >= most or code == _UNTESTED:
                return
            if code != _KEPT:
                into.taken[code] += 1
                continue
            if self.text_keys is not None:
                into.texts.add(int(self.text_keys[row]))
            into.rows.append(row)
            into.scores.append(score)
            into.ranks.append(rank + 1)
