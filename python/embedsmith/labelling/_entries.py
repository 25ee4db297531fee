"""What a row says, before ids and texts of all rows are brought together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, time, timedelta
from typing import Any, NamedTuple, TypeAlias

from embedsmith.exceptions import DataError
from embedsmith.labelling._table import Broken, is_blank

Keys: TypeAlias = tuple[str | None, str | None, str | None, str | None]

__all__ = ["Entry", "Keys", "Reading", "as_identifier", "as_name", "as_words"]


class Entry(NamedTuple):
    """One judgement, with an id or a text on each side, or both."""

    query_id: str | None
    query: str | None
    document_id: str | None
    document: str | None
    annotator: str
    grade: int
    where: str


@dataclass
class Reading:
    """What one file held.

    Attributes
    ----------
    entries : list of Entry
    kind, layout : str
    columns : dict of str to str
    not_read : tuple of str
    n_rows, n_not_judged : int
    how : dict
    notes : list of str
    corpus, queries : dict of str to str
        Texts by id that the file brings along beside those of its rows.
    synthetic : frozenset of str
        Queries of the file that it marks as written by a machine.
    sha256 : str
        Of the content, where that is more than one file.
    """

    entries: list[Entry]
    kind: str
    layout: str = "long"
    columns: dict[str, str] = field(default_factory=dict)
    not_read: tuple[str, ...] = ()
    n_rows: int = 0
    n_not_judged: int = 0
    how: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    corpus: dict[str, str] = field(default_factory=dict)
    queries: dict[str, str] = field(default_factory=dict)
    synthetic: frozenset[str] = frozenset()
    sha256: str = ""


def as_identifier(value: Any, where: str) -> str | None:
    """Return the id in a cell, without blanks around it; None if it is empty.

    Raises
    ------
    DataError
        If a spreadsheet made a date or a fraction of it.
    """
    if is_blank(value):
        return None
    if isinstance(value, (date, time, timedelta, bool)) or (
        isinstance(value, float) and not value.is_integer()
    ):
        msg = (
            f"{where}: the id is {value}, which a spreadsheet may have made of what was typed. "
            "Format the column as text, and enter the id again."
        )
        raise DataError(msg)
    return as_words(int(value) if isinstance(value, float) else value, where)


def as_name(value: Any, where: str) -> str | None:
    """Return the annotator's name in a cell; None if it is empty."""
    return as_identifier(value, where)


def as_words(value: Any, where: str) -> str | None:
    """Return the text in a cell, without blanks around it; None if it is empty.

    Raises
    ------
    DataError
        If it is no text and no number, or holds what UTF-8 cannot.
    """
    if is_blank(value):
        return None
    if isinstance(value, Broken):
        msg = f"{where}: {value.why}"
        raise DataError(msg)
    if isinstance(value, (dict, list, tuple)):
        msg = f"{where}: expected a text, found {value!r:.60}. Name another column or field."
        raise DataError(msg)
    text = str(value).strip()
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        msg = (
            f"{where}: a lone surrogate at character {error.start}, which UTF-8 cannot hold. "
            "Write the file again from its source."
        )
        raise DataError(msg) from error
    return text
