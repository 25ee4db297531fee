"""A model that keeps the time of its own work, apart from loading and from the cache."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embedsmith._typing import F32Array, I64Array
    from embedsmith.backends import BatchModel, Embedded, Role

__all__ = ["TimedModel"]

# The first text of all loads the weights and fills the libraries' own caches.
_WARM_UP = "warm-up"


class TimedModel:
    """Hands everything to a model, and times what it computes.

    Stands between a cache and the model, so that only texts which are really computed count.

    Parameters
    ----------
    model : BatchModel
        What computes.

    Attributes
    ----------
    load_s : float
        Seconds of the first call, which loads the weights.
    seconds : float
        Seconds of tokenizing and embedding, without loading.
    """

    def __init__(self, model: BatchModel) -> None:
        self._model = model
        self._warm = False
        self.load_s = 0.0
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def count_tokens(self, texts: Sequence[str], role: Role) -> I64Array:
        """Return the token counts, and add their time."""
        with self._clock(role):
            return self._model.count_tokens(texts, role)

    def encode_batch(self, texts: Sequence[str], role: Role) -> F32Array:
        """Return the vectors of one forward pass, and add its time."""
        with self._clock(role):
            return self._model.encode_batch(texts, role)

    def encode(self, texts: Sequence[str], *, role: Role, **options: Any) -> Embedded:
        """Return the embeddings of a whole list, and add its time."""
        with self._clock(role):
            return self._model.encode(texts, role=role, **options)

    @contextmanager
    def _clock(self, role: Role) -> Iterator[None]:
        if not self._warm:
            start = time.perf_counter()
            self._model.encode([_WARM_UP], role=role)
            self.load_s = time.perf_counter() - start
            self._warm = True
        start = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - start
