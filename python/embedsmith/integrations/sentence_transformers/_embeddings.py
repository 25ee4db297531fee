"""Embeddings in the forms that sentence-transformers returns and takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from embedsmith._deps import require
from embedsmith._validate import is_tensor
from embedsmith.exceptions import ShapeError

__all__ = ["beside", "matrix"]


def matrix(argument: str, value: Any) -> Any:
    """Return embeddings as a matrix or tensor of one row per text; a vector is one row.

    Raises
    ------
    ShapeError
        If they are sparse, or vectors of different lengths.
    """
    if isinstance(value, (list, tuple)):
        value = _stacked(argument, value)
    if is_tensor(value) and "strided" not in str(value.layout):
        msg = f"{argument} is a sparse tensor; pass {argument}.to_dense() if it fits into memory."
        raise ShapeError(msg)
    if not is_tensor(value):
        value = np.asarray(value)
    if value.ndim == 1:
        # A vector is one row, and an empty list is none.
        return value[None] if len(value) else value.reshape(0, 0)
    return value


def _stacked(argument: str, vectors: list[Any] | tuple[Any, ...]) -> Any:
    try:
        if vectors and all(is_tensor(each) for each in vectors):
            torch = require("torch", extra="st", feature="A list of tensors")
            return torch.stack(list(vectors))
        return np.asarray(vectors)
    except (ValueError, RuntimeError) as error:
        msg = f"{argument} is no list of equally long vectors on one device ({error}); pass one."
        raise ShapeError(msg) from error


def beside(corpus: Any, queries: Any) -> Any:
    """Return the queries on the device of the corpus."""
    device = corpus.device if is_tensor(corpus) else "cpu"
    if is_tensor(queries):
        return queries.to(device)
    if str(device) == "cpu":
        return queries
    torch = require("torch", extra="st", feature="A search on another device")
    return torch.tensor(queries, device=device)
