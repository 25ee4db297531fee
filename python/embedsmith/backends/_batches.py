"""From texts to vectors: unique texts, fixed batches, the caller's order.

The texts that are not stored yet are sorted by what the model will see of them, longest first, and
cut into batches; each batch is stored as one transaction. A run that was interrupted leaves a
prefix of these batches behind, so the next run over the same texts cuts the very batches that are
left, and its vectors are, byte for byte, those of an undisturbed run. Texts that another corpus
left in the store were computed in other batches; their last bits may differ (about 1e-7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from embedsmith._validate import as_count
from embedsmith.backends._protocol import BatchModel, Embedded, Progress, Role
from embedsmith.backends._texts import checked_texts, excerpt, text_key
from embedsmith.exceptions import DataError, ModelError, NonFiniteError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import F32Array, I64Array

__all__ = ["CachedRow", "VectorStore", "encode_texts"]


class CachedRow(NamedTuple):
    """One text's entry in a store."""

    vector: F32Array
    n_tokens: int


class VectorStore(Protocol):
    """Keeps rows by key; ``put_many`` is one transaction."""

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, CachedRow]:
        """Return those of the keys that are stored."""
        ...

    def put_many(self, rows: Sequence[tuple[bytes, CachedRow]]) -> None:
        """Store all rows or, on a failure, none."""
        ...


def encode_texts(
    model: BatchModel,
    texts: Sequence[str],
    *,
    role: Role,
    batch_size: int | None = None,
    progress: Progress | None = None,
    store: VectorStore | None = None,
) -> Embedded:
    """Embed texts in deterministic batches, reading and filling a store if there is one."""
    size = _checked_size(model, role, batch_size)
    items = checked_texts(texts)
    unique, inverse, copies = _unique(items)
    prompt, limit = model.prompt(role), model.token_limit(role)

    vectors = np.empty((len(unique), model.dim), dtype=np.float32)
    n_tokens = np.full(len(unique), -1, dtype=np.int64)
    keys: list[bytes] = []
    if store is not None:
        keys = [text_key(role, prompt, text) for text in unique]
        rows = store.get_many(keys)
        for at, key in enumerate(keys):
            if key in rows:
                vectors[at], n_tokens[at] = rows[key]
    found = n_tokens >= 0

    missing = np.flatnonzero(~found)
    if missing.size:
        n_tokens[missing] = model.count_tokens([unique[at] for at in missing], role)
    done = int(copies[found].sum())
    if progress is not None and done:
        progress(done)
    for batch in _batches(missing, unique, n_tokens, limit, size):
        computed = model.encode_batch([unique[at] for at in batch], role)
        _check(computed, batch, unique, inverse, model)
        vectors[batch] = computed
        if store is not None:
            store.put_many([(keys[at], CachedRow(vectors[at], int(n_tokens[at]))) for at in batch])
        done += int(copies[batch].sum())
        if progress is not None:
            progress(done)

    counts = n_tokens[inverse]
    cut = np.zeros(len(items), dtype=np.bool_) if limit is None else counts > limit
    return Embedded(vectors[inverse], counts, cut, int(found[inverse].sum()))


def _checked_size(model: BatchModel, role: Role, batch_size: int | None) -> int:
    if role not in ("query", "document"):
        msg = f"role is {role!r}; it must be 'query' or 'document'."
        raise DataError(msg)
    return as_count("batch_size", model.batch_size if batch_size is None else batch_size)


def _unique(items: list[str]) -> tuple[list[str], I64Array, I64Array]:
    """Return the unique texts in order of appearance, each item's place, and counts of copies."""
    place: dict[str, int] = {}
    inverse = np.fromiter(
        (place.setdefault(text, len(place)) for text in items), dtype=np.int64, count=len(items)
    )
    copies = np.bincount(inverse, minlength=len(place)).astype(np.int64)
    return list(place), inverse, copies


def _batches(
    missing: I64Array, unique: list[str], n_tokens: I64Array, limit: int | None, size: int
) -> list[I64Array]:
    """Cut the missing texts into batches: most tokens seen first, then by text.

    Longest first, so that memory runs out in the first batch or not at all. The text breaks ties,
    so that the caller's order does not matter.
    """
    seen = n_tokens if limit is None else np.minimum(n_tokens, limit)
    order = sorted(missing.tolist(), key=lambda at: (-int(seen[at]), unique[at]))
    ordered = np.asarray(order, dtype=np.int64)
    return [ordered[start : start + size] for start in range(0, len(order), size)]


def _check(
    computed: F32Array, batch: I64Array, unique: list[str], inverse: I64Array, model: BatchModel
) -> None:
    """Refuse what no search can rank: a wrong shape, NaN, infinity, the zero vector."""
    if computed.shape != (len(batch), model.dim):
        msg = (
            f"{model.name} answered shape {computed.shape} for {len(batch)} texts; "
            f"({len(batch)}, {model.dim}) was expected. The folder's configuration and its weights "
            "disagree: take the model from its source again."
        )
        raise ModelError(msg)
    finite = np.isfinite(computed).all(axis=1)
    if not finite.all():
        at = int(batch[int(np.argmin(finite))])
        msg = (
            f"{model.name} answered NaN or infinity for texts[{_position(inverse, at)}] "
            f"({excerpt(unique[at])}). If the weights are float16, convert them to float32; "
            "else the weights are damaged: take the model from its source again."
        )
        raise NonFiniteError(msg)
    zero = ~computed.any(axis=1)
    if zero.any():
        at = int(batch[int(np.argmax(zero))])
        msg = (
            f"{model.name} answered the zero vector for texts[{_position(inverse, at)}] "
            f"({excerpt(unique[at])}), which is equally far from everything. "
            "Drop this text, or use another model."
        )
        raise ModelError(msg)


def _position(inverse: I64Array, at: int) -> int:
    """Return where the caller first passed a unique text."""
    return int(np.argmax(inverse == at))
