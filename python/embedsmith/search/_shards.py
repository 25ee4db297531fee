"""Search a corpus that comes in shards, or that no memory holds, block by block."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._validate import (
    CorpusMatrix,
    as_count,
    as_mask,
    as_metric,
    as_progress,
    fitting,
)
from embedsmith.exceptions import NonFiniteError, ShapeError
from embedsmith.search._best import Best
from embedsmith.search._excluded import ExcludedByRow
from embedsmith.search._folder import folder_sources
from embedsmith.search._matrix import search_matrix
from embedsmith.search._process_memory import comfortable_bytes
from embedsmith.search._progress import Reporter
from embedsmith.search._read_ahead import common_half, cut_in_blocks, read_blocks
from embedsmith.search._sources import array_source, npy_source

if TYPE_CHECKING:
    from embedsmith._typing import F32Array, Metric, Progress
    from embedsmith.search._hits import TopK
    from embedsmith.search._read_ahead import Block
    from embedsmith.search._sources import Source

__all__ = ["Shards", "as_shards", "as_source", "topk_shards"]


@dataclass(frozen=True)
class Shards:
    """A corpus in parts, none of whose rows was read yet.

    Attributes
    ----------
    sources : tuple of Source
        The parts, in order.
    before : int
        Rows of a larger corpus that come before these; for messages.
    """

    sources: tuple[Source, ...]
    before: int = 0

    def __post_init__(self) -> None:
        """Refuse shards without rows, or of several widths."""
        for source in self.sources:
            if not source.rows:
                msg = f"{source.label} is empty; leave it out, or pass at least one row."
                raise ShapeError(msg)
            if source.dim != self.dim:
                msg = (
                    f"{source.label} has {source.dim} columns but {self.sources[0].label} has "
                    f"{self.dim}. Encode all shards with the same model."
                )
                raise ShapeError(msg)

    def __len__(self) -> int:
        return sum(source.rows for source in self.sources)

    @property
    def dim(self) -> int:
        """Width of a row."""
        return self.sources[0].dim

    def locate(self, row: int) -> tuple[Source, int]:
        """Return the shard that a row is in, and its place there."""
        for source in self.sources:
            if row < source.rows:
                return source, row
            row -= source.rows
        raise IndexError(row)

    def name(self, row: int) -> str:
        """Return what a message calls a row: its place in the corpus, and in its shard."""
        source, local = self.locate(row)
        label = source.label.removeprefix("corpus")
        if not label.startswith(" shard"):  # the corpus itself
            return f"corpus row {row}{label}"
        return f"corpus row {self.before + row} (row {local} of{label})"


def as_shards(corpus: Any) -> Shards | None:
    """Look at a corpus that is searched part by part; None if it is one matrix.

    Parts are: a path, to a ``.npy`` file or to a folder of them; a list, tuple or other sequence
    whose items are all paths or matrices (of two axes); a memory map that would fill more than half
    of the memory. Anything else is one matrix, such as a list whose items are lists of numbers or
    vectors of one axis.

    Raises
    ------
    ShapeError
        If items are no matrices of numbers, of several kinds or widths, or empty; if the shards
        have no order or number, as in a set or a generator.
    DataError
        If a file cannot be read or is no whole ``.npy`` file.
    """
    if isinstance(corpus, (str, os.PathLike)):
        path = Path(corpus)
        if path.is_dir():
            return Shards(tuple(folder_sources(path)))
        return Shards((npy_source(f"corpus ({path})", path),))
    if isinstance(corpus, np.memmap):
        return _as_large_map(corpus)
    if hasattr(corpus, "__array__") or hasattr(corpus, "__dlpack__"):
        return None
    if isinstance(corpus, (Iterator, AbstractSet, Mapping)):
        msg = (
            f"corpus is a {type(corpus).__name__}, whose items have no order and number; "
            "pass a list of shards."
        )
        raise ShapeError(msg)
    if not isinstance(corpus, Sequence) or not len(corpus) or not _is_list_of_shards(corpus):
        return None
    items = list(corpus)
    mapped = sum(item.nbytes for item in items if isinstance(item, np.memmap))
    in_place = mapped <= comfortable_bytes()
    return Shards(
        tuple(as_source(number, item, in_place=in_place) for number, item in enumerate(items))
    )


def as_source(number: int, item: Any, *, in_place: bool) -> Source:
    """Look at one item of a list of shards."""
    if isinstance(item, (str, os.PathLike)):
        return npy_source(f"corpus shard {number} ({os.fspath(item)})", Path(item))
    return array_source(f"corpus shard {number}", item, in_place=in_place)


def _as_large_map(corpus: np.memmap[Any, Any]) -> Shards | None:
    if corpus.ndim != 2 or corpus.nbytes <= comfortable_bytes():  # noqa: PLR2004
        return None
    return Shards((array_source("corpus", corpus, in_place=False),))


def _is_shard(item: Any) -> bool:
    """Return whether an item of a list is a shard, rather than a row or a number."""
    return isinstance(item, (str, os.PathLike)) or getattr(item, "ndim", None) == 2  # noqa: PLR2004


def _is_list_of_shards(corpus: Sequence[Any]) -> bool:
    if not isinstance(corpus, (list, tuple)):
        return _is_shard(corpus[0])
    kinds = [_is_shard(item) for item in corpus]
    if all(kinds) or not any(kinds):
        return all(kinds)
    odd = kinds.index(False)
    msg = (
        f"corpus is a list with a shard at {kinds.index(True)} and a {type(corpus[odd]).__name__} "
        f"at {odd}; pass shards only, each a matrix of two axes or the path of a .npy file."
    )
    raise ShapeError(msg)


def topk_shards(
    queries: F32Array,
    shards: Shards,
    *,
    k: int,
    metric: Metric,
    exclude: Any,
    where: Any,
    threads: int | None,
    stats: bool = False,
    progress: Progress | None = None,
    search: Callable[..., TopK] = search_matrix,
) -> TopK:
    """Return the best ``k`` rows of all shards for each query, exactly.

    As :func:`embedsmith.topk`, whose arguments these are, with rows counted over all shards. Blocks
    of 64 MiB are searched in order, each with the best scores so far as the least that counts;
    files are read ahead by one thread. ``search`` finds the hits of one block and takes what
    :func:`search_matrix` takes. Memory: the answer, and two blocks for what is not searched
    where it lies.

    Raises
    ------
    DataError
        If a file is gone, cut off or changed meanwhile.
    NonFiniteError
        If a row that may be found holds NaN or infinity; names it by corpus and by shard.
    """
    metric, progress = as_metric(metric), as_progress(progress)
    began = time.perf_counter()
    n_docs, n_queries = len(shards), queries.shape[0]
    width = min(as_count("k", k, most=None), n_docs)
    allowed = None if where is None else as_mask("where", where, n_docs)
    excluded = None if exclude is None else ExcludedByRow(exclude, n_queries, n_docs)
    best = Best(n_queries, width, metric)
    report = Reporter(progress, n_docs)
    half = common_half(shards.sources)
    with closing(read_blocks(cut_in_blocks(shards.sources, allowed), half)) as blocks:
        for block, values in blocks:
            hits = _search_block(
                queries,
                CorpusMatrix(values, half),
                (shards, block),
                search,
                k=width,
                metric=metric,
                exclude=None if excluded is None else excluded.within(block.first, block.last),
                where=None if allowed is None else allowed[block.first : block.last],
                threads=threads,
                at_least=best.floor(),
                stats=stats,
                progress=None if progress is None else report.from_row(block.first),
            )
            best.add(hits, block.first)
    report.finish()
    return best.hits(n_docs, time.perf_counter() - began)


def _search_block(
    queries: F32Array,
    corpus: CorpusMatrix,
    place: tuple[Shards, Block],
    search: Callable[..., TopK],
    **how: Any,
) -> TopK:
    """Search one block; what is wrong with a row is said in terms of the corpus."""
    try:
        return search(queries, corpus, norms=None, **how)
    except NonFiniteError as error:
        shards, block = place
        bad = ~np.isfinite(fitting("corpus", corpus, None).values).all(axis=1)
        if how["where"] is not None:
            bad &= how["where"]
        if not np.isfinite(queries).all() or not bad.any():
            raise
        row = block.first + int(np.argmax(bad))
        source, local = shards.locate(row)
        values = source.raw(local)
        if np.isfinite(values).all():
            largest = np.abs(values).max()
            msg = (
                f"{shards.name(row)} holds {largest:g}, which float32 cannot hold (at most "
                "3.4e+38). Scale the vectors down."
            )
        else:
            msg = (
                f"{shards.name(row)} holds NaN or infinity, so it has no place in an order. "
                "Look at what produced it, or drop the row."
            )
        raise NonFiniteError(msg) from error
