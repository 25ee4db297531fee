"""When two texts are the same text."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["distinct_texts", "same_text"]


def same_text(text: str) -> str:
    """Return the form in which texts are compared: NFKC, without case, single blanks.

    Examples
    --------
    >>> same_text(" The  Fee ") == same_text("the fee")
    True
    """
    whole = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(whole.casefold().split())


def distinct_texts(texts: Sequence[str]) -> dict[str, list[int]]:
    """Return the places of each distinct text, by its form; empty texts are left out.

    Examples
    --------
    >>> distinct_texts(["Fee", " fee", "", "card"])
    {'fee': [0, 1], 'card': [3]}
    """
    found: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        form = same_text(text)
        if form:
            found.setdefault(form, []).append(place)
    return found
