"""Where the rows of a shard come from: an array, a memory map, or a ``.npy`` file."""

from __future__ import annotations

import mmap
import os
import stat
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from embedsmith._validate import CorpusMatrix, as_corpus, as_matrix, fitting
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path
    from threading import Event

__all__ = ["ArraySource", "NpySource", "Source", "array_source", "npy_source"]

# float32, or the bits of half precision as uint16.
Values: TypeAlias = np.ndarray[Any, Any]

# Read and converted at once: small enough for the caches, and for a stop to be heard soon.
_PIECE_BYTES = 4 << 20
_INDEX_MAGIC = b"ESINDEX\n"


class Source(Protocol):
    """Rows of one shard, read in parts."""

    @property
    def label(self) -> str:
        """What an error calls the shard."""

    @property
    def rows(self) -> int:
        """Number of rows."""

    @property
    def dim(self) -> int:
        """Width of a row."""

    @property
    def half(self) -> str | None:
        """The half precision that the rows are in; None for float32 and what becomes that."""

    def borrow(self, first: int, last: int) -> Values | None:
        """Return these rows as they lie in memory; None if they must be read."""

    def read(self, first: int, last: int, out: Values, stop: Event) -> None:
        """Read these rows as float32, or the 16 bits of each value if `out` is of such.

        `stop` ends it early, with CancelledError.
        """

    def raw(self, row: int) -> np.ndarray[Any, Any]:
        """Return one row as it is, before any conversion to float32."""


