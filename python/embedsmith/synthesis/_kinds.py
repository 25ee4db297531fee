"""Kinds of queries."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedsmith._validate import as_count
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["KEYWORD_KINDS", "KINDS", "Kind", "checked_kinds", "slots"]


@dataclass(frozen=True)
class Kind:
    """One kind.

    Attributes
    ----------
    name : str
        As in results.
    means : str
        What a model is told that it is.
    cue : str
        What stands before one in a completion.
    """

    name: str
    means: str
    cue: str


KINDS = {
    kind.name: kind
    for kind in (
        Kind("question", "a full question, as one would ask a colleague", "Question"),
        Kind("keyword", "two to six search words, no sentence", "Search words"),
        Kind(
            "multi-condition",
            "a question with two or more conditions that all have to hold",
            "Question with several conditions",
        ),
        Kind(
            "paraphrase",
            "what somebody types who knows none of the technical words of the passage: other "
            "vocabulary throughout",
            "Question in other words",
        ),
    )
}
# Of the generator that uses no model.
KEYWORD_KINDS = ("keyword", "span")


def checked_kinds(
    kinds: Mapping[str, int] | Iterable[str] | None, known: Iterable[str]
) -> dict[str, int]:
    """Return how many queries of each kind a passage gets.

    Parameters
    ----------
    kinds : mapping of str to int, iterable of str, or None
        None: one of each.
    known : iterable of str
        Those of the generator.

    Raises
    ------
    DataError
        If a kind is unknown, or there is none.

    Examples
    --------
    >>> checked_kinds(["keyword", "keyword", "question"], KINDS)
    {'keyword': 2, 'question': 1}
    """
    names = list(known)
    if kinds is None:
        return dict.fromkeys(names, 1)
    if isinstance(kinds, str):
        kinds = [kinds]
    counts: dict[str, int] = {}
    if hasattr(kinds, "items"):
        counts = dict(kinds.items())
    else:
        for name in kinds:
            counts[name] = counts.get(name, 0) + 1
    for name, count in counts.items():
        if name not in names:
            near = difflib.get_close_matches(str(name), names, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(names)}."
            msg = f"the kind {name!r} is unknown to this generator. {hint}"
            raise DataError(msg)
        as_count(f"kinds[{name!r}]", count)
    if not counts:
        msg = f"no kind is asked for. Name some of {', '.join(names)}."
        raise DataError(msg)
    return counts


def slots(kinds: Mapping[str, int]) -> list[str]:
    """Return the kind of each query that a passage gets, mixed: no kind comes twice at first.

    Examples
    --------
    >>> slots({"keyword": 2, "question": 1})
    ['keyword', 'question', 'keyword']
    """
    most = max(kinds.values())
    return [name for turn in range(most) for name, count in kinds.items() if turn < count]
