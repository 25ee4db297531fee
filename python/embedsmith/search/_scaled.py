"""Rows of a shard file: as they are, or small integers with a scale for each row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._shard_file import ShardFile, read_shard
from embedsmith.exceptions import DataError
from embedsmith.search._sources import NpySource

if TYPE_CHECKING:
    from pathlib import Path
    from threading import Event

    from embedsmith.search._sources import Source, Values

__all__ = ["ScaledSource", "shard_file_source"]

_MATRIX = 2


@dataclass(frozen=True)
class ScaledSource:
    """Rows of int8, each times a scale of its own: float32 where they are searched."""

    rows_of: NpySource
    shard: ShardFile

    @property
    def label(self) -> str:
        """What an error calls the shard."""
        return self.rows_of.label

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.rows_of.rows

    @property
    def dim(self) -> int:
        """Width of a row."""
        return self.rows_of.dim

    @property
    def half(self) -> str | None:
        """None: they become float32."""
        return None

    def borrow(self, first: int, last: int) -> Values | None:  # noqa: ARG002  # a Source's
        """Return None: they are converted."""
        return None

    def read(self, first: int, last: int, out: Values, stop: Event) -> None:
        """Read these rows as float32; `stop` ends it early, with CancelledError."""
        self.rows_of.read(first, last, out, stop)
        out[: last - first] *= self.shard.map("scales")[first:last, None]

    def raw(self, row: int) -> np.ndarray[Any, Any]:
        """Return one row with its scale."""
        scale: np.float32 = self.shard.map("scales")[row]
        values: np.ndarray[Any, Any] = self.rows_of.raw(row).astype(np.float32) * scale
        return values


def shard_file_source(label: str, path: Path) -> Source:
    """Look at a ``.safetensors`` file with a matrix ``vectors``, and perhaps ``scales``.

    Raises
    ------
    DataError
        If the file is not whole, or holds no such matrix.
    """
    shard = read_shard(path)
    vectors, scales = shard.tensors.get("vectors"), shard.tensors.get("scales")
    if vectors is None or len(vectors.shape) != _MATRIX or vectors.dtype.kind not in "fi":
        msg = (
            f"{label} has no matrix of numbers named 'vectors'; it has "
            f"{', '.join(sorted(shard.tensors)) or 'nothing'}. Write its vectors under that name."
        )
        raise DataError(msg)
    rows, dim = vectors.shape
    found = path.stat()
    identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    source = NpySource(
        label,
        path,
        vectors.dtype,
        rows,
        dim,
        column_major=False,
        data_offset=vectors.offset,
        identity=identity,
    )
    if scales is None:
        return source
    if scales.shape != (rows,) or scales.dtype != np.float32:
        msg = f"{label} has scales of shape {scales.shape} for {rows} rows. Write it again."
        raise DataError(msg)
    return ScaledSource(source, shard)
