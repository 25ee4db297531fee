"""The best rows below a ceiling, for queries whose positive scores low.

A search from the top would have to pass tens of thousands of rows first. Here all scores of such a
query are computed in float32, with a bound on their error; what may lie at the ceiling or among the
best below it is scored canonically, and returned only as far as the bound proves its order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from embedsmith.mining._lists import RowLists

if TYPE_CHECKING:
    from embedsmith._typing import F32Array, F64Array, I64Array
    from embedsmith.mining._vectors import CorpusVectors

__all__ = ["Below", "best_below"]

_QUERIES = 128


class Below(NamedTuple):
    """What one query finds below its ceiling.

    Attributes
    ----------
    rows : ndarray, int64
        Best first; equal scores: the lower row first.
    scores : ndarray, float64
        Canonical.
    n_above : int
        Rows above the ceiling, excluded ones not counted.
    is_all : bool
        Whether no further row lies below the ceiling.
    """

    rows: I64Array
    scores: F64Array
    n_above: int
    is_all: bool


def best_below(
    queries: F32Array,
    vectors: CorpusVectors,
    ceilings: F64Array,
    excluded: RowLists,
    most: int,
) -> list[Below]:
    """Return at most about ``most`` rows per query that score at most its ceiling, in order."""
    found: list[Below] = []
    for first in range(0, len(queries), _QUERIES):
        places = np.arange(first, min(first + _QUERIES, len(queries)))
        found += _group(queries[places], vectors, ceilings[places], excluded.take(places), most)
    return found


class _Hits(NamedTuple):
    owner: I64Array
    rows: I64Array
    scores: F32Array

    @classmethod
    def none(cls) -> _Hits:
        empty = np.empty(0, dtype=np.int64)
        return cls(empty, empty, np.empty(0, dtype=np.float32))

    def plus(self, owner: I64Array, rows: I64Array, scores: F32Array) -> _Hits:
        return _Hits(
            np.concatenate([self.owner, owner]),
            np.concatenate([self.rows, rows]),
            np.concatenate([self.scores, scores]),
        )


def _group(
    queries: F32Array,
    vectors: CorpusVectors,
    ceilings: F64Array,
    excluded: RowLists,
    most: int,
) -> list[Below]:
    count, dim = queries.shape
    norms = np.sqrt((queries.astype(np.float64) ** 2).sum(axis=1))
    cosine = vectors.metric == "cosine"
    scaled = queries
    if cosine:
        scaled = (queries / np.where(norms > 0, norms, 1.0)[:, None]).astype(np.float32)
    # The sum of `dim` products in float32, the division by both norms, and their own sums.
    unit = 2.0 * (dim + 16) * 2.0**-24
    widest = 0.0
    owners = np.repeat(np.arange(count), excluded.counts)
    order = np.argsort(excluded.rows, kind="stable")
    out_rows, out_owners = excluded.rows[order], owners[order]
    near, sure = _Hits.none(), _Hits.none()
    n_above = np.zeros(count, dtype=np.int64)
    lowest = np.full(count, -np.inf, dtype=np.float32)
    for start, block in vectors.blocks():
        lengths = np.sqrt(np.einsum("ij,ij->i", block, block, dtype=np.float64))
        products = scaled @ block.T
        if cosine:
            products *= np.where(lengths > 0, 1.0 / np.maximum(lengths, 1e-300), 0.0).astype(
                np.float32
            )
            error = np.full(count, unit)
        else:
            error = unit * norms * float(lengths.max(initial=0.0))
        widest = max(widest, float(error.max()))
        begin, end = np.searchsorted(out_rows, (start, start + len(block)))
        products[out_owners[begin:end], out_rows[begin:end] - start] = -np.inf
        high = _rounded_up(ceilings + error)[:, None]
        low = _rounded_down(ceilings - error)[:, None]
        over = products > high
        n_above += over.sum(axis=1)
        below = products < low
        which, where = np.nonzero(~over & ~below)
        near = near.plus(which, where + start, products[which, where])
        below &= products > lowest[:, None]
        which, where = np.nonzero(below)
        sure = sure.plus(which, where + start, products[which, where])
        sure, lowest = _best(sure, lowest, most)
    return _scored(
        queries,
        vectors,
        ceilings,
        near=near,
        sure=sure,
        n_above=n_above,
        proven=np.asarray(lowest, np.float64) + widest,
    )


def _rounded_up(values: F64Array) -> F32Array:
    narrow = values.astype(np.float32)
    return np.where(narrow < values, np.nextafter(narrow, np.float32(np.inf)), narrow)


def _rounded_down(values: F64Array) -> F32Array:
    narrow = values.astype(np.float32)
    return np.where(narrow > values, np.nextafter(narrow, np.float32(-np.inf)), narrow)


def _best(hits: _Hits, lowest: F32Array, most: int) -> tuple[_Hits, F32Array]:
    """Keep the best of each query, and what the next hit has to exceed."""
    order = np.lexsort((-hits.scores, hits.owner))
    owner = hits.owner[order]
    starts = np.searchsorted(owner, np.arange(len(lowest) + 1))
    place = np.arange(len(owner)) - starts[owner]
    kept = order[place < most]
    full = np.flatnonzero(np.diff(starts) >= most)
    lowest = lowest.copy()
    lowest[full] = hits.scores[order[starts[full] + most - 1]]
    return _Hits(hits.owner[kept], hits.rows[kept], hits.scores[kept]), lowest


def _scored(
    queries: F32Array,
    vectors: CorpusVectors,
    ceilings: F64Array,
    *,
    near: _Hits,
    sure: _Hits,
    n_above: I64Array,
    proven: F64Array,
) -> list[Below]:
    owner = np.concatenate([near.owner, sure.owner])
    rows = np.concatenate([near.rows, sure.rows])
    order = np.argsort(owner, kind="stable")
    offsets = np.searchsorted(owner[order], np.arange(len(queries) + 1))
    lists = RowLists(offsets.astype(np.int64), rows[order])
    scores = vectors.pair_scores(queries, lists)
    found = []
    for place in range(len(queries)):
        own, exact = lists.at(place), scores[offsets[place] : offsets[place + 1]]
        above = exact > ceilings[place]
        # What was dropped scores at most `proven`; where nothing was, that is minus infinity.
        certain = ~above & (exact > proven[place])
        own, kept = own[certain], exact[certain]
        best = np.lexsort((own, -kept))
        found.append(
            Below(
                own[best],
                kept[best],
                int(n_above[place]) + int(above.sum()),
                is_all=bool(proven[place] == -np.inf),
            )
        )
    return found
