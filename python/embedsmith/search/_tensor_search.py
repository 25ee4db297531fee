"""The search on a device, tile by tile.

A tile is some corpus rows, encoded once, against some queries. Its product is an upper bound on
every canonical score in it (``_tensor_certificate``); the pairs whose bound reaches their query's
floor are found with one comparison, which is also the one time per tile that the host waits for the
device, and scored in full at once (``_tensor_scores``). So the floor is always the k-th best exact
score so far, and nothing but the answer is kept from tile to tile.

The first tile has no floor yet: there the rows with the best bounds are scored first. Where more
pairs reach the floor than fit (equal rows, or rows sorted so that each beats the last), the same is
done again, and then the tile is cut into ever fewer columns, with a higher floor after each.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from embedsmith.exceptions import NonFiniteError, OutOfMemoryError
from embedsmith.search._tensor_certificate import Certificate, typical_size
from embedsmith.search._tensor_product import product
from embedsmith.search._tensor_scores import canonical_norms, goodness, single, widen
from embedsmith.search._tensor_top import Batch

if TYPE_CHECKING:
    from embedsmith._typing import I64Array, Metric, Progress
    from embedsmith.search._tensor_certificate import Encoded
    from embedsmith.search._tensor_product import Format

__all__ = ["Search", "Sizes"]

_CPU_BYTES = 256 << 20
_MOST_BYTES = 4 << 30
_LEAST_BYTES = 32 << 20
_MOST_ROWS = 1 << 18
_MOST_QUERIES = 1 << 12
_SAMPLE = 1 << 10
_PROGRESS_S = 0.05


@dataclass(frozen=True)
class Sizes:
    """How much of a search is looked at at once.

    Attributes
    ----------
    queries : int
        Queries of a batch.
    rows : int
        Corpus rows of a tile.
    hits : int
        Pairs merged at once.
    pairs : int
        Pairs scored at once.
    """

    queries: int
    rows: int
    hits: int
    pairs: int

    @classmethod
    def for_memory(cls, memory: int, *, queries: int, rows: int, dim: int, width: int) -> Sizes:
        """Choose sizes whose temporary tensors fit ``memory`` bytes.

        A tile takes a quarter for its rows, a half for its pairs; scoring and merging an eighth.
        """
        # Sorted with their numbers: three keys, their concatenation, three orders, scratch.
        per_hit = 160
        # Widened twice, multiplied twice, and lanes.
        per_pair = 48 * dim + 1024
        # Converted to float32 and float64, encoded, and what encoding lost; columns.
        per_row = 24 * dim + 512
        # The bound, its comparison and, should all be hits, two numbers each.
        per_bound = 24
        batch = min(queries, _MOST_QUERIES, memory // 8 // (per_hit * width))
        batch = max(batch, 1)
        tile = min(rows, _MOST_ROWS, memory // 4 // per_row, memory // 2 // (per_bound * batch))
        hits = memory // 8 // per_hit
        return cls(batch, max(tile, 1), max(hits, batch), max(memory // 8 // per_pair, 1))


def _working_memory(device: torch.device) -> int:
    """Return the bytes that a search may use beside its inputs and its answer."""
    if device.type != "cuda":
        return _CPU_BYTES
    free, total = torch.cuda.mem_get_info(device)
    # What torch holds without using it is as good as free.
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    memory = min(int(free) // 4, _MOST_BYTES)
    if memory < _LEAST_BYTES:
        msg = (
            f"search needs {4 * _LEAST_BYTES} bytes free on {device}, and {free} of its {total} "
            "are. Free some (del tensors that are no longer needed, end other programs on the "
            "device), or pass tensors on the CPU."
        )
        raise OutOfMemoryError(msg)
    return memory


class Search:
    """One exact search on a device.

    Parameters
    ----------
    queries : tensor of shape (n_queries, dim), float32
        Finite or not: that is found out here.
    corpus : tensor of shape (n_rows, dim), a dtype of numbers
        On the same device. Read tile by tile, never converted whole.
    metric : {"cosine", "dot", "l2"}
        How vectors are compared.
    width : int
        Rows wanted per query.
    form : Format
        What the pass multiplies.
    rows : tensor of int64, optional
        Ascending positions of the rows that may be found; all if not given.
    """

    def __init__(
        self,
        queries: torch.Tensor,
        corpus: torch.Tensor,
        *,
        metric: Metric,
        width: int,
        form: Format,
        rows: torch.Tensor | None = None,
    ) -> None:
        self.corpus = corpus
        self.metric: Metric = metric
        self.found = rows
        self.count = int(corpus.shape[0] if rows is None else rows.shape[0])
        self._hits = self._scored = 0
        self._crowded: set[int] = set()
        dim = int(queries.shape[1])
        self.sizes = Sizes.for_memory(
            _working_memory(queries.device),
            queries=int(queries.shape[0]),
            rows=self.count,
            dim=dim,
            width=width,
        )
        unit = typical_size(self._sample())
        self.certificate = Certificate(metric, dim, form, unit)
        self.batches = []
        for first in range(0, queries.shape[0], self.sizes.queries):
            part = queries[first : first + self.sizes.queries]
            encoded = self.certificate.queries(part)
            _refuse_non_finite("queries", encoded, first)
            batch = Batch(
                metric,
                part,
                encoded,
                norms=canonical_norms(part, self.sizes.pairs),
                row_scale=1 / unit,
                rounding=self.certificate.rounding,
                width=width,
            )
            self.batches.append(batch)

    def run(
        self,
        exclude: tuple[I64Array, I64Array] | None,
        progress: Progress | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the canonical scores, float64, and the rows of the answer.

        Parameters
        ----------
        exclude : (queries, positions), optional
            Pairs that may not be found; positions count the rows that may. Sorted by position.
        progress : callable, optional
            Called with the rows done and all rows.
        """
        excluded = self._excluded(exclude)
        finite = torch.ones((), dtype=torch.bool, device=self.corpus.device)
        told = time.monotonic()
        for start in range(0, self.count, self.sizes.rows):
            stop = min(start + self.sizes.rows, self.count)
            tile = self.certificate.rows(single(self._rows(start, stop)))
            finite &= tile.finite.all()
            for batch, pairs in zip(self.batches, excluded, strict=True):
                self._search_tile(batch, tile, start, pairs)
            if progress is not None and (
                stop == self.count or time.monotonic() - told >= _PROGRESS_S
            ):
                progress(stop, self.count)
                told = time.monotonic()
        if not finite:
            self._name_non_finite()
        best = torch.cat([batch.goodness for batch in self.batches])
        rows = torch.cat([batch.rows for batch in self.batches])
        return (0.0 - best if self.metric == "l2" else best), rows

    def counts(self) -> dict[str, Any]:
        """Return what the search took so far, under the core's names."""
        return {
            "rows": {self.certificate.form.name: self.count * len(self.batches)},
            "hits": self._hits,
            "scored": self._scored,
            "repeated": 0,
            "fallbacks": len(self._crowded),
        }

    def _rows(self, start: int, stop: int) -> torch.Tensor:
        if self.found is None:
            return self.corpus[start:stop]
        return self.corpus.index_select(0, self.found[start:stop])

    def _sample(self) -> torch.Tensor:
        """Return about a thousand rows from all over the corpus, as float32."""
        step = max(self.count // _SAMPLE, 1)
        if self.found is None:
            return single(self.corpus[::step])
        return single(self.corpus.index_select(0, self.found[::step]))

    def _excluded(
        self, exclude: tuple[I64Array, I64Array] | None
    ) -> list[tuple[I64Array, torch.Tensor, torch.Tensor] | None]:
        """Return per batch the positions excluded, and on the device the pairs."""
        if exclude is None:
            return [None] * len(self.batches)
        query, position = exclude
        parts: list[tuple[I64Array, torch.Tensor, torch.Tensor] | None] = []
        first = 0
        for batch in self.batches:
            own = (query >= first) & (query < first + len(batch))
            positions = position[own]
            on_device = [
                torch.from_numpy(numbers).to(self.corpus.device)
                for numbers in (query[own] - first, positions)
            ]
            parts.append((positions, on_device[0], on_device[1]))
            first += len(batch)
        return parts

    def _search_tile(
        self,
        batch: Batch,
        tile: Encoded,
        start: int,
        excluded: tuple[I64Array, torch.Tensor, torch.Tensor] | None,
    ) -> None:
        bounds = product(batch.codes, tile.codes)
        if excluded is not None:
            positions, query, position = excluded
            low, high = np.searchsorted(positions, [start, start + bounds.shape[1]])
            if low < high:
                bounds[query[low:high], position[low:high] - start] = -math.inf
        seeded = start == 0 and self._seed(batch, bounds, start)
        self._sift(batch, bounds, start, seeded=seeded)

    def _seed(self, batch: Batch, bounds: torch.Tensor, start: int) -> bool:
        """Score the rows with the best bounds and take them out, if that leaves any."""
        if batch.width >= bounds.shape[1]:
            return False
        values, columns = bounds.topk(batch.width, dim=1, sorted=False)
        query = batch.numbers.repeat_interleave(batch.width)
        self._take(batch, query, columns.reshape(-1) + start, values.reshape(-1) > -math.inf)
        bounds.scatter_(1, columns, -math.inf)
        return True

    def _sift(self, batch: Batch, bounds: torch.Tensor, start: int, *, seeded: bool) -> None:
        """Score the pairs whose bound reaches the floor."""
        hits = torch.nonzero(bounds >= batch.floors()[:, None])
        columns = bounds.shape[1]
        if hits.shape[0] <= self.sizes.hits or columns == 1:
            if hits.shape[0]:
                self._hits += hits.shape[0]
                self._take(batch, hits[:, 0], hits[:, 1] + start, None)
            return
        del hits
        self._crowded.add(id(batch))
        if not seeded and self._seed(batch, bounds, start):
            self._sift(batch, bounds, start, seeded=True)
            return
        middle = columns // 2
        self._sift(batch, bounds[:, :middle], start, seeded=True)
        self._sift(batch, bounds[:, middle:], start + middle, seeded=True)

    def _take(
        self,
        batch: Batch,
        query: torch.Tensor,
        position: torch.Tensor,
        valid: torch.Tensor | None,
    ) -> None:
        """Score pairs and merge them into the batch; those that are not valid are no pairs."""
        self._scored += query.shape[0]
        row = position if self.found is None else self.found[position]
        parts = [
            goodness(
                self.metric,
                widen(batch.queries.index_select(0, some)),
                widen(single(self.corpus.index_select(0, rows))),
                batch.norms[some],
            )
            for some, rows in zip(
                query.split(self.sizes.pairs), row.split(self.sizes.pairs), strict=True
            )
        ]
        scored = torch.cat(parts)
        if valid is not None:
            scored = torch.where(valid, scored, -math.inf)
            row = torch.where(valid, row, -1)
        batch.merge(query, scored, row)

    def _name_non_finite(self) -> None:
        """Raise for the first row that may be found and is not finite."""
        for start in range(0, self.count, self.sizes.rows):
            stop = min(start + self.sizes.rows, self.count)
            bad = ~single(self._rows(start, stop)).isfinite().all(dim=1)
            if bad.any():
                row = start + int(bad.to(torch.uint8).argmax())
                raise _non_finite("corpus", row if self.found is None else int(self.found[row]))
        msg = "the corpus changed while it was searched; search a copy that nothing writes to."
        raise NonFiniteError(msg)


def _refuse_non_finite(argument: str, encoded: Encoded, first: int) -> None:
    if not encoded.finite.all():
        row = int((~encoded.finite).to(torch.uint8).argmax())
        raise _non_finite(argument, first + row)


def _non_finite(argument: str, row: int) -> NonFiniteError:
    msg = (
        f"{argument} row {row} holds NaN or infinity, so it has no place in an order. "
        "Look at what produced it, or drop the row."
    )
    return NonFiniteError(msg)
