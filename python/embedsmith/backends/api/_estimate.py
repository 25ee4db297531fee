"""What embedding some texts would take of a service, counted without asking it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedsmith.backends._cached import CachedEncoder
from embedsmith.backends._texts import checked_texts, text_key
from embedsmith.backends.api._canary import PROBE
from embedsmith.backends.api._encoder import ApiEncoder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from embedsmith._typing import Json
    from embedsmith.backends._protocol import Encoder, Role

__all__ = ["Estimate", "estimate"]


@dataclass(frozen=True)
class Estimate:
    """Texts, tokens and price; see ``evaluation.CostEstimate``."""

    host: str | None
    n_texts: int
    n_cached: int
    n_tokens: int | None
    exact: bool
    tokens: str | None
    cost: Decimal | None
    price: Json | None


def estimate(encoder: Encoder, texts: Mapping[Role, Sequence[str]]) -> Estimate:
    """Return what it would take to embed texts: no network, no text embedded, nothing written.

    Parameters
    ----------
    encoder : Encoder
        With or without a cache; any, though only services cost.
    texts : mapping of role to sequence of str
        Repeated texts count once.
    """
    model: Any = encoder.encoder if isinstance(encoder, CachedEncoder) else encoder
    distinct = {role: list(dict.fromkeys(checked_texts(given))) for role, given in texts.items()}
    n_texts = sum(map(len, distinct.values()))
    missing = {role: _missing(encoder, role, given) for role, given in distinct.items()}
    n_missing = sum(map(len, missing.values()))
    if not isinstance(model, ApiEncoder):
        return Estimate(None, n_texts, n_texts - n_missing, None, True, None, None, None)  # noqa: FBT003
    n_tokens = 0
    for role, given in missing.items():
        counts = model.count_tokens(given, role)
        if model.max_tokens is not None:
            counts = counts.clip(max=model.max_tokens)
        n_tokens += int(counts.sum())
    if n_missing and (model.known_dim is None or isinstance(encoder, CachedEncoder)):
        n_tokens += int(model.counter.count([PROBE])[0])
    price = model.meter.price
    return Estimate(
        host=model.device,
        n_texts=n_texts,
        n_cached=n_texts - n_missing,
        n_tokens=n_tokens,
        exact=model.counter.exact,
        tokens=model.counter.how,
        cost=None if price is None else price.cost(n_tokens),
        price=None if price is None else price.to_dict(),
    )


def _missing(encoder: Encoder, role: Role, texts: list[str]) -> list[str]:
    """Return the texts that the cache does not hold."""
    if not isinstance(encoder, CachedEncoder):
        return texts
    model = encoder.encoder
    producer = encoder.producer
    if not model.batch_invariant:
        producer = {**producer, "batch_size": encoder.batch_size}
    keys = [text_key(role, encoder.prompt(role), text) for text in texts]
    stored = encoder.cache.stored_keys(encoder.fingerprint, producer, keys)
    return [text for text, key in zip(texts, keys, strict=True) if key not in stored]
