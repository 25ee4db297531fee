"""How recall grows with the number of documents taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedsmith.evaluation._records import plain, record

if TYPE_CHECKING:
    from embedsmith._typing import Json

__all__ = ["RecallCurve"]


@dataclass(frozen=True)
class RecallCurve:
    """Mean recall at each number of documents.

    Attributes
    ----------
    ks : tuple of int
        Numbers of documents, ascending, the last one the depth of the run.
    recall : tuple of float
        Mean recall at each of them, in [0, 1], never falling.
    """

    ks: tuple[int, ...]
    recall: tuple[float, ...]

    def to_dict(self) -> Json:
        """Return plain values for JSON."""
        return dict(plain(self))

    @classmethod
    def from_dict(cls, value: Json) -> RecallCurve:
        """Return the curve that ``to_dict`` wrote.

        Parameters
        ----------
        value : dict
            Read from JSON.

        Returns
        -------
        RecallCurve
            Equal to the one written.

        Raises
        ------
        DataError
            If a key is missing or damaged; names it.
        """
        return record(cls, value)
