"""Passages and the documents that they are parts of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from embedsmith.datasets._qrels import Qrels
from embedsmith.exceptions import DataError
from embedsmith.metrics._inputs import first_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Collapse", "describe", "documents_of", "field_of", "lifted"]

Collapse: TypeAlias = str | Mapping[str, str] | Callable[[str], str]

_FIELD = "field:"


def field_of(collapse: object) -> str | None:
    """Return the field of a corpus that ``"field:NAME"`` names, or None."""
    if isinstance(collapse, str) and collapse.startswith(_FIELD):
        return collapse.removeprefix(_FIELD)
    return None


def describe(collapse: Collapse | None) -> str | None:
    """Return what can be given again on a command line; None for what lives in Python only."""
    return collapse if isinstance(collapse, str) else None


def documents_of(
    ids: Sequence[str],
    collapse: Collapse | object,
    fields: Mapping[str, Sequence[Any]] | None = None,
) -> tuple[str, ...]:
    """Return the document of each passage.

    Parameters
    ----------
    ids : sequence of str
        The passages.
    collapse : str, mapping or callable
        A separator: the document is what stands before its last occurrence in the passage's id,
        and an id without it is a document of its own. ``"field:NAME"``: that field of the corpus.
        A mapping or a callable: from passage ids to document ids.
    fields : mapping of str to sequence, optional
        Fields of the corpus, if they were read.

    Returns
    -------
    tuple of str
        One for each passage.

    Raises
    ------
    DataError
        If a passage has no document, or nothing is collapsed.

    Examples
    --------
    >>> documents_of(["a#1", "a#2", "b"], "#")
    ('a', 'a', 'b')
    """
    field = field_of(collapse)
    if field is not None:
        found = _by_field(ids, field, fields)
    elif isinstance(collapse, str):
        found = _by_separator(ids, collapse)
    elif isinstance(collapse, Mapping):
        absent = [one for one in ids if one not in collapse]
        if absent:
            msg = (
                f"collapse names no document for {len(absent):,} of {len(ids):,} passages: "
                f"{first_ids(absent)}. Add them; one that is whole maps to itself."
            )
            raise DataError(msg)
        found = [collapse[one] for one in ids]
    elif callable(collapse):
        found = [collapse(one) for one in ids]
    else:
        msg = (
            f"collapse={collapse!r:.60} is neither a separator, 'field:NAME', a mapping nor a "
            "callable. Pass '#', say, if 'a#1' is a passage of 'a'."
        )
        raise DataError(msg)
    for one, document in zip(ids, found, strict=True):
        if not isinstance(document, str) or not document:
            msg = (
                f"collapse gives the passage {one!r} the document {document!r}, which is no id. "
                "Ids are strings that are not empty."
            )
            raise DataError(msg)
    return tuple(found)


def _by_separator(ids: Sequence[str], separator: str) -> list[Any]:
    parts = [one.rpartition(separator) if separator else ("", "", one) for one in ids]
    if not any(head for head, _, _ in parts):
        msg = (
            f"no id of the corpus has a document before {separator!r}: {first_ids(ids, 3)}. Pass "
            "what stands between document and passage in your ids, 'field:NAME', or a mapping."
        )
        raise DataError(msg)
    return [head or one for one, (head, _, _) in zip(ids, parts, strict=True)]


def _by_field(
    ids: Sequence[str], field: str, fields: Mapping[str, Sequence[Any]] | None
) -> list[Any]:
    if fields is None:
        msg = (
            f"collapse='field:{field}' is read with the corpus: pass it to load_dataset, or "
            "evaluate the path instead of the data set."
        )
        raise DataError(msg)
    if field not in fields:
        known = ", ".join(map(repr, sorted(fields))) or "none"
        msg = f"no document of the corpus has the field {field!r} to collapse by; there is {known}."
        raise DataError(msg)
    # As the ids of documents are read: a whole number counts as its digits.
    values = [
        str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        for value in fields[field]
    ]
    absent = [one for one, value in zip(ids, values, strict=True) if value is None]
    if absent:
        msg = (
            f"{len(absent):,} of {len(ids):,} passages lack the field {field!r}: "
            f"{first_ids(absent)}. Add it to each line of the corpus."
        )
        raise DataError(msg)
    return values


def lifted(qrels: Qrels, ids: Sequence[str], documents: Sequence[str]) -> Qrels:
    """Return judgements of documents, where some may be of their passages.

    Parameters
    ----------
    qrels : Qrels
        Of documents, of passages, or of both.
    ids, documents : sequence of str
        Passages, and the document of each.

    Returns
    -------
    Qrels
        A document has the highest grade of its own and its passages'. Unknown ids are kept.
    """
    whole = set(documents)
    document_of = dict(zip(ids, documents, strict=True))
    if all(one in whole for one in qrels.doc_ids):
        return qrels
    judged: dict[str, dict[str, int]] = {}
    for query, grades in qrels.items():
        of_query = judged.setdefault(query, {})
        for one, grade in grades.items():
            document = one if one in whole else document_of.get(one, one)
            of_query[document] = max(grade, of_query.get(document, grade))
    return Qrels(judged)
