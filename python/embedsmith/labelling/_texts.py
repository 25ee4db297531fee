"""Ids for texts, and texts for ids."""

from __future__ import annotations

import difflib
import hashlib
from typing import TYPE_CHECKING

from embedsmith._phrases import counted
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["resolved"]

_ID_DIGITS = 32
_SHOWN = 3
_WORDS = 60


def resolved(
    side: str,
    given: Sequence[tuple[str | None, str | None, str]],
    known: Mapping[str, str] | None,
    notes: list[str],
) -> tuple[list[str], dict[str, str]]:
    """Return the id of each entry, and the text of each id.

    A text without an id is looked up among the known ones, white space aside; where none are
    known, its id is the start of its SHA-256. Where an id is known, its known text counts.

    Parameters
    ----------
    side : {"query", "document"}
    given : sequence of tuple
        Id, text and place; one of the first two may be None.
    known : mapping of str to str or None
        Texts by id, if a corpus or queries were given.
    notes : list of str
        Gets what a person should know.

    Raises
    ------
    DataError
        If an id is not known or has two texts, or a text is not known or has two ids.
    """
    if known is None:
        return _of_rows(side, given)
    by_text = _by_text(known)
    ids: list[str] = []
    unknown: dict[str, str] = {}
    absent: dict[str, str] = {}
    differ = 0
    for own, text, where in given:
        one = own if own is not None else _known_id(side, text or "", by_text, where)
        if one is None:
            absent.setdefault(text or "", where)
        elif one not in known:
            unknown.setdefault(one, where)
        else:
            differ += text is not None and _plain(text) not in _plain(known[one])
            ids.append(one)
    if unknown:
        raise DataError(_no_text(side, unknown, known))
    if absent:
        raise DataError(_no_id(side, absent))
    if differ:
        notes.append(
            f"{counted(differ, 'row')} with another text of the {side} than the given one of that "
            "id; the given text counts. Check that ids and texts have not slipped apart."
        )
    return ids, {one: known[one] for one in dict.fromkeys(ids)}


def _of_rows(
    side: str, given: Sequence[tuple[str | None, str | None, str]]
) -> tuple[list[str], dict[str, str]]:
    """Return ids and texts as the rows have them, where nothing else is known."""
    texts: dict[str, str] = {}
    places: dict[str, str] = {}
    ids: list[str] = []
    for own, text, where in given:
        one = own or hashlib.sha256((text or "").encode()).hexdigest()[:_ID_DIGITS]
        ids.append(one)
        places.setdefault(one, where)
        if text is not None and texts.setdefault(one, text) != text:
            raise DataError(_two_texts(side, one, (texts[one], text), (places[one], where)))
    missing = {one: where for one, where in places.items() if one not in texts}
    if missing:
        raise DataError(_no_text(side, missing, None))
    return ids, {one: texts[one] for one in places}


def _plain(text: str) -> str:
    return " ".join(text.split())


def _by_text(known: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one, text in known.items():
        found.setdefault(_plain(text), []).append(one)
    return found


def _known_id(side: str, text: str, by_text: Mapping[str, Sequence[str]], where: str) -> str | None:
    fits = by_text.get(_plain(text), ())
    if len(fits) > 1:
        msg = (
            f"{where}: the {side} {text[:_WORDS]!r} is the text of {counted(len(fits), 'id')} "
            f"({', '.join(fits[:_SHOWN])}). Add a column with the id."
        )
        raise DataError(msg)
    return fits[0] if fits else None


def _two_texts(side: str, one: str, texts: tuple[str, str], places: tuple[str, str]) -> str:
    return (
        f"the {side} {one!r} has two texts: {texts[0][:_WORDS]!r} ({places[0]}) and "
        f"{texts[1][:_WORDS]!r} ({places[1]}). Mend the id or the text."
    )


def _no_text(side: str, missing: Mapping[str, str], known: Mapping[str, str] | None) -> str:
    shown = ", ".join(f"{one!r} ({where})" for one, where in list(missing.items())[:_SHOWN])
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    option = "corpus" if side == "document" else "queries"
    if known is None:
        return (
            f"{counted(len(missing), side)} without a text: {shown}{more}. Add a column with the "
            f"text, or say where the texts are: {option}=PATH (--{option} PATH)."
        )
    near = difflib.get_close_matches(next(iter(missing)), list(known), n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return (
        f"{counted(len(missing), side)} that the given {option} does not hold: {shown}{more}. "
        f"{hint}Mend the ids (a spreadsheet drops leading zeros and makes dates of 1-2), or give "
        f"the {option} that was judged."
    )


def _no_id(side: str, absent: Mapping[str, str]) -> str:
    text, where = next(iter(absent.items()))
    option = "corpus" if side == "document" else "queries"
    return (
        f"{counted(len(absent), f'text of a {side}', f'texts of a {side}')} not in the given "
        f"{option}, such as {text[:_WORDS]!r} ({where}). Texts are compared whole, white space "
        "aside. Add a column with the id, or mend the text."
    )
