"""What an index holds: vectors, their norms, their 8-bit codes; and how it grows."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._core import PLANE_FACTS, build_plane, code_stride, fit_transform, row_norms
from embedsmith.search._memory import empty

if TYPE_CHECKING:
    from embedsmith._typing import F32Array, F64Array, Metric, Progress
    from embedsmith._validate import CorpusMatrix

__all__ = ["MAX_CODED_DIM", "IndexContent", "Plane", "built", "extended"]

# Wider rows have no codes: their integer sums could overflow.
MAX_CODED_DIM = 65_536


@dataclass(frozen=True)
class Plane:
    """The codes of some rows and what the search must know of each.

    Attributes
    ----------
    codes : ndarray of shape (rows, stride), int8
    facts : ndarray of shape (5, room), float32
        Scale, shift, lost, size and slack; the first ``rows`` of each count.
    sums : ndarray of shape (rows,), int32
    centre : ndarray of shape (dim,), float32
    rotated : bool
    """

    codes: np.ndarray[Any, np.dtype[np.int8]]
    facts: F32Array
    sums: np.ndarray[Any, np.dtype[np.int32]]
    centre: F32Array
    rotated: bool

    def arrays(self) -> tuple[Any, Any, Any, Any, bool]:
        """Return the arrays in the core's order."""
        return (self.codes, self.facts, self.sums, self.centre, self.rotated)


@dataclass
class _Room:
    """Buffers with space behind the rows in use, shared by the contents that grew in them."""

    vectors: np.ndarray[Any, Any]
    norms: F64Array
    plane: tuple[np.ndarray[Any, Any], F32Array, np.ndarray[Any, Any]] | None
    used: int
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class IndexContent:
    """What an index is made of; never changed, so that searches need no lock.

    Attributes
    ----------
    vectors : ndarray of shape (rows, dim), float32 or uint16
    half : {"float16", "bfloat16"} or None
        What 16 bits of ``vectors`` stand for.
    norms : ndarray of shape (rows,), float64
    plane : Plane or None
    metric : str
    fingerprint : str or None
    """

    vectors: np.ndarray[Any, Any]
    half: str | None
    norms: F64Array
    plane: Plane | None
    metric: Metric
    fingerprint: str | None
    room: _Room | None = None

    def __len__(self) -> int:
        return int(self.vectors.shape[0])

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return int(self.vectors.shape[1])


def built(
    corpus: CorpusMatrix,
    metric: Metric,
    fingerprint: str | None,
    *,
    threads: int | None,
    progress: Progress | None,
    argument: str = "corpus",
) -> IndexContent:
    """Measure and code a corpus, which errors call ``argument``.

    Raises
    ------
    NonFiniteError
        If a row holds NaN or infinity.
    """
    values, half = corpus
    rows, dim = values.shape
    if dim > MAX_CODED_DIM:
        norms = row_norms(values, threads, half, argument)
        return IndexContent(values, half, norms, None, metric, fingerprint)
    centre, rotated = fit_transform(values, metric, half)
    plane = Plane(
        codes=empty((rows, code_stride(dim)), np.int8),
        facts=empty((PLANE_FACTS, rows), np.float32),
        sums=empty((rows,), np.int32),
        centre=centre,
        rotated=rotated,
    )
    norms = empty((rows,), np.float64)
    _code(corpus, metric, plane, norms, threads=threads, progress=progress, argument=argument)
    return IndexContent(values, half, norms, plane, metric, fingerprint)


def _code(
    corpus: CorpusMatrix,
    metric: Metric,
    plane: Plane,
    norms: F64Array,
    *,
    threads: int | None,
    progress: Progress | None = None,
    argument: str = "corpus",
) -> None:
    build_plane(
        corpus.values,
        metric,
        plane.centre,
        plane.rotated,
        plane.codes,
        plane.facts,
        plane.sums,
        norms,
        threads,
        corpus.half,
        progress,
        argument,
    )


def extended(content: IndexContent, more: CorpusMatrix, *, threads: int | None) -> IndexContent:
    """Return the content with further rows behind its own.

    Rows are coded with the centre that is there: it decides speed, never answers. Buffers grow by
    half, so that many small additions cost what one large one does.
    """
    plane = content.plane
    old, new = content.norms.shape[0], more.values.shape[0]
    total = old + new
    if plane is None:
        fresh = None
        norms = row_norms(more.values, threads, more.half)
    else:
        fresh = Plane(
            codes=empty((new, code_stride(plane.centre.shape[0])), np.int8),
            facts=np.empty((PLANE_FACTS, new), dtype=np.float32),
            sums=np.empty(new, dtype=np.int32),
            centre=plane.centre,
            rotated=plane.rotated,
        )
        norms = np.empty(new, dtype=np.float64)
        _code(more, content.metric, fresh, norms, threads=threads)
    room = content.room
    if room is None or not _claim(room, old, total):
        room = _roomier(content, total)
    room.vectors[old:total] = more.values
    room.norms[old:total] = norms
    grown = None
    if room.plane is not None and fresh is not None:
        codes, facts, sums = room.plane
        codes[old:total] = fresh.codes
        facts[:, old:total] = fresh.facts
        sums[old:total] = fresh.sums
        grown = Plane(codes[:total], facts, sums[:total], fresh.centre, fresh.rotated)
    return IndexContent(
        room.vectors[:total],
        content.half,
        room.norms[:total],
        grown,
        content.metric,
        content.fingerprint,
        room,
    )


def _claim(room: _Room, old: int, total: int) -> bool:
    """Take the space behind ``old`` rows, unless another content has it or there is too little."""
    with room.lock:
        if room.used != old or room.norms.shape[0] < total:
            return False
        room.used = total
        return True


def _roomier(content: IndexContent, total: int) -> _Room:
    """Copy the content into larger buffers."""
    old = content.norms.shape[0]
    capacity = total + total // 2

    def copied(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        target = empty((capacity, *array.shape[1:]), array.dtype)
        target[:old] = array
        return target

    plane = None
    if content.plane is not None:
        facts = empty((PLANE_FACTS, capacity), np.float32)
        facts[:, :old] = content.plane.facts[:, :old]
        plane = (copied(content.plane.codes), facts, copied(content.plane.sums))
    return _Room(copied(content.vectors), copied(content.norms), plane, total)
