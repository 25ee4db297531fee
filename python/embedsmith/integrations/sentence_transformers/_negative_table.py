"""The current negatives of each example, seen alike by all processes that read a data set."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import I64Array

__all__ = ["NegativeTable"]

_NAME = "negatives.i64"


class NegativeTable:
    """Rows of the corpus in a file that is mapped, and the transform that looks texts up in it.

    The file holds a number and two tables; the number says which of both counts. The other one is
    written, then the number is raised: a reader never meets a table that is half new.

    Parameters
    ----------
    rows : ndarray of shape (n_examples, n_negatives), int64
    texts : sequence of str
        Of the corpus.

    Attributes
    ----------
    column : str
        What examples are known by in the data set; it does not reach the trainer.
    """

    column = "_example"

    def __init__(self, rows: I64Array, texts: Sequence[str]) -> None:
        self._texts, self._shape = texts, rows.shape
        folder = tempfile.mkdtemp(prefix="embedsmith-negatives-")
        self._path = str(Path(folder) / _NAME)
        # Goes when this object does, or its process; a copy in a worker process has only the path.
        self._folder: Any = weakref.finalize(self, _remove, folder, os.getpid())
        whole = np.zeros(1 + 2 * rows.size, dtype=np.int64)
        whole[1 : 1 + rows.size] = rows.reshape(-1)
        whole.tofile(self._path)
        self._mapped: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the folder to the process that made it, and the mapping to each."""
        return {**vars(self), "_folder": None, "_mapped": None}

    def rows(self) -> I64Array:
        """Return a copy of the current rows, of shape (n_examples, n_negatives)."""
        found: I64Array = np.array(self._table(int(self._map()[0])))
        return found

    def replace(self, rows: I64Array) -> None:
        """Let these rows count from now on."""
        mapped = self._map()
        following = int(mapped[0]) + 1
        self._table(following)[:] = rows
        mapped.flush()
        mapped[0] = following

    def __call__(self, batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Return the batch with its negatives in place of the examples' numbers."""
        batch = dict(batch)
        numbers = batch.pop(self.column)
        rows = np.asarray(self._table(int(self._map()[0]))[numbers])
        for slot, own in enumerate(rows.T.tolist(), 1):
            batch[f"negative_{slot}"] = [self._texts[row] for row in own]
        return batch

    def _map(self) -> Any:
        if self._mapped is None:
            self._mapped = np.memmap(self._path, dtype=np.int64, mode="r+")
        return self._mapped

    def _table(self, number: int) -> Any:
        size = self._shape[0] * self._shape[1]
        first = 1 + (number % 2) * size
        return self._map()[first : first + size].reshape(self._shape)


def _remove(folder: str, owner: int) -> None:
    # A forked worker has this object too, and must leave the folder to its parent.
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
