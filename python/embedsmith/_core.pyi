# Types of the native extension; mypy.stubtest compares them with the built module.

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__version__: str

# Search

def topk(
    queries: NDArray[np.float32],
    corpus: NDArray[np.float32],
    k: int,
    metric: str,
    exclude: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    allowed: NDArray[np.bool_] | None = None,
    norms: NDArray[np.float64] | None = None,
    threads: int | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]: ...
def row_norms(corpus: NDArray[np.float32], threads: int | None = None) -> NDArray[np.float64]: ...
def isa() -> str: ...
def available_isas() -> list[str]: ...
def thread_count(threads: int | None = None) -> int: ...

# Formats: (query ids, document ids, offsets, rows, numbers), see ``datasets._grouped``

def read_qrels(
    path: Path,
) -> tuple[
    tuple[str, ...], tuple[str, ...], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]
]: ...
def read_run(
    path: Path,
) -> tuple[
    tuple[str, ...], tuple[str, ...], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]
]: ...
def read_corpus(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]: ...
def read_queries(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]: ...
def read_pairs(
    path: Path,
) -> tuple[tuple[str, ...], tuple[str, ...], NDArray[np.int64], NDArray[np.int64]]: ...
def write_run(
    path: Path,
    tag: str,
    query_ids: tuple[str, ...],
    doc_ids: tuple[str, ...],
    offsets: NDArray[np.int64],
    rows: NDArray[np.int64],
    scores: NDArray[np.float64],
) -> None: ...
def write_qrels(
    path: Path,
    beir: bool,
    query_ids: tuple[str, ...],
    doc_ids: tuple[str, ...],
    offsets: NDArray[np.int64],
    rows: NDArray[np.int64],
    grades: NDArray[np.int64],
) -> None: ...
