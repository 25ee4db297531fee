"""Types shared by every layer; imports nothing of embedsmith."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

F32Array: TypeAlias = NDArray[np.float32]
F64Array: TypeAlias = NDArray[np.float64]
I64Array: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]

Metric: TypeAlias = Literal["cosine", "dot", "l2"]
Task: TypeAlias = Literal[
    "retrieval",
    "reranking",
    "sts",
    "pair_classification",
    "classification",
    "clustering",
    "bitext",
]

# Called with what is done and what there is to do.
Progress: TypeAlias = Callable[[int, int], object]

QrelsLike: TypeAlias = Mapping[str, Mapping[str, int]]
RunLike: TypeAlias = Mapping[str, Mapping[str, float]]
Json: TypeAlias = dict[str, Any]
