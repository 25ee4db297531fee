"""Negatives of a block of queries: scan, merge, rescore, choose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith.mining._ceilings import Ceilings, ceilings_of
from embedsmith.mining._found import ENDED, FILTERS, Candidates
from embedsmith.mining._lists import RowLists
from embedsmith.mining._sampling import chosen
from embedsmith.mining._scan import Scan, Wanted

if TYPE_CHECKING:
    import numpy.typing as npt

    from embedsmith._typing import F32Array, F64Array, I64Array
    from embedsmith.mining._data import MiningData
    from embedsmith.mining._embeddings import Embeddings
    from embedsmith.mining._found import Found
    from embedsmith.mining._settings import Settings
    from embedsmith.mining._teacher import Teacher

__all__ = ["Block", "Miner"]

_TEACHER_DEEPER = 8


@dataclass(frozen=True)
class Block:
    """What some units got; a unit is a query, or a query with one of its positives.

    Attributes
    ----------
    rows : ndarray of shape (n_units, num_negatives), int64
        Rows of the corpus; -1 where there was none.
    scores : ndarray of that shape, float64
        Of the embeddings; ``-inf`` where there was none.
    ranks : ndarray of that shape, int64
        In the search by embeddings, from 1; 0 if only BM25 found the row.
    lexical_ranks : ndarray of that shape, int64
        In the search by BM25, from 1; 0 if it did not find the row, or was not asked.
    teacher_scores : ndarray of that shape, float64
        NaN if no cross-encoder was asked.
    ceilings : ndarray of shape (n_units,), float64
        ``inf`` if nothing limited the scores.
    rules : ndarray of shape (n_units,), int64
        Place of the binding rule in ``CEILING_RULES``.
    taken : ndarray of shape (n_units, n_filters), int64
        How many rows each of ``FILTERS`` took before there were enough.
    ended : ndarray of shape (n_units,), int64
        Place in ``ENDED`` of the reason for which the search stopped.
    """

    rows: I64Array
    scores: F64Array
    ranks: I64Array
    lexical_ranks: I64Array
    teacher_scores: F64Array
    ceilings: F64Array
    rules: I64Array
    taken: I64Array
    ended: I64Array


@dataclass(frozen=True)
class Miner:
    """All that a block needs.

    Attributes
    ----------
    excluded, positives : RowLists
        Per query.
    bm25 : Bm25 or None
        Built over the corpus.
    """

    settings: Settings
    data: MiningData
    embeddings: Embeddings
    scan: Scan
    excluded: RowLists
    positives: RowLists
    positive_scores: F64Array
    query_keys: npt.NDArray[np.uint64]
    doc_keys: npt.NDArray[np.uint64] | None
    bm25: Any
    teacher: Teacher | None

    @property
    def most(self) -> int:
        """How many candidates of a query are looked for."""
        most = self.settings.survivors
        if self.teacher is None:
            return most
        # It puts them in another order, so there have to be some to choose from.
        return max(most, replace(self.settings, sampling_strategy="random").survivors)

    def units(self) -> tuple[I64Array, I64Array]:
        """Return the query of each unit, and its positive's place, -1 for all of them."""
        if self.settings.margin_to != "each":
            count = len(self.positives)
            return np.arange(count), np.full(count, -1, dtype=np.int64)
        counts = self.positives.counts
        return np.repeat(np.arange(len(counts)), counts), np.arange(len(self.positives.rows))

    def block(self, queries: I64Array, own: I64Array) -> Block:
        """Return the negatives of some units.

        Parameters
        ----------
        queries : ndarray of shape (n_units,), int64
            Number of the query of each.
        own : ndarray of shape (n_units,), int64
            Place of the one positive that margins are counted from; -1 for all of the query's.
        """
        positives = self.positives.take(queries)
        anchors = positives
        places = RowLists(self.positives.offsets, np.arange(len(self.positives.rows)))
        of_anchor = places.take(queries).rows
        if len(own) and own[0] >= 0:
            anchors = RowLists(np.arange(len(own) + 1), self.positives.rows[own])
            of_anchor = own
        scores = self.positive_scores[of_anchor]
        if self.teacher is None:
            ceilings = ceilings_of(self.settings, scores, anchors)
        else:
            owner = np.repeat(queries, anchors.counts)
            ceilings = ceilings_of(self.settings, self._taught(owner, anchors.rows), anchors)
        nothing = Ceilings(np.full(len(queries), np.inf), np.zeros(len(queries), dtype=np.int64))
        wanted = Wanted(
            self._vectors_of(queries),
            self.excluded.take(queries),
            positives,
            ceilings if self.teacher is None else nothing,
        )
        return self._filled(queries, wanted, ceilings)

    def _vectors_of(self, queries: I64Array) -> F32Array:
        """Return the queries' embeddings, as they lie where the queries follow each other."""
        first, last = int(queries[0]), int(queries[-1]) + 1
        if last - first == len(queries) and (np.diff(queries) == 1).all():
            return self.embeddings.queries[first:last]
        return self.embeddings.queries[queries]

    def _filled(self, queries: I64Array, wanted: Wanted, ceilings: Ceilings) -> Block:
        count, width = len(queries), self.settings.num_negatives
        out = Block(
            rows=np.full((count, width), -1, dtype=np.int64),
            scores=np.full((count, width), -np.inf),
            ranks=np.zeros((count, width), dtype=np.int64),
            lexical_ranks=np.zeros((count, width), dtype=np.int64),
            teacher_scores=np.full((count, width), np.nan),
            ceilings=ceilings.values,
            rules=ceilings.rules,
            taken=np.zeros((count, len(FILTERS)), dtype=np.int64),
            ended=np.zeros(count, dtype=np.int64),
        )
        most = self.most
        if self.teacher is None and self.bm25 is None:
            self._choose_all(out, queries, self.scan.run(wanted, most))
            return out
        deepest = most * _TEACHER_DEEPER
        left = np.arange(count)
        while left.size:
            part = Wanted(
                wanted.queries[left],
                wanted.excluded.take(left),
                wanted.positives.take(left),
                Ceilings(wanted.ceilings.values[left], wanted.ceilings.rules[left]),
            )
            all_found = self.scan.run(part, most)
            found = [all_found.at(place) for place in range(len(left))]
            lexical = self._lexical(queries[left], part, found, most)
            short = []
            for place, candidates, words in zip(left.tolist(), found, lexical, strict=True):
                bound = (float(ceilings.values[place]), int(ceilings.rules[place]))
                query = int(queries[place])
                self._choose(out, place, query, candidates, words=words, bound=bound)
                goes_on = candidates.ended == "enough" and most < deepest
                if self.teacher is not None and out.rows[place, -1] < 0 and goes_on:
                    short.append(place)
            left, most = np.array(short, dtype=np.int64), most * 2
        if self.teacher is not None:
            self.teacher.forget()
        return out

    def _choose_all(self, out: Block, queries: I64Array, found: Found) -> None:
        """Write all units' negatives into the block, where the scan alone decides."""
        out.taken[:], out.ended[:] = found.taken, found.ended
        if self.settings.sampling_strategy == "top":
            width = out.rows.shape[1]
            out.rows[:], out.scores[:] = found.rows[:, :width], found.scores[:, :width]
            out.ranks[:] = found.ranks[:, :width]
            return
        for place, query in enumerate(queries.tolist()):
            count = found.counts[place]
            rows, scores = found.rows[place, :count], found.scores[place, :count]
            picked = chosen(self.settings, scores, int(self.query_keys[query]), self._keys(rows))
            slots = np.arange(len(picked))
            out.rows[place, slots], out.scores[place, slots] = rows[picked], scores[picked]
            out.ranks[place, slots] = found.ranks[place, picked]

    def _keys(self, rows: I64Array) -> npt.NDArray[np.uint64]:
        """Return what draws know rows by."""
        return rows.astype(np.uint64) if self.doc_keys is None else self.doc_keys[rows]

    def _choose(
        self,
        out: Block,
        place: int,
        query: int,
        found: Candidates,
        *,
        words: dict[int, int],
        bound: tuple[float, int],
    ) -> None:
        """Write one unit's negatives into the block."""
        rows = np.array(found.rows, dtype=np.int64)
        scores = np.array(found.scores, dtype=np.float64)
        ranks = np.array(found.ranks, dtype=np.int64)
        taken, ended = found.taken.copy(), found.ended
        ordering, taught = scores, np.full(len(rows), np.nan)
        if self.teacher is not None:
            taught = self._taught(np.full(len(rows), query), rows)
            kept = self._kept_by_teacher(taught, bound, taken)
            order = kept[np.lexsort((kept, -taught[kept]))]
            rows, scores, ranks, taught = rows[order], scores[order], ranks[order], taught[order]
            ordering = taught
            if ended == "enough" and len(rows) < self.settings.num_negatives:
                ended = "cross_encoder"
        key = int(self.query_keys[query])
        picked = chosen(self.settings, ordering, key, self._keys(rows))
        slots = np.arange(len(picked))
        out.rows[place, slots], out.scores[place, slots] = rows[picked], scores[picked]
        out.ranks[place, slots], out.teacher_scores[place, slots] = ranks[picked], taught[picked]
        out.lexical_ranks[place, slots] = [words.get(row, 0) for row in rows[picked].tolist()]
        out.taken[place], out.ended[place] = taken, ENDED.index(ended)

    def _kept_by_teacher(
        self, taught: F64Array, bound: tuple[float, int], taken: I64Array
    ) -> I64Array:
        over = taught > bound[0]
        # The rules of ceilings have the same places among the filters.
        taken[bound[1]] += int(over.sum())
        floor = self.settings.min_score
        under = np.zeros(len(taught), dtype=bool) if floor is None else taught < floor
        taken[FILTERS.index("min_score")] += int((under & ~over).sum())
        return np.flatnonzero(~over & ~under)

    def _taught(self, queries: I64Array, rows: I64Array) -> F64Array:
        asked, passages = self.data.query_texts, self.data.doc_texts
        if self.teacher is None or asked is None or passages is None:
            return np.full(len(rows), np.nan)
        pairs = list(zip(queries.tolist(), rows.tolist(), strict=True))
        return self.teacher.scores(pairs, asked, passages)

    def _lexical(
        self, queries: I64Array, wanted: Wanted, found: list[Candidates], most: int
    ) -> list[dict[int, int]]:
        """Merge what BM25 finds into the candidates; return its ranks."""
        texts = self.data.query_texts
        if self.bm25 is None or texts is None:
            return [{} for _ in found]
        deepest = max(self.settings.range_max or 0, self.settings.range_min + 10 * most)
        hits = self.bm25.search(
            [texts[query] for query in queries.tolist()],
            k=deepest + int(wanted.excluded.counts.max(initial=0)),
        )
        lists = []
        for place, row in enumerate(hits.rows):
            own = row[(row >= 0) & ~np.isin(row, wanted.excluded.at(place))][:deepest]
            lists.append(own[: self.settings.range_max])
        ranked = RowLists.of(lists)
        scores = self.embeddings.corpus.pair_scores(
            wanted.queries, ranked, threads=self.scan.threads
        )
        merged = []
        for place, dense in enumerate(found):
            own = scores[ranked.offsets[place] : ranked.offsets[place + 1]]
            words = self.scan.passing(wanted, place, lists[place], own, most)
            merged.append({row: rank + 1 for rank, row in enumerate(lists[place].tolist())})
            _merge(dense, words, merged[-1], most, self.scan.text_keys)
        return merged


def _merge(
    dense: Candidates,
    words: Candidates,
    ranks: dict[int, int],
    most: int,
    text_keys: npt.NDArray[np.uint64] | None,
) -> None:
    """Order both retrievers' candidates by their better rank, the dense one first at a tie."""
    own = dict(zip(dense.rows, zip(dense.scores, dense.ranks, strict=True), strict=True))
    theirs = dict(zip(words.rows, words.scores, strict=True))
    best = {row: (float(rank), 0) for row, (_, rank) in own.items()}
    for row in theirs:
        best[row] = min(best.get(row, (np.inf, 1)), (float(ranks[row]), 1))
    order = sorted(best, key=lambda row: (*best[row], row))
    if text_keys is not None:
        # Each retriever brought a text once; both may have brought copies of one.
        first = {int(text_keys[row]): row for row in reversed(order)}
        order = [row for row in order if first[int(text_keys[row])] == row]
    order = order[:most]
    dense.scores = [own[row][0] if row in own else theirs[row] for row in order]
    dense.ranks = [own[row][1] if row in own else 0 for row in order]
    dense.rows = order
    if len(order) >= most:
        dense.ended = "enough"
