"""A model that keeps the time of its own work, apart from loading and from the cache."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from embedsmith._typing import F32Array, I64Array, Metric
    from embedsmith.backends import Embedded, Fingerprint, Role
    from embedsmith.backends._protocol import BatchModel

__all__ = ["TimedModel"]

# The first text of all loads the weights and fills the libraries' own caches.
_WARM_UP = "warm-up"


class TimedModel:
    """Hands every call to a model, and times those that compute.

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
    n_texts : int
        Texts embedded.
    """

    def __init__(self, model: BatchModel) -> None:
        self._model = model
        self._warm = False
        self.load_s = 0.0
        self.seconds = 0.0
        self.n_texts = 0
        self.spec = model.spec
        self.name = model.name

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._model.dim

    @property
    def max_tokens(self) -> int | None:
        """Most tokens the model looks at."""
        return self._model.max_tokens

    @property
    def metric(self) -> Metric:
        """Similarity the model was trained for."""
        return self._model.metric

    @property
    def fingerprint(self) -> Fingerprint:
        """Identity of the embedding space."""
        return self._model.fingerprint

    @property
    def batch_size(self) -> int:
        """Texts per forward pass."""
        return self._model.batch_size

    def prompt(self, role: Role) -> str:
        """Return the text that is put before each text of this role."""
        return self._model.prompt(role)

    def token_limit(self, role: Role) -> int | None:
        """Return how many tokens the model looks at for this role."""
        return self._model.token_limit(role)

    def count_tokens(self, texts: Sequence[str], role: Role) -> I64Array:
        """Return the token counts, and add their time."""
        with self._clock(role):
            return self._model.count_tokens(texts, role)

    def encode_batch(self, texts: Sequence[str], role: Role) -> F32Array:
        """Return the vectors of one forward pass, and add its time."""
        with self._clock(role):
            vectors = self._model.encode_batch(texts, role)
        self.n_texts += len(texts)
        return vectors

    def encode(
        self,
        texts: Sequence[str],
        *,
        role: Role,
        batch_size: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Embedded:
        """Return the embeddings of a whole list, and add its time."""
        with self._clock(role):
            embedded = self._model.encode(
                texts, role=role, batch_size=batch_size, progress=progress
            )
        self.n_texts += len(texts) - embedded.n_cached
        return embedded

    def close(self) -> None:
        """Release the model."""
        self._model.close()

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
