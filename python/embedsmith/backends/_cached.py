"""An encoder that computes each text once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedsmith._validate import as_count
from embedsmith.backends._batches import encode_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import Json, Metric
    from embedsmith.backends._cache import EmbeddingCache, EmbeddingStore
    from embedsmith.backends._fingerprint import Fingerprint
    from embedsmith.backends._protocol import BatchModel, Embedded, Progress, Role

__all__ = ["CachedEncoder"]


class CachedEncoder:
    """An `Encoder` that reads known texts from an `EmbeddingCache` and stores new ones.

    Vectors are stored batch by batch, so an interrupted run loses one batch at most, and the next
    run over the same texts ends with the bytes of an undisturbed one. A text that was cached while
    another corpus was embedded sat in another batch: its vector may differ in the last bits (about
    1e-7). For a run that depends on nothing before it, use the encoder without a cache.

    Parameters
    ----------
    encoder : BatchModel
        What computes the missing vectors: an encoder of `load_encoder`.
    cache : EmbeddingCache
        Where they are kept. Its file is opened on first use.

    Attributes
    ----------
    encoder : BatchModel
        The encoder without the cache: measure speed and latency with this one.
    """

    def __init__(self, encoder: BatchModel, cache: EmbeddingCache) -> None:
        self.encoder = encoder
        self.cache = cache
        self._stores: dict[int, EmbeddingStore] = {}

    def __repr__(self) -> str:
        # A service may have to be asked for the width, which no look at an object should do.
        known = hasattr(self.encoder, "known_dim")
        dim = getattr(self.encoder, "known_dim") if known else self.dim  # noqa: B009 - optional
        return f"CachedEncoder({self.spec!r}, dim={dim}, cache={str(self.cache.folder)!r})"

    @property
    def spec(self) -> str:
        """What ``load_encoder`` was given."""
        return self.encoder.spec

    @property
    def name(self) -> str:
        """Short name for tables."""
        return self.encoder.name

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self.encoder.dim

    @property
    def max_tokens(self) -> int | None:
        """Most tokens the model looks at; None means all."""
        return self.encoder.max_tokens

    @property
    def metric(self) -> Metric:
        """Similarity the model was trained for."""
        return self.encoder.metric

    @property
    def fingerprint(self) -> Fingerprint:
        """Identity of the embedding space."""
        return self.encoder.fingerprint

    @property
    def batch_size(self) -> int:
        """Texts per forward pass."""
        return self.encoder.batch_size

    @property
    def producer(self) -> Json:
        """What decides the last bits of a vector."""
        return self.encoder.producer

    @property
    def store(self) -> EmbeddingStore:
        """The open file of this encoder's space and producer."""
        return self._store(self.batch_size)

    def _store(self, batch_size: int) -> EmbeddingStore:
        producer = self.producer
        if self.encoder.batch_invariant:
            # One file serves all: the batch has no part in a vector.
            batch_size = 0
        else:
            producer = {**producer, "batch_size": batch_size}
        if batch_size not in self._stores:
            self._stores[batch_size] = self.cache.open(self.fingerprint, self.dim, producer)
        self._bind(self._stores[batch_size])
        return self._stores[batch_size]

    def _bind(self, store: EmbeddingStore | None) -> None:
        """Tell a model that asks a service where its vectors are kept: it checks that they fit."""
        bind = getattr(self.encoder, "bind_store", None)
        if bind is not None:
            bind(store)

    def prompt(self, role: Role) -> str:
        """Return the text that is put before each text of a role.

        Parameters
        ----------
        role : {"query", "document"}
            What the texts are.

        Returns
        -------
        str
            Empty if there is none.
        """
        return self.encoder.prompt(role)

    def encode(
        self,
        texts: Sequence[str],
        *,
        role: Role,
        batch_size: int | None = None,
        progress: Progress | None = None,
        token_progress: Progress | None = None,
    ) -> Embedded:
        """Embed texts, computing only those that the cache does not hold.

        Parameters
        ----------
        texts : sequence of str
            As for `Encoder.encode`.
        role : {"query", "document"}
            Chooses the prompt; also part of a text's key in the cache.
        batch_size : int, optional
            Texts per forward pass.
        progress : callable, optional
            Called first with the number of cached texts, if there are any, then after each batch.
        token_progress : callable, optional
            Called beside it, with the number of tokens looked at so far.

        Returns
        -------
        Embedded
            In the order of ``texts``; ``n_cached`` says how many came from the cache.

        Raises
        ------
        CacheError
            If the cache cannot be read or written.
        """
        size = as_count("batch_size", self.batch_size if batch_size is None else batch_size)
        return encode_texts(
            self.encoder,
            texts,
            role=role,
            batch_size=size,
            progress=progress,
            token_progress=token_progress,
            store=self._store(size),
        )

    def put_measurement(self, name: str, value: Any) -> None:
        """Keep a value measured with this model, in place of an earlier one.

        Parameters
        ----------
        name : str
            What was measured, and under which conditions.
        value : object
            Anything that JSON can hold.
        """
        self.store.put_measurement(name, value)

    def get_measurement(self, name: str) -> Any | None:
        """Return what `put_measurement` kept.

        Parameters
        ----------
        name : str
            The name it was kept under.

        Returns
        -------
        object or None
            None if nothing is kept under this name.
        """
        return self.store.get_measurement(name)

    def close_store(self) -> None:
        """Close the cache and leave the encoder loaded; the next use opens the cache again."""
        self._bind(None)
        while self._stores:
            self._stores.popitem()[1].close()

    def close(self) -> None:
        """Close the cache and the encoder. Calling twice does no harm."""
        self.close_store()
        self.encoder.close()