@dataclass(frozen=True)
class ArraySource:
    """An array in memory, or mapped there."""

    label: str
    array: np.ndarray[Any, Any]
    half: str | None
    borrowable: bool
    mapping: mmap.mmap | None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.array.shape[0])

    @property
    def dim(self) -> int:
        """Width of a row."""
        return int(self.array.shape[1])

    def borrow(self, first: int, last: int) -> Values | None:
        """Return these rows as they lie in memory; None if they must be read."""
        return self.array[first:last] if self.borrowable else None

    def read(self, first: int, last: int, out: Values, stop: Event) -> None:
        """Copy these rows, and give back the mapped pages they came from."""
        step = max(1, _PIECE_BYTES // max(self.dim * self.array.itemsize, 1))
        for begin in range(first, last, step):
            if stop.is_set():
                raise CancelledError
            values = self.array[begin : min(begin + step, last)]
            if self.half is not None and out.dtype != values.dtype:
                values = fitting(self.label, CorpusMatrix(values, self.half), None).values
            with np.errstate(over="ignore"):
                out[begin - first : begin - first + len(values)] = values
        if self.mapping is not None:
            _release(self.mapping, self.array[first:last])

    def raw(self, row: int) -> np.ndarray[Any, Any]:
        """Return one row as it is, before any conversion to float32."""
        values: np.ndarray[Any, Any] = self.array[row : row + 1]
        if self.half is not None:
            values = fitting(self.label, CorpusMatrix(values, self.half), None).values
        return values.reshape(-1)


def array_source(label: str, value: Any, *, in_place: bool) -> ArraySource:
    """Look at a shard that is an array.

    Parameters
    ----------
    label : str
        What an error calls it.
    value : array_like
        Of two axes. A numpy array is converted as it is read, anything else at once.
    in_place : bool
        Whether a memory map may be searched where it lies, so that its pages fill the memory.

    Raises
    ------
    ShapeError
        If it is no matrix of numbers.
    """
    if not isinstance(value, np.ndarray):
        values, half = as_corpus(label, value)
        return ArraySource(label, values, half, borrowable=True, mapping=None)
    # Says what is wrong with a shape or a dtype in the words that matrices get.
    half = as_corpus(label, value[:1]).half if value.dtype.isnative else None
    as_matrix(label, value[:1])
    array = value.view(np.ndarray)
    if half is not None:
        array = array.view(np.uint16)
    searchable = half is not None or value.dtype == np.float32
    in_order = value.flags.c_contiguous and value.flags.aligned
    mapping = None if in_place else _mapping_of(value)
    borrowable = bool(searchable and in_order and mapping is None)
    return ArraySource(label, array, half, borrowable=borrowable, mapping=mapping)


def _mapping_of(array: np.ndarray[Any, Any]) -> mmap.mmap | None:
    """Return the shared mapping of a file that an array views."""
    if not isinstance(array, np.memmap) or array.mode == "c":
        return None
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None


def _release(mapping: mmap.mmap, rows: np.ndarray[Any, Any]) -> None:
    """Let the system take back the pages that hold these rows; the file keeps what they hold."""
    if not rows.flags.c_contiguous or not hasattr(mmap, "MADV_DONTNEED"):
        return
    start = rows.ctypes.data - np.frombuffer(mapping, dtype=np.uint8).ctypes.data
    first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
    last = (start + rows.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
    if first < last:
        mapping.madvise(mmap.MADV_DONTNEED, first, last - first)


@dataclass(frozen=True)
class NpySource:
    """A ``.npy`` file, read with plain reads: nothing of it is mapped."""

    label: str
    path: Path
    dtype: np.dtype[Any]
    rows: int
    dim: int
    column_major: bool
    data_offset: int
    identity: tuple[int, ...]

    @property
    def half(self) -> str | None:
        """The half precision that the rows are in."""
        return "float16" if self.dtype == np.float16 else None

    def borrow(self, first: int, last: int) -> Values | None:  # noqa: ARG002  # a Source's
        """Return None: a file is read."""
        return None

    def read(self, first: int, last: int, out: Values, stop: Event) -> None:
        """Read and convert these rows; `stop` ends it early, with CancelledError."""
        if not out.size:
            return
        try:
            with self.path.open("rb", buffering=0) as file:
                self._refuse_change(file)
                self._read(file, first, last, out, stop)
        except OSError as error:
            raise _unreadable(self.label, error, "It was there when the search began.") from error

    def raw(self, row: int) -> np.ndarray[Any, Any]:
        """Return one row as it is, before any conversion to float32."""
        values = np.empty((1, self.dim), dtype=self.dtype)
        with self.path.open("rb", buffering=0) as file:
            self._piece(file, row, values, None)
        return values.reshape(-1)

    def _read(self, file: FileIO, first: int, last: int, out: Values, stop: Event) -> None:
        if self.dtype == np.float32 or out.dtype == np.uint16:
            self._piece(file, first, out.view(self.dtype), stop)
            return
        step = max(1, _PIECE_BYTES // (self.dim * self.dtype.itemsize))
        held = np.empty((min(step, last - first), self.dim), dtype=self.dtype)
        for begin in range(first, last, step):
            values = held[: min(step, last - begin)]
            self._piece(file, begin, values, stop)
            with np.errstate(over="ignore"):
                out[begin - first : begin - first + len(values)] = values

    def _piece(
        self, file: FileIO, first: int, values: np.ndarray[Any, Any], stop: Event | None
    ) -> None:
        """Fill `values` with the rows from `first` on, in the file's own type."""
        size = self.dtype.itemsize
        if not self.column_major:
            file.seek(self.data_offset + first * self.dim * size)
            self._fill(file, values, stop)
            return
        column = np.empty(len(values), dtype=self.dtype)
        for place in range(self.dim):
            file.seek(self.data_offset + (place * self.rows + first) * size)
            self._fill(file, column, stop)
            values[:, place] = column

    def _fill(self, file: FileIO, values: np.ndarray[Any, Any], stop: Event | None) -> None:
        view = values.reshape(-1).view(np.uint8).data
        done = 0
        while done < len(view):
            if stop is not None and stop.is_set():
                raise CancelledError
            got = file.readinto(view[done : done + _PIECE_BYTES])
            if not got:
                msg = f"{self.label} ends early: it was cut while it was searched. Write it again."
                raise DataError(msg)
            done += got

    def _refuse_change(self, file: FileIO) -> None:
        if _identity(file) != self.identity:
            msg = (
                f"{self.label} was changed while it was searched, so the answer would mix two "
                "versions. Search again once it is written."
            )
            raise DataError(msg)


def npy_source(label: str, path: Path) -> NpySource:
    """Look at a ``.npy`` file: its header is read, its rows are not.

    Raises
    ------
    DataError
        If the file cannot be read, is no ``.npy`` file, holds Python objects, or is cut off.
    ShapeError
        If its array is no matrix of numbers.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            msg = f"{label} is no file; pass a .npy file, or one folder of them."
            raise DataError(msg)
        with path.open("rb", buffering=0) as file:
            shape, column_major, dtype = _header(label, file)
            start, size, identity = file.tell(), os.fstat(file.fileno()).st_size, _identity(file)
    except OSError as error:
        advice = "Check the path; texts are encoded before they are searched."
        raise _unreadable(label, error, advice) from error
    if dtype.hasobject:
        msg = (
            f"{label} holds pickled Python objects, which are never loaded; "
            "save a matrix of numbers, best float32."
        )
        raise DataError(msg)
    # Says what is wrong with a shape or a dtype in the words that arrays get.
    is_matrix = len(shape) == 2  # noqa: PLR2004
    probe = (0, shape[1]) if is_matrix else shape
    as_matrix(label, np.broadcast_to(np.zeros((), dtype), probe))
    rows, dim = shape
    needed = rows * dim * dtype.itemsize
    if size - start != needed:
        state = "is cut off" if size - start < needed else "goes on after its array"
        msg = (
            f"{label} {state}: {rows} x {dim} {dtype.name} need {needed} bytes, and "
            f"{size - start} are there. Write it again with numpy.save."
        )
        raise DataError(msg)
    return NpySource(label, path, dtype, rows, dim, column_major, start, identity)


def _header(label: str, file: FileIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    magic = file.read(8)
    file.seek(0)
    if magic == _INDEX_MAGIC:
        msg = f"{label} is an index; open it with embedsmith.Index.open and call its search."
        raise DataError(msg)
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(file)
        if version == (2, 0):
            return np.lib.format.read_array_header_2_0(file)
    except ValueError as error:
        msg = (
            f"{label} is no whole .npy file ({error}). "
            "Write it with numpy.save; what an .npz archive holds, array by array."
        )
        raise DataError(msg) from error
    # Version 3 exists for the names of fields in other alphabets.
    msg = f"{label} is a .npy file of version {version[0]}; a matrix of numbers is of 1 or 2."
    raise DataError(msg + " Write it with numpy.save, best as float32.")


def _identity(file: FileIO) -> tuple[int, ...]:
    """Return what changes when a file is replaced or written to."""
    found = os.fstat(file.fileno())
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _unreadable(label: str, error: OSError, advice: str) -> DataError:
    return DataError(f"{label} cannot be read: {error.strerror or error}. {advice}")
