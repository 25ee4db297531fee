"""Scores of (query, passage) pairs by a model that reads both."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith.exceptions import NonFiniteError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import F64Array

__all__ = ["Teacher"]

_BATCHES_AT_ONCE = 64


class Teacher:
    """A cross-encoder or a callable, asked once for each pair.

    Parameters
    ----------
    model : object
        With ``predict(pairs, batch_size=...)`` as sentence-transformers' CrossEncoder has it, or a
        callable that takes a list of (query, passage) and returns a number for each.
    batch_size : int
        Pairs per call; pairs of like length go together.
    """

    def __init__(self, model: Any, batch_size: int) -> None:
        self._model, self._batch_size = model, batch_size
        if not callable(getattr(model, "predict", model)):
            msg = (
                f"cross_encoder={model!r} can neither predict nor be called; pass a CrossEncoder, "
                "or a function of a list of (query, passage) pairs."
            )
            raise ShapeError(msg)
        self.name = str(getattr(model, "__name__", type(model).__name__))
        self._known: dict[tuple[int, int], float] = {}
        self.n_scored = 0

    def scores(
        self, pairs: Sequence[tuple[int, int]], queries: Sequence[str], passages: Sequence[str]
    ) -> F64Array:
        """Return the score of each (query number, row)."""
        new = list(dict.fromkeys(pair for pair in pairs if pair not in self._known))
        new.sort(key=lambda pair: (-len(queries[pair[0]]) - len(passages[pair[1]]), pair))
        step = self._batch_size * _BATCHES_AT_ONCE
        for first in range(0, len(new), step):
            part = new[first : first + step]
            values = self._ask([(queries[query], passages[row]) for query, row in part])
            self._known.update(zip(part, values.tolist(), strict=True))
        self.n_scored += len(new)
        return np.array([self._known[pair] for pair in pairs], dtype=np.float64)

    def weights_sha256(self) -> str | None:
        """Return what tells this model from others of its class; None for what has no weights."""
        state_dict = getattr(self._model, "state_dict", None)
        if not callable(state_dict):
            state_dict = getattr(getattr(self._model, "model", None), "state_dict", None)
        if not callable(state_dict):
            return None
        digest = hashlib.sha256(str(getattr(self._model, "max_length", None)).encode())
        for name, tensor in sorted(state_dict().items()):
            values = tensor.detach().cpu().contiguous()
            digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
            # numpy knows no bfloat16, and float32 holds every one.
            wide = values.float() if str(values.dtype) == "torch.bfloat16" else values
            digest.update(wide.numpy().tobytes())
        return digest.hexdigest()

    def forget(self) -> None:
        """Drop the scores of queries that are done."""
        self._known.clear()

    def _ask(self, pairs: list[tuple[str, str]]) -> F64Array:
        predict = getattr(self._model, "predict", None)
        if predict is not None:
            answer = predict(pairs, batch_size=self._batch_size, show_progress_bar=False)
        else:
            parts = range(0, len(pairs), self._batch_size)
            answer = [
                score
                for first in parts
                for score in self._model(pairs[first : first + self._batch_size])
            ]
        values = np.asarray(answer, dtype=np.float64)
        if values.shape != (len(pairs),):
            msg = (
                f"the cross-encoder answered with shape {values.shape} to {len(pairs)} pairs; "
                "one number for each is expected (a CrossEncoder with num_labels=1)."
            )
            raise ShapeError(msg)
        if not np.isfinite(values).all():
            query, passage = pairs[int(np.argmin(np.isfinite(values)))]
            msg = (
                f"the cross-encoder answered NaN or infinity for the query {query[:60]!r} and the "
                f"passage {passage[:60]!r}. Leave the pair out, or mend the model."
            )
            raise NonFiniteError(msg)
        return values
