"""A query that a model answered badly, and what it found instead."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from embedsmith.evaluation._records import ADDED, plain, record

if TYPE_CHECKING:
    from embedsmith._typing import Json

__all__ = ["Expected", "Retrieved", "WorstQuery"]


@dataclass(frozen=True)
class Expected:
    """A relevant document of a query.

    Attributes
    ----------
    doc_id : str
        Its id.
    grade : float
        What the judgements give it.
    rank : int or None
        Where the model ranked it, from 1; None: beyond the depth of the run.
    excerpt : str or None
        The beginning of its text; None if texts are left out.
    """

    doc_id: str
    grade: float
    rank: int | None
    excerpt: str | None


@dataclass(frozen=True)
class Retrieved:
    """A document that the model ranked first, second, and so on.

    Attributes
    ----------
    doc_id : str
        Its id.
    score : float
        The model's, larger being better.
    grade : float or None
        What the judgements give it; None: not judged.
    excerpt : str or None
        The beginning of its text; None if texts are left out.
    """

    doc_id: str
    score: float
    grade: float | None
    excerpt: str | None


@dataclass(frozen=True)
class WorstQuery:
    """A query with a low value, what should have been found, and what was.

    Attributes
    ----------
    query_id : str
        Its id.
    text : str or None
        The beginning of its text; None if texts are left out.
    measure : str
        The measure that chose it.
    value : float
        Its value by that measure.
    expected : tuple of Expected
        Relevant documents, the highest grade first; of many the first 20.
    retrieved : tuple of Retrieved
        The first documents of the list, in order.
    n_expected : int or None
        Relevant documents that there are; None: all of them are in ``expected``.
    """

    query_id: str
    text: str | None
    measure: str
    value: float
    expected: tuple[Expected, ...]
    retrieved: tuple[Retrieved, ...]
    n_expected: int | None = field(default=None, metadata=ADDED)

    def to_dict(self) -> Json:
        """Return plain values for JSON."""
        return dict(plain(self))

    @classmethod
    def from_dict(cls, value: Json) -> WorstQuery:
        """Return the query that ``to_dict`` wrote.

        Parameters
        ----------
        value : dict
            Read from JSON.

        Returns
        -------
        WorstQuery
            Equal to the one written.

        Raises
        ------
        DataError
            If a key is missing or damaged; names it.
        """
        return record(cls, value)
