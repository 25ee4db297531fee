"""The corpus's embeddings: searched, gathered, and walked through."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._validate import CorpusMatrix, Exclusions, as_corpus
from embedsmith.bulk import EmbeddingFolder
from embedsmith.exceptions import DataError, NonFiniteError, ShapeError
from embedsmith.search import topk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedsmith._typing import F32Array, F64Array, I64Array, Metric
    from embedsmith.mining._lists import RowLists
    from embedsmith.search import TopK

__all__ = ["CorpusVectors", "opened"]

_BLOCK_BYTES = 12 << 20
# Rows that a group of queries is scored with at once: each query gets all of the group's.
_GROUP_ROWS = 64


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
            self._target = None
        if self._scales is not None:
            self._parts = [CorpusMatrix(part, "int8") for part in parts]
        else:
            self._parts = [as_corpus(argument, part) for part in parts]
        if self._target is None:
            self._target = source if isinstance(source, np.memmap) else _searchable(self._parts[0])
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
        lists = None if excluded is None else Exclusions(excluded.offsets, excluded.rows)
        return topk(queries, self._target, k=k, metric=self.metric, exclude=lists, threads=threads)

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

    def pair_scores(self, queries: F32Array, lists: RowLists) -> F64Array:
        """Return the canonical score of each query with each row of its list, flat.

        The very bits of a search, so that a row that ties with a positive is seen to tie.
        """
        scores = np.empty(len(lists.rows), dtype=np.float64)
        first = 0
        while first < len(lists):
            limit = lists.offsets[first] + _GROUP_ROWS
            last = int(np.searchsorted(lists.offsets, limit, side="right")) - 1
            last = min(max(last, first + 1), len(lists))
            begin, end = int(lists.offsets[first]), int(lists.offsets[last])
            if end > begin:
                hits = topk(
                    queries[first:last],
                    self.gather(lists.rows[begin:end]),
                    k=end - begin,
                    metric=self.metric,
                    threads=1,
                )
                table = np.empty_like(hits.exact)
                np.put_along_axis(table, hits.rows, hits.exact, axis=1)
                owner = np.repeat(np.arange(last - first), lists.counts[first:last])
                scores[begin:end] = table[owner, np.arange(end - begin)]
            first = last
        return scores

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


def _searchable(part: CorpusMatrix) -> Any:
    if part.half == "float16":
        return part.values.view(np.float16)
    if part.half == "bfloat16":
        return (part.values.astype(np.uint32) << 16).view(np.float32)
    return part.values


def not_finite(argument: str, row: int) -> NonFiniteError:
    """Return the error for a row with NaN or infinity."""
    msg = (
        f"{argument} row {row} holds NaN or infinity. Embed that text again, or leave it out; a "
        "text that is too long or empty is the usual cause."
    )
    return NonFiniteError(msg)
