# Types of the native extension; mypy.stubtest compares them with the built module.

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
