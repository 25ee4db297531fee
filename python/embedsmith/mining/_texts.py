"""Texts as they are compared: normalised, hashed, and cut into shingles."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

__all__ = ["Shingles", "keys_of", "normalised"]

_SHINGLE_CHARACTERS = 5
_KEPT_SHINGLES = 50_000


def normalised(text: str) -> str:
    r"""Return what two texts that a reader calls the same have in common.

    Unicode's compatibility form, case folded, runs of blanks as one.

    Examples
    --------
    >>> normalised("  The \u00a0Fee ") == normalised("the fee")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def keys_of(texts: Iterable[str], *, as_they_are: bool = False) -> npt.NDArray[np.uint64]:
    """Return 64 bits for each text, equal for texts that are equal when normalised.

    They are the first 8 bytes of a BLAKE2b hash: a billion texts have one chance in thirty of a
    single collision.
    """
    digest = hashlib.blake2b
    joined = b"".join(
        digest(
            (text if as_they_are else normalised(text)).encode("utf-8", "surrogatepass"),
            digest_size=8,
        ).digest()
        for text in texts
    )
    return np.frombuffer(joined, dtype="<u8").astype(np.uint64)


class Shingles:
    """The sets of five characters that texts consist of, kept while they are compared again."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._kept: dict[int, frozenset[str]] = {}

    def similarity(self, row: int, other: int) -> float:
        """Return the Jaccard similarity of two texts' shingles, from 0 to 1."""
        a, b = self._of(row), self._of(other)
        common = len(a & b)
        return common / (len(a) + len(b) - common)

    def _of(self, row: int) -> frozenset[str]:
        found = self._kept.get(row)
        if found is None:
            text = normalised(self._texts[row])
            last = max(len(text) - _SHINGLE_CHARACTERS + 1, 1)
            found = frozenset(text[at : at + _SHINGLE_CHARACTERS] for at in range(last))
            if len(self._kept) >= _KEPT_SHINGLES:
                self._kept.clear()
            self._kept[row] = found
        return found
