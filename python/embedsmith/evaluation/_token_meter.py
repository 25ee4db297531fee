"""How far an embedding stage is: in texts for sure, in tokens with an estimate of what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith.evaluation._progress import Progress

__all__ = ["TokenMeter"]

# Of usual text; it only says beyond which length a text takes no longer.
_CHARACTERS_PER_TOKEN = 4


class TokenMeter:
    """Turns an encoder's counts of texts and tokens into what a `Progress` hears.

    Batches hold the longest texts first, so that the first half of the texts takes far more than
    half of the time; tokens tell it better.

    Parameters
    ----------
    texts : sequence of str
        All texts of the stage.
    limit : int or None
        Tokens at which a text is cut.
    progress : Progress
        Hears ``advance``, and ``tokens`` before it if it has that.
    """

    def __init__(self, texts: Sequence[str], limit: int | None, progress: Progress) -> None:
        lengths = np.sort(np.fromiter(map(len, texts), np.int64, len(texts)))[::-1] + 1
        if limit is not None:
            lengths = np.minimum(lengths, limit * _CHARACTERS_PER_TOKEN)
        self._characters = np.cumsum(lengths)
        self._progress = progress
        self._done = self._tokens = 0

    def tokens(self, done: int) -> None:
        """Take note of the tokens that were looked at, those of cached texts included."""
        self._tokens = done

    def __call__(self, done: int) -> None:
        """Take note of the texts that are done."""
        tell = getattr(self._progress, "tokens", None)
        if tell is not None and self._tokens and done:
            # The longest came first: what their characters made of tokens, the others will.
            read, all_of_them = int(self._characters[done - 1]), int(self._characters[-1])
            tell(self._tokens, round(self._tokens * (all_of_them - read) / read))
        self._progress.advance(done - self._done)
        self._done = done
