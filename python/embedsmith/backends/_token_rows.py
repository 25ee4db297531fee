"""Texts as rows of token ids: tokenised once, cut as the model cuts them, counted before."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from embedsmith._typing import I64Array

__all__ = ["TokenReader", "TokenRows", "reading_with"]

# Texts that are tokenised in one call: the tokenizer's own results take much more than the ids.
_STEP = 1024
# Whatever its tokens are, the special ones stand around them.
_PROBE = "a text"


@dataclass(frozen=True)
class TokenRows:
    """Rows of token ids of different lengths, one after the other.

    Attributes
    ----------
    ids : ndarray of shape (n_tokens,), int32
        What the model sees of all texts, special tokens included.
    starts : ndarray of shape (n_texts + 1,), int64
        Row i is ``ids[starts[i]:starts[i + 1]]``.
    """

    ids: NDArray[np.int32]
    starts: I64Array

    def lengths(self, positions: I64Array) -> I64Array:
        """Return the number of ids of some rows."""
        return self.starts[positions + 1] - self.starts[positions]

    def padded(
        self, positions: I64Array, pad_id: int, longest: int | None = None
    ) -> tuple[I64Array, I64Array]:
        """Return ids and mask of some rows as rectangles, filled up on the right.

        Parameters
        ----------
        positions : ndarray of shape (n_batch,), int64
            Which rows.
        pad_id : int
            What to fill with.
        longest : int, optional
            Columns; those of the longest row if None.

        Returns
        -------
        ids, mask : ndarray of shape (n_batch, longest), int64
            The mask is 1 where there is a token.
        """
        lengths = self.lengths(positions)
        width = int(lengths.max(initial=0)) if longest is None else longest
        mask = np.arange(width) < lengths[:, None]
        ids = np.full(mask.shape, pad_id, dtype=np.int64)
        rows = [self.ids[self.starts[at] : self.starts[at + 1]] for at in positions]
        ids[mask] = np.concatenate(rows) if rows else np.empty(0, np.int32)
        return ids, mask.astype(np.int64)


@contextlib.contextmanager
def reading_with(where: str) -> Iterator[None]:
    """Turn the errors of a tokenizer, which has no class for them, into ours.

    Parameters
    ----------
    where : str
        Names the tokenizer.

    Raises
    ------
    ModelError
        If the block failed. A tokenizer that contradicts itself may fail at one text only.
    """
    try:
        yield
    except BaseException as error:
        # What went wrong deep in the library: no Exception to Python, and no reason to stop it.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        msg = f"{where} cannot be used: {error}. Copy or download the whole folder again."
        raise ModelError(msg) from error


class TokenReader:
    """Reads texts with a tokenizer as the model does, and counts what it does not look at.

    Special tokens are put around what is left of a text after cutting, as the tokenizer does; which
    ones is learned from a short text.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
        Kept; its own truncation and padding are switched off.
    max_tokens : int or None
        Most tokens of a row, special ones included.
    side : {"right", "left"}
        Which end of a long text is cut off.
    where : str
        Names the tokenizer in errors.

    Raises
    ------
    ModelError
        If its special tokens do not stand around the text, or leave no room for it.
    """

    def __init__(self, tokenizer: Any, *, max_tokens: int | None, side: str, where: str) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._side = side
        self._where = where
        self.largest_id = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0)
        with reading_with(where):
            probe = tokenizer.encode(_PROBE).ids
            bare = tokenizer.encode(_PROBE, add_special_tokens=False).ids
        n_special = len(probe) - len(bare)
        starts = [at for at in range(n_special + 1) if probe[at : at + len(bare)] == bare]
        if not bare or not starts:
            msg = (
                f"{where} does not put its special tokens around a text, so that a long text "
                "cannot be cut as the model expects. Use another model."
            )
            raise ModelError(msg)
        self._before = np.asarray(probe[: starts[0]], dtype=np.int32)
        self._after = np.asarray(probe[starts[0] + len(bare) :], dtype=np.int32)
        self.n_special = n_special
        self._room = None if max_tokens is None else max_tokens - n_special
        if self._room is not None and self._room < 1:
            msg = (
                f"{where} puts {n_special} special tokens around each text, which leaves no room "
                f"for it in {max_tokens} tokens. Raise max_tokens."
            )
            raise ModelError(msg)

    def read(self, texts: Sequence[str], prompt: str = "") -> tuple[TokenRows, I64Array]:
        """Tokenise texts.

        Parameters
        ----------
        texts : sequence of str
            Without the prompt.
        prompt : str
            Put before each of them.

        Returns
        -------
        rows : TokenRows
            What the model sees.
        n_tokens : ndarray of shape (n_texts,), int64
            Tokens of prompt and text before anything was cut, special tokens included.
        """
        n_tokens = np.empty(len(texts), dtype=np.int64)
        starts = np.zeros(len(texts) + 1, dtype=np.int64)
        parts: list[NDArray[np.int32]] = []
        for start in range(0, len(texts), _STEP):
            step = [prompt + text for text in texts[start : start + _STEP]]
            with reading_with(self._where):
                encodings = self._tokenizer.encode_batch_fast(step, add_special_tokens=False)
            for at, encoding in enumerate(encodings, start):
                bare = np.asarray(encoding.ids, dtype=np.int32)
                n_tokens[at] = len(bare) + self.n_special
                parts += (self._before, self._cut(bare), self._after)
                starts[at + 1] = starts[at] + sum(map(len, parts[-3:]))
        ids = np.concatenate(parts) if parts else np.empty(0, np.int32)
        return TokenRows(ids, starts), n_tokens

    def _cut(self, bare: NDArray[np.int32]) -> NDArray[np.int32]:
        if self._room is None or len(bare) <= self._room:
            return bare
        # A copy, so that a book does not stay in memory for the sake of its first page.
        kept = slice(self._room) if self._side == "right" else slice(-self._room, None)
        cut: NDArray[np.int32] = bare[kept].copy()
        return cut
