"""When two texts are the same text."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Distinct", "same_text"]


def same_text(text: str) -> str:
    """Return the form in which texts are compared: NFKC, without case, single blanks.

    Examples
    --------
    >>> same_text(" The  Fee ") == same_text("the fee")
    True
    """
    whole = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(whole.casefold().split())


@dataclass(frozen=True)
class Distinct:
    """The distinct texts of a list, by number; empty texts are none.

    Attributes
    ----------
    numbers : mapping of str to int
        By form.
    places : sequence of list of int
        Where each stands.
    texts : sequence of str
        The first of each.
    """

    numbers: dict[str, int]
    places: list[list[int]]
    texts: list[str]

    @classmethod
    def of(cls, texts: Sequence[str], places: Sequence[int] | None = None) -> Distinct:
        """Return the distinct ones of the texts, or of those at some places.

        Examples
        --------
        >>> Distinct.of(["Fee", " fee", "", "card"]).places
        [[0, 1], [3]]
        """
        made = cls({}, [], [])
        for place in range(len(texts)) if places is None else places:
            form = same_text(texts[place])
            if form:
                number = made.numbers.setdefault(form, len(made.texts))
                if number == len(made.texts):
                    made.places.append([])
                    made.texts.append(texts[place])
                made.places[number].append(place)
        return made

    def by_place(self) -> dict[int, int]:
        """Return the number of the text at each place."""
        return {place: number for number, places in enumerate(self.places) for place in places}

    def __len__(self) -> int:
        return len(self.texts)
