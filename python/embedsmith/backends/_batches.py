"""From texts to vectors: unique texts, fixed batches, the caller's order.

The texts that are not stored yet are sorted by what the model will see of them, longest first, and
cut into batches by rows and by tokens; each batch is stored as one transaction. Where a batch ends
follows from its first text alone, so a run that was interrupted leaves whole batches behind, the
next run over the same texts cuts the very batches that are left, and its vectors are, byte for
byte, those of an undisturbed run. Texts that another corpus left in the store were computed in
other batches; their last bits may differ (about 1e-7) unless the model is batch-invariant.

Token ids are kept for a window of texts at a time, so that they never outgrow the texts.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from embedsmith._validate import as_count
from embedsmith.backends._protocol import BatchModel, Embedded, Progress, Role, TokenizedTexts
from embedsmith.backends._runner import BatchRunner
from embedsmith.backends._texts import checked_texts, text_key
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embedsmith._typing import BoolArray, F32Array, I64Array

__all__ = ["CachedRow", "EncodesInBatches", "VectorStore", "encode_texts"]

# Texts that are tokenised at a time: enough for 512 batches of 32, so that little is lost where two
# windows meet.
WINDOW = 16_384


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
    token_progress: Progress | None = None,
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
    # What a service would refuse is refused before any other text is paid for.
    refuse = getattr(model, "refuse_texts", None)
    if refuse is not None and not found.all():
        absent = np.flatnonzero(~found)
        refuse([unique[at] for at in absent], role, lambda at: _position(inverse, int(absent[at])))

    done = _Done(copies, limit, progress, token_progress)
    if found.any():
        done.add(np.flatnonzero(found), n_tokens)
    windows = _windows(unique, found)
    with closing(BatchRunner(model, lambda at: _position(inverse, at))) as runner:
        for missing, tokenized in _tokenized(model, windows, unique, role):
            n_tokens[missing] = tokenized.n_tokens
            batches = _batches(tokenized, limit, size, model.token_budget)
            for batch, computed in runner.run(tokenized, batches, missing):
                places = missing[batch]
                vectors[places] = computed
                if store is not None:
                    store.put_many(
                        [(keys[at], CachedRow(vectors[at], int(n_tokens[at]))) for at in places]
                    )
                done.add(places, n_tokens)

    counts = n_tokens[inverse]
    cut = np.zeros(len(items), dtype=np.bool_) if limit is None else counts > limit
    return Embedded(vectors[inverse], counts, cut, int(found[inverse].sum()))


class EncodesInBatches:
    """Gives a model that computes single batches the ``encode`` of an `Encoder`."""

    def encode(
        self: BatchModel,
        texts: Sequence[str],
        *,
        role: Role,
        batch_size: int | None = None,
        progress: Progress | None = None,
        token_progress: Progress | None = None,
    ) -> Embedded:
        """Embed texts, in the caller's order; equal texts are computed once.

        Parameters
        ----------
        texts : sequence of str
            Empty strings are embedded like any other.
        role : {"query", "document"}
            Chooses the prompt.
        batch_size : int, optional
            Texts per forward pass; the encoder's own if None.
        progress, token_progress : callable, optional
            Called with the number of texts that are done, and of tokens that were looked at.

        Returns
        -------
        Embedded
            Vectors, token counts, and what was cut.

        Raises
        ------
        DataError
            If an item is not a string that UTF-8 can hold; names its position.
        NonFiniteError, ModelError
            If a text's vector cannot be used; names its position.
        """
        return encode_texts(
            self,
            texts,
            role=role,
            batch_size=batch_size,
            progress=progress,
            token_progress=token_progress,
        )


class _Done:
    """Tells whoever waits how far it is, in the caller's texts and in tokens looked at."""

    def __init__(
        self,
        copies: I64Array,
        limit: int | None,
        progress: Progress | None,
        token_progress: Progress | None,
    ) -> None:
        self._copies, self._limit = copies, limit
        self._progress, self._token_progress = progress, token_progress
        self._texts = self._tokens = 0

    def add(self, places: I64Array, n_tokens: I64Array) -> None:
        copies, tokens = self._copies[places], n_tokens[places]
        seen = tokens if self._limit is None else np.minimum(tokens, self._limit)
        self._texts += int(copies.sum())
        self._tokens += int((copies * seen).sum())
        if self._token_progress is not None:
            self._token_progress(self._tokens)
        if self._progress is not None:
            self._progress(self._texts)


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


def _windows(unique: list[str], found: BoolArray) -> list[I64Array]:
    """Return the positions of the texts that are missing, a window of all texts at a time.

    Windows hold texts of about one length, longest first, and do not depend on what is missing: a
    run that goes on cuts them as before.
    """
    if len(unique) <= WINDOW:
        ordered = np.arange(len(unique), dtype=np.int64)
    else:
        by_length = sorted(range(len(unique)), key=lambda at: (-len(unique[at]), unique[at]))
        ordered = np.asarray(by_length, dtype=np.int64)
    whole = (ordered[start : start + WINDOW] for start in range(0, len(ordered), WINDOW))
    return [missing for part in whole if (missing := part[~found[part]]).size]


def _tokenized(
    model: BatchModel, windows: list[I64Array], unique: list[str], role: Role
) -> Iterator[tuple[I64Array, TokenizedTexts]]:
    """Tokenise window by window; the next one meanwhile, where that pays."""

    def tokenize(window: I64Array) -> TokenizedTexts:
        return model.tokenize([unique[at] for at in window], role)

    if not model.tokenize_ahead or len(windows) <= 1:
        for window in windows:
            yield window, tokenize(window)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="tokenize") as thread:
        coming = thread.submit(tokenize, windows[0])
        for window, after in zip(windows, [*windows[1:], None], strict=True):
            tokenized = coming.result()
            if after is not None:
                coming = thread.submit(tokenize, after)
            yield window, tokenized


def _batches(
    tokenized: TokenizedTexts, limit: int | None, size: int, budget: int | None
) -> list[I64Array]:
    """Cut the texts into batches: most tokens seen first, then by text.

    Longest first, so that memory runs out in the first batch or not at all. The text breaks ties,
    so that the caller's order does not matter.
    """
    n_tokens, texts = tokenized.n_tokens, tokenized.texts
    seen = n_tokens if limit is None else np.minimum(n_tokens, limit)
    order = sorted(range(len(texts)), key=lambda at: (-int(seen[at]), texts[at]))
    ordered = np.asarray(order, dtype=np.int64)
    batches, start = [], 0
    while start < len(ordered):
        longest = max(1, int(seen[ordered[start]]))
        rows = size if budget is None else max(1, min(size, budget // longest))
        batches.append(ordered[start : start + rows])
        start += rows
    return batches


def _position(inverse: I64Array, at: int) -> int:
    """Return where the caller first passed a unique text."""
    return int(np.argmax(inverse == at))
