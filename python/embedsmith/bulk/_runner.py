"""Who embeds the texts of a shard: this process."""

from __future__ import annotations

import inspect
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from embedsmith.backends import Embedded, Encoder, Role

__all__ = [
    "Encoded",
    "LocalRunner",
    "ModelOrder",
    "Runner",
    "Told",
    "Waiting",
    "encode",
    "identity_of",
]


class Encoded(NamedTuple):
    """What a model answered, and how many tokens it looked at now, without those of a cache."""

    embedded: Embedded
    computed_tokens: int


class ModelOrder(NamedTuple):
    """What another process needs to open the same model, and to know that it is the same.

    Attributes
    ----------
    spec : str
        As for ``load_encoder``.
    options : mapping
        Likewise.
    role : {"query", "document"}
    identity : str
        Fingerprint and producer of this process's model.
    """

    spec: str
    options: Mapping[str, Any]
    role: Role
    identity: str


def identity_of(encoder: Encoder) -> str:
    """Return what tells a model's vectors from others, down to their last bits."""
    return f"{encoder.fingerprint.digest} {sorted(encoder.producer.items())}"


class Told(Protocol):
    """Hears how far a shard is: its number, and texts and tokens of it that are done."""

    def __call__(self, number: int, texts: int, tokens: int) -> object:
        """Take note."""


class Waiting(Protocol):
    """A shard that is being embedded."""

    def result(self) -> Encoded:
        """Wait for it."""


class Runner(Protocol):
    """Embeds texts: at once, or while others are submitted."""

    @property
    def ahead(self) -> int:
        """How many shards to submit before the first is waited for, beside it."""

    @property
    def n_restarts(self) -> int:
        """How often a process died and its shard was given to another."""

    def submit(self, number: int, texts: Sequence[str]) -> Waiting:
        """Begin with the texts of a shard."""

    def close(self) -> None:
        """Give back what was taken; what is under way is dropped."""


class LocalRunner:
    """Embeds in this process, one shard at a time."""

    ahead = 0
    n_restarts = 0

    def __init__(self, encoder: Encoder, role: Role, told: Told) -> None:
        self._encoder, self._role, self._told = encoder, role, told

    def submit(self, number: int, texts: Sequence[str]) -> Future[Encoded]:
        """Embed the texts."""
        done: Future[Encoded] = Future()
        done.set_result(encode(self._encoder, self._role, texts, self._tell(number)))
        return done

    def _tell(self, number: int) -> Callable[[int, int], None]:
        def tell(texts: int, tokens: int) -> None:
            self._told(number, texts, tokens)

        return tell

    def close(self) -> None:
        """Do nothing: the encoder is the caller's."""


def encode(
    encoder: Encoder, role: Role, texts: Sequence[str], tell: Callable[[int, int], object]
) -> Encoded:
    """Embed texts, and tell of texts and tokens that are done."""
    tokens: list[int] = []

    def told(count: int) -> None:
        tell(count, tokens[-1] if tokens else 0)

    reporting: Any = encoder
    if "token_progress" in inspect.signature(encoder.encode).parameters:
        embedded = reporting.encode(texts, role=role, progress=told, token_progress=tokens.append)
    else:
        embedded = encoder.encode(texts, role=role, progress=told)
    # What a cache holds is told first, and at once.
    from_cache = tokens[0] if tokens and embedded.n_cached else 0
    return Encoded(embedded, tokens[-1] - from_cache if tokens else 0)
