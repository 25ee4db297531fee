"""Which column holds what, by the names that people give them."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ROLES", "annotator_columns", "columns_of", "nearest", "recognised", "role_of"]

# What a table may say, and the names that are known for it, in small letters with single blanks.
ROLES: dict[str, tuple[str, ...]] = {
    "query_id": (
        *("query id", "qid", "question id", "topic id", "query no", "queryid", "questionid"),
        *("frage id", "frage nr", "frage nummer", "anfrage id", "anfrage nr", "fragenummer"),
    ),
    "query": (
        *("query", "question", "query text", "question text", "anchor", "search query"),
        *("frage", "anfrage", "suchanfrage", "fragestellung"),
    ),
    "document_id": (
        *("document id", "doc id", "docid", "docno", "documentid", "corpus id", "passage id"),
        *("pid", "chunk id", "text id", "dokument id", "dokument nr", "absatz id", "textstelle id"),
    ),
    "document": (
        *("document", "doc", "passage", "text", "document text", "passage text", "chunk"),
        *("context", "paragraph", "dokument", "absatz", "textstelle", "abschnitt"),
    ),
    "grade": (
        *("grade", "relevance", "rel", "label", "judgement", "judgment", "rating", "relevant"),
        *("score", "relevance grade", "relevanz", "bewertung", "urteil", "einstufung"),
    ),
    "annotator": (
        *("annotator", "annotator id", "rater", "judge", "assessor", "labeler", "labeller"),
        *("reviewer", "expert", "user", "user id", "annotated by", "judged by", "completed by"),
        *("bewerter", "gutachter", "prüfer", "experte", "expertin", "bearbeiter"),
    ),
}
_BY_NAME = {name: role for role, names in ROLES.items() for name in names}
# A column for each annotator: "Grade Anna", "annotator 2", "Relevanz (Müller)", "label: ben".
_OF_ANNOTATOR = re.compile(
    r"(?:annotator|rater|judge|assessor|reviewer|expert|grade|label|rating|relevance|"
    r"judgement|judgment|relevanz|bewertung|bewerter|gutachter|urteil|experte|expertin)"
    r"(?:\s*[:(]\s*|\s+)(?P<who>\w[^)]*)\)?"
)
_NO_ANNOTATOR = frozenset({"id", "date", "time", "comment", "comments", "text", "datum"})


def _plain(name: str) -> str:
    return " ".join(re.sub(r"[\s_\-./#]+", " ", name.casefold()).split())


def role_of(name: str) -> str | None:
    """Return what a column of that name holds, if the name is known.

    Examples
    --------
    >>> role_of("Query-ID"), role_of("Frage"), role_of("comment")
    ('query_id', 'query', None)
    """
    return _BY_NAME.get(_plain(name))


def recognised(name: str) -> bool:
    """Return whether a column's name says what it holds."""
    return role_of(name) is not None or _annotator_of(name) is not None


def _annotator_of(name: str) -> str | None:
    found = None if role_of(name) else _OF_ANNOTATOR.fullmatch(_plain(name))
    return None if found is None or found["who"] in _NO_ANNOTATOR else found["who"]


def annotator_columns(header: Sequence[str]) -> list[str]:
    """Return the columns whose names say that they hold one annotator's grades.

    Examples
    --------
    >>> annotator_columns(["query", "text", "Grade Anna", "annotator_2", "comment"])
    ['Grade Anna', 'annotator_2']
    """
    return [name for name in header if _annotator_of(name) is not None]


def nearest(wanted: str, header: Sequence[str]) -> str | None:
    """Return the column whose name is most like a name that is not there."""
    by_plain = {_plain(name): name for name in header if name}
    near = difflib.get_close_matches(_plain(wanted), list(by_plain), n=1)
    return by_plain[near[0]] if near else None


def columns_of(
    header: Sequence[str], place: str, named: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Return the position of each role's column.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    place : str
        The file, for messages.
    named : mapping of str to str, optional
        The column of a role, where its name is not known.

    Raises
    ------
    DataError
        If a named column or role does not exist, stands twice, or two columns could be one role's.
    """
    found: dict[str, int] = {}
    for role, name in (named or {}).items():
        if role not in ROLES:
            near = (difflib.get_close_matches(role, list(ROLES), n=1) or ["grade"])[0]
            msg = (
                f"no column can be the {role!r}; roles are {', '.join(ROLES)}. "
                f"Did you mean {near}={name}?"
            )
            raise DataError(msg)
        found[role] = _position(header, place, name, f"{role}=")
    taken = set(found.values())
    for role in ROLES:
        if role in found:
            continue
        fits = [at for at, name in enumerate(header) if role_of(name) == role and at not in taken]
        if len(fits) > 1:
            listed = " and ".join(repr(header[at]) for at in fits)
            msg = (
                f"{place}: {listed} could each be the {role}. Name one: "
                f"columns={{{role!r}: {header[fits[0]]!r}}} "
                f"(--column {role}={header[fits[0]]!r})."
            )
            raise DataError(msg)
        if fits:
            found[role] = fits[0]
    return found


def _position(header: Sequence[str], place: str, name: str, option: str) -> int:
    at = [number for number, there in enumerate(header) if there == name]
    if len(at) == 1:
        return at[0]
    if at:
        msg = f"{place} has {len(at)} columns named {name!r}. Give each a name of its own."
        raise DataError(msg)
    near = nearest(name, header)
    fix = f"Did you mean {option}{near!r}?" if near else "Name one of them."
    msg = f"{place} has no column {name!r}; it has {_listed(header)}. {fix}"
    raise DataError(msg)


def _listed(header: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in header if name) or "no named column"
