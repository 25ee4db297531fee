"""The vectors that the suites search: made ones of any size, and real ones of WordNet.

``clustered``
    Around 1,000 centres, as texts of a few topics give. Two rows of one topic have a cosine of
    about .5, others of about 0.
``anisotropic``
    As E5 or ada models give them: all rows share one direction, so that every cosine lies between
    .70 and .95, and what is left is clustered with a decaying spectrum.
``wordnet``
    WordNet's 117,659 glosses by all-MiniLM-L6-v2; the queries are example sentences.

All have length 1. Made vectors come in chunks, each with its own seed, so a smaller corpus is the
beginning of a larger one. They lie in files, from which every engine's process reads its own copy.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from benches import wordnet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCALE = float(os.environ.get("EMBEDSMITH_BENCH_SCALE", "1"))
CHUNK_ROWS = 32_768
N_CENTRES = 1_000
# The squared length of the direction that anisotropic rows share: their mean cosine.
SHARED = 0.80
# What two rows of one topic share of the rest.
TOPIC = 0.55
DECAY = -0.5


def scaled(count: int) -> int:
    """Return how many rows to take for ``count`` when EMBEDSMITH_BENCH_SCALE shrinks a try."""
    return count if SCALE == 1 else max(1, round(count * SCALE))


@dataclass(frozen=True)
class Vectors:
    """Queries and a corpus that lie in files; small enough to send to another process.

    Parameters
    ----------
    data : str
        How they were made: ``"clustered"``, ``"anisotropic"`` or ``"wordnet"``.
    n_queries, n_docs, dim : int
        Rows and columns.
    folder : Path
        Where the files are.
    dtype : str, default "float32"
        Type of the corpus: ``"float32"``, ``"float16"`` or ``"bfloat16"``.
    """

    data: str
    n_queries: int
    n_docs: int
    dim: int
    folder: Path
    dtype: str = "float32"

    @property
    def shape(self) -> dict[str, int]:
        """Return the numbers that a record keeps."""
        return {"queries": self.n_queries, "docs": self.n_docs, "dim": self.dim}

    @property
    def operations(self) -> float:
        """Return the floating-point operations of comparing all with all."""
        return 2.0 * self.n_queries * self.n_docs * self.dim

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        """Return queries and corpus in this process's own memory."""
        return _read(self._file("queries"), self.n_queries, self.dim), self._corpus()

    def sample(self, n_queries: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the first queries and the corpus, mapped unless its type is not the file's."""
        queries = _map(self._file("queries"), self.n_queries, self.dim)[:n_queries]
        if self.dtype != "float32":
            return queries, self._corpus()
        return queries, _map(self._file("documents"), self.n_docs, self.dim)

    def _file(self, part: str) -> Path:
        return self.folder / file_name(self.data, part, self.dim)

    def _corpus(self) -> np.ndarray:
        rows = _read(self._file("documents"), self.n_docs, self.dim)
        return rows if self.dtype == "float32" else rows.astype(_dtype(self.dtype))


class VectorFiles:
    """Makes the files of made vectors in a folder, each as long as was asked for so far."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(
        self, data: str, n_queries: int, n_docs: int, dim: int, dtype: str = "float32"
    ) -> Vectors:
        """Return vectors whose files exist.

        Raises
        ------
        FileNotFoundError
            If WordNet's were not embedded.
        """
        folder = self._folder
        if data == "wordnet":
            if reason := wordnet.absent():
                raise FileNotFoundError(reason)
            folder = wordnet.cache_folder()
        else:
            self._extend(data, "queries", n_queries, dim)
            self._extend(data, "documents", n_docs, dim)
        return Vectors(data, n_queries, n_docs, dim, folder, dtype)

    def _extend(self, data: str, part: str, n_rows: int, dim: int) -> None:
        path = self._folder / file_name(data, part, dim)
        chunk_bytes = 4 * dim * CHUNK_ROWS
        there = path.stat().st_size // chunk_bytes if path.exists() else 0
        with path.open("ab") as file:
            for chunk in range(there, math.ceil(n_rows / CHUNK_ROWS)):
                make_chunk(data, part, dim, chunk).tofile(file)


def file_name(data: str, part: str, dim: int) -> str:
    """Return the name of a file of vectors within its folder."""
    return f"{part}.npy" if data == "wordnet" else f"{data}-{dim}-{part}.f32"


def make_chunk(data: str, part: str, dim: int, chunk: int) -> np.ndarray:
    """Return ``CHUNK_ROWS`` unit vectors; the same arguments give the same rows."""
    rng = np.random.default_rng([dim, ("queries", "documents").index(part), chunk])
    rows = _MAKERS[data](rng, dim)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def _clustered(rng: np.random.Generator, dim: int) -> np.ndarray:
    rows = rng.standard_normal((CHUNK_ROWS, dim), dtype=np.float32)
    rows += _centres(dim)[rng.integers(0, N_CENTRES, CHUNK_ROWS)]
    return rows


def _anisotropic(rng: np.random.Generator, dim: int) -> np.ndarray:
    shared, axes = _space(dim)
    own = rng.standard_normal((CHUNK_ROWS, dim), dtype=np.float32)
    own *= np.float32(math.sqrt(1 - TOPIC))
    own += np.float32(math.sqrt(TOPIC)) * _centres(dim)[rng.integers(0, N_CENTRES, CHUNK_ROWS)]
    rows: np.ndarray = own @ axes
    rows *= math.sqrt(1 - SHARED) / np.linalg.norm(rows, axis=1, keepdims=True)
    rows += shared
    return rows


_MAKERS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "clustered": _clustered,
    "anisotropic": _anisotropic,
}


@cache
def _centres(dim: int) -> np.ndarray:
    return np.random.default_rng(dim).standard_normal((N_CENTRES, dim), dtype=np.float32)


@cache
def _space(dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the shared direction, and axes that give the rest its spectrum.

    The axes are turned at random against the coordinates, as principal axes of real models are.
    """
    rng = np.random.default_rng([dim, 1])
    turned, _ = np.linalg.qr(rng.standard_normal((dim, dim)))
    spectrum = np.arange(1, dim + 1, dtype=np.float64) ** DECAY
    axes = np.sqrt(spectrum)[:, None] * turned
    shared = rng.standard_normal(dim)
    shared *= math.sqrt(SHARED) / np.linalg.norm(shared)
    return shared.astype(np.float32), axes.astype(np.float32)


def _read(path: Path, n_rows: int, dim: int) -> np.ndarray:
    if path.suffix == ".npy":
        return np.array(_map(path, n_rows, dim))
    return np.fromfile(path, dtype=np.float32, count=n_rows * dim).reshape(n_rows, dim)


def _map(path: Path, n_rows: int, dim: int) -> np.ndarray:
    if path.suffix == ".npy":
        rows: np.ndarray = np.load(path, mmap_mode="r")[:n_rows]
        return rows
    return np.memmap(path, dtype=np.float32, mode="r", shape=(n_rows, dim))


def _dtype(name: str) -> Any:
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)
