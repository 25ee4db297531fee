"""A model that keeps the time of its own work, apart from loading and from the cache."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embedsmith._typing import F32Array, I64Array
    from embedsmith.backends import BatchModel, Embedded, Role, TokenizedTexts

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
        Seconds to load the weights; of a model that cannot be told to load them, those of the
        first call, which does.
    cold : (float, int) or None
        Seconds of the first call after loading, for one text, and its tokens. None before it, and
        for a model that was loaded before or cannot be told to load.
    seconds : float
        Seconds of tokenizing and embedding, without loading; time during which several threads
        worked counts once.
    """

    def __init__(self, model: BatchModel) -> None:
        self._model = model
        self._warm = False
        self.load_s = 0.0
        self.cold: tuple[float, int] | None = None
        self.seconds = 0.0
        self._lock = threading.Lock()
        self._working = 0
        self._since = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def count_tokens(self, texts: Sequence[str], role: Role) -> I64Array:
        """Return the token counts, and add their time."""
        with self._clock(role):
            return self._model.count_tokens(texts, role)

    def tokenize(self, texts: Sequence[str], role: Role) -> TokenizedTexts:
        """Return the tokenised texts, and add their time."""
        with self._clock(role):
            return self._model.tokenize(texts, role)

    def encode_tokenized(self, tokenized: TokenizedTexts, positions: I64Array) -> F32Array:
        """Return the vectors of one forward pass, and add its time."""
        with self._clock(tokenized.role):
            return self._model.encode_tokenized(tokenized, positions)

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
        with self._lock:
            if not self._warm:
                self._warm_up(role)
                self._warm = True
            if not self._working:
                self._since = time.perf_counter()
            self._working += 1
        try:
            yield
        finally:
            with self._lock:
                self._working -= 1
                if not self._working:
                    self.seconds += time.perf_counter() - self._since

    def _warm_up(self, role: Role) -> None:
        # A service loads nothing, and would ask for money.
        if getattr(self._model, "paid", False):
            return
        start = time.perf_counter()
        # Weights that are there already were not loaded, and their first call is over.
        if getattr(self._model, "loaded", True):
            self._model.encode([_WARM_UP], role=role)
            self.load_s = time.perf_counter() - start
            return
        cast("Any", self._model).load()
        loaded = time.perf_counter()
        self._model.encode_batch([_WARM_UP], role)
        self.cold = time.perf_counter() - loaded, int(self._model.count_tokens([_WARM_UP], role)[0])
        self.load_s = loaded - start
