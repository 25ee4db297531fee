"""Experts' judgements, each with who gave it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from embedsmith._phrases import counted
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from embedsmith._typing import Json

__all__ = ["Judgement", "LabelSource", "Labels", "without_repeats"]

_SHOWN = 3


class Judgement(NamedTuple):
    """What one annotator said of one document for one query.

    Attributes
    ----------
    query_id, document_id, annotator : str
    grade : int
        Above 0 is relevant.
    where : str
        File and line, cell or entry.
    """

    query_id: str
    document_id: str
    annotator: str
    grade: int
    where: str


@dataclass(frozen=True)
class LabelSource:
    """A file that judgements were read from.

    Attributes
    ----------
    path : str
    sha256 : str
        Of its bytes; of a BEIR folder that of the data set, see :attr:`Dataset.hash`.
    kind : str
        ``"csv"``, ``"xlsx"``, ``"json"``, ``"qrels"``, ``"beir"``, ``"label-studio"`` or
        ``"argilla"``.
    layout : str
        ``"long"``: a row for each judgement. ``"wide"``: a column for each annotator.
    columns : mapping of str to str
        What each role was read from.
    not_read : tuple of str
        Columns that were left alone.
    n_rows, n_judgements, n_not_judged : int
        Rows; judgements in them; cells that are empty or say that there is none.
    how : mapping
        Encoding, delimiter, sheet, control: what was told or chosen.
    """

    path: str
    sha256: str
    kind: str
    layout: str
    columns: Mapping[str, str]
    not_read: tuple[str, ...]
    n_rows: int
    n_judgements: int
    n_not_judged: int
    how: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> Json:
        """Return the fields as JSON-ready values.

        Returns
        -------
        dict
            A field for each attribute.
        """
        return {
            **vars(self),
            "columns": dict(self.columns),
            "not_read": list(self.not_read),
            "how": dict(self.how),
        }


@dataclass(frozen=True)
class Labels:
    """Judgements of one or more annotators, as :func:`read_labels` returns them.

    Attributes
    ----------
    judgements : tuple of Judgement
        One for each query, document and annotator, in the order of the files.
    query_texts, document_texts : mapping of str to str
        By id; of documents, the whole corpus if one was given.
    sources : tuple of LabelSource
        The files.
    grades : mapping of str to int
        Each word or number that was seen, with the grade that it became.
    notes : tuple of str
        What a person should know of the reading.
    synthetic : frozenset of str
        Ids of queries that the source of their texts marks as written by a machine.
    """

    judgements: tuple[Judgement, ...]
    query_texts: Mapping[str, str]
    document_texts: Mapping[str, str]
    sources: tuple[LabelSource, ...]
    grades: Mapping[str, int]
    notes: tuple[str, ...] = ()
    synthetic: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not self.judgements:
            files = ", ".join(source.path for source in self.sources)
            msg = f"{files}: every grade is empty. Fill in grades, or name another column of them."
            raise DataError(msg)

    @property
    def annotators(self) -> dict[str, int]:
        """Number of judgements by annotator, in the order of the names."""
        return dict(sorted(Counter(one.annotator for one in self.judgements).items()))

    def pairs(self) -> dict[tuple[str, str], dict[str, int]]:
        """Return the grades of each pair of query and document.

        Returns
        -------
        dict of tuple to dict
            Grade by annotator, for each query id and document id.
        """
        found: dict[tuple[str, str], dict[str, int]] = {}
        for one in self.judgements:
            found.setdefault((one.query_id, one.document_id), {})[one.annotator] = one.grade
        return found


def without_repeats(judgements: Iterable[Judgement]) -> tuple[list[Judgement], int]:
    """Return judgements of which no annotator gave two for one pair, and how many were repeated.

    Raises
    ------
    DataError
        If an annotator gave one pair two grades; names the places.
    """
    first: dict[tuple[str, str, str], Judgement] = {}
    apart: list[tuple[Judgement, Judgement]] = []
    repeated = 0
    for one in judgements:
        known = first.setdefault(one[:3], one)
        if known is one:
            continue
        if known.grade == one.grade:
            repeated += 1
        else:
            apart.append((known, one))
    if apart:
        shown = "; ".join(
            f"{a.annotator!r} gave query {a.query_id!r} and document {a.document_id!r} {a.grade} "
            f"({a.where}) and {b.grade} ({b.where})"
            for a, b in apart[:_SHOWN]
        )
        more = f"; and {len(apart) - _SHOWN} more" if len(apart) > _SHOWN else ""
        msg = (
            f"{counted(len(apart), 'pair')} with two grades of one annotator: {shown}{more}. "
            "Keep one of each; if they are of two people, name the column of annotators "
            "(--column annotator=NAME), or give each a file."
        )
        raise DataError(msg)
    return list(first.values()), repeated
