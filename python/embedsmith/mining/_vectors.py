"""The corpus's embeddings: searched, gathered, and walked through."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from embedsmith._core import pair_scores, topk_below
from embedsmith._validate import CorpusMatrix, Exclusions, as_corpus
from embedsmith.bulk import EmbeddingFolder
from embedsmith.exceptions import DataError, NonFiniteError, ShapeError
from embedsmith.search._best import rounded
from embedsmith.search._shards import as_shards, topk_shards
from embedsmith.search._topk import search_matrix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedsmith._typing import F32Array, F64Array, I64Array, Metric
    from embedsmith.mining._lists import RowLists
    from embedsmith.search import TopK
    from embedsmith.search._shards import Shards

__all__ = ["CorpusVectors", "HitsBelow", "opened"]

_BLOCK_BYTES = 12 << 20
_GATHERED_BYTES = 16 << 20


def opened(argument: str, value: Any) -> Any:
    """Return embeddings that were given by path as what lies there; other values as they are.

    Raises
    ------
    DataError
        If the path holds neither a ``.npy`` file nor a folder of embeddings.
    """
    if not isinstance(value, (str, os.PathLike)):
        return value
    place = Path(value).expanduser()
    if place.is_dir():
        return EmbeddingFolder(place)
    try:
        return np.load(place, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        msg = (
            f"{argument}: {place} cannot be read ({error}). Pass a .npy file of one row per text, "
            "or a folder that embedsmith embed wrote."
        )
        raise DataError(msg) from error


class HitsBelow(NamedTuple):
    """The best rows of each query that score at most its ceiling.

    Attributes
    ----------
    rows : ndarray of shape (n_queries, width), int64
        -1 where no row is left.
    exact : ndarray of that shape, float64
        Canonical scores; ``-inf`` there.
    above : ndarray of shape (n_queries,), int64
        How many rows score more, excluded ones not counted.
    """

    rows: I64Array
    exact: F64Array
    above: I64Array


class CorpusVectors:
    """Rows of embeddings in one matrix or in the shards of a folder."""

    def __init__(self, argument: str, source: Any, metric: Metric) -> None:
        self.metric: Metric = metric
        self._argument = argument
        self._scales: list[F32Array] | None = None
        if isinstance(source, EmbeddingFolder):
            self._target: Any = str(source.path)
            parts: list[Any] = source.vectors
            self._scales = source.scales
        else:
            parts = [source]
            # A map that would fill the memory is searched part by part.
            self._target = source if isinstance(source, np.memmap) else None
        if self._scales is not None:
            self._parts = [CorpusMatrix(part, "int8") for part in parts]
        else:
            self._parts = [as_corpus(argument, part) for part in parts]
        self._starts = np.cumsum([0, *(len(part.values) for part in self._parts)])
        self.dim = int(self._parts[0].values.shape[1])
        if not len(self):
            msg = f"{argument} is empty; pass at least one row."
            raise ShapeError(msg)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def search(
        self, queries: F32Array, k: int, excluded: RowLists | None, *, threads: int | None
    ) -> TopK:
        """Return the best rows for each query, but for those that are excluded."""
        how: dict[str, Any] = {"k": k, "metric": self.metric, "where": None, "threads": threads}
        how["exclude"] = None if excluded is None else Exclusions(excluded.offsets, excluded.rows)
        shards = self._shards()
        if shards is None:
            return search_matrix(queries, self._parts[0], norms=None, **how)
        return topk_shards(queries, shards, **how)

    def search_below(
        self,
        queries: F32Array,
        k: int,
        excluded: RowLists,
        ceilings: F64Array,
        *,
        threads: int | None,
    ) -> HitsBelow:
        """Return the best rows for each query that score at most its ceiling, in one search."""
        above = np.zeros(len(queries), dtype=np.int64)

        def below(queries: F32Array, corpus: CorpusMatrix, **how: Any) -> TopK:
            rows, exact, more = topk_below(
                queries,
                corpus.values,
                min(k, len(corpus.values)),
                self.metric,
                ceilings,
                how["exclude"],
                how["at_least"],
                threads,
                corpus.half,
            )
            np.add(above, more, out=above)
            return rounded(exact, rows, self.metric, len(corpus.values))

        how: dict[str, Any] = {"exclude": Exclusions(excluded.offsets, excluded.rows)}
        shards = self._shards()
        if shards is None:
            hits = below(queries, self._parts[0], at_least=None, **how)
        else:
            hits = topk_shards(
                queries,
                shards,
                k=k,
                metric=self.metric,
                where=None,
                threads=threads,
                search=below,
                **how,
            )
        return HitsBelow(hits.rows, hits.exact, above)

    def gather(self, rows: I64Array) -> F32Array:
        """Return these rows as float32."""
        out = np.empty((len(rows), self.dim), dtype=np.float32)
        part_of = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(part_of).tolist():
            places = np.flatnonzero(part_of == number)
            out[places] = self._widened(number, rows[places] - self._starts[number])
        return out

    def blocks(self) -> Iterator[tuple[int, F32Array]]:
        """Return all rows in order, as many at a time as caches and memory like."""
        step = max(1, _BLOCK_BYTES // (4 * max(self.dim, 1)))
        for number, part in enumerate(self._parts):
            for first in range(0, len(part.values), step):
                last = min(first + step, len(part.values))
                yield int(self._starts[number]) + first, self._widened(number, slice(first, last))

    def check_finite(self) -> None:
        """Refuse rows with NaN or infinity, which would rank first or last by accident.

        Raises
        ------
        NonFiniteError
            Naming the first such row.
        """
        for start, block in self.blocks():
            # A sum is finite if all its terms are, but for overflow, which the second look sees.
            if np.isfinite(block.sum()):
                continue
            wrong = ~np.isfinite(block).all(axis=1)
            if wrong.any():
                raise not_finite(self._argument, start + int(np.argmax(wrong)))

    def pair_scores(self, queries: F32Array, lists: RowLists, *, threads: int | None) -> F64Array:
        """Return the canonical score of each query with each row of its list, flat.

        The very bits of a search, so that a row that ties with a positive is seen to tie.
        """
        if len(self._parts) == 1 and self._scales is None:
            values, half = self._parts[0]
            pairs = (lists.offsets, lists.rows)
            return pair_scores(queries, values, self.metric, pairs, threads, half)
        scores = np.empty(len(lists.rows), dtype=np.float64)
        step = max(1, _GATHERED_BYTES // (4 * max(self.dim, 1)))
        for first in range(0, len(lists.rows), step):
            last = min(first + step, len(lists.rows))
            rows, place = np.unique(lists.rows[first:last], return_inverse=True)
            pairs = (np.clip(lists.offsets, first, last) - first, place.reshape(-1))
            part = self.gather(rows)
            scores[first:last] = pair_scores(queries, part, self.metric, pairs, threads)
        return scores

    def _shards(self) -> Shards | None:
        """Return the parts that are searched one by one; None if the whole lies in memory."""
        return None if self._target is None else as_shards(self._target)

    def _widened(self, number: int, rows: Any) -> F32Array:
        values, half = self._parts[number]
        taken = values[rows]
        if half == "bfloat16":
            widened: F32Array = (taken.astype(np.uint32) << 16).view(np.float32)
            return widened
        if half == "float16":
            taken = taken.view(np.float16)
        wide: F32Array = taken.astype(np.float32, copy=False)
        return wide if self._scales is None else wide * self._scales[number][rows, None]


def not_finite(argument: str, row: int) -> NonFiniteError:
    """Return the error for a row with NaN or infinity."""
    msg = (
        f"{argument} row {row} holds NaN or infinity. Embed that text again, or leave it out; a "
        "text that is too long or empty is the usual cause."
    )
    return NonFiniteError(msg)
