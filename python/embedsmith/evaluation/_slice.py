"""A model's measures on a group of queries."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping  # noqa: TC003 - a record's types are read when it is
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedsmith.evaluation._records import ADDED, plain, record

if TYPE_CHECKING:
    from embedsmith._typing import Json

__all__ = ["Slice"]


@dataclass(frozen=True)
class Slice:
    """A model's measures on the queries that share a value of one field.

    Attributes
    ----------
    field : str
        Name of the field: ``"product"``, say, or the built-in ``"length"``.
    value : str
        What these queries have in common: a value as text, or a range of numbers.
    n_queries : int
        Queries in the group.
    mean : dict of str to float
        Mean of each measure over the group.
    ci : dict of str to (float, float)
        Interval of each mean, at the evaluation's confidence.
    small : bool
        Whether the group has too few queries for its numbers to be read one by one.
    against : str or None
        The model that ``difference`` is taken against: the first one of the comparison. None for
        that model itself, and where there is no other.
    difference : dict of str to (float, float, float)
        Mean over the group's queries of this model's value less that one's, and the ends of its
        paired interval; not corrected for the number of groups.
    """

    field: str
    value: str
    n_queries: int
    mean: Mapping[str, float]
    ci: Mapping[str, tuple[float, float]]
    small: bool
    against: str | None = dataclasses.field(default=None, metadata=ADDED)
    difference: Mapping[str, tuple[float, float, float]] = dataclasses.field(
        default_factory=dict, metadata=ADDED
    )

    def to_dict(self) -> Json:
        """Return plain values for JSON."""
        return dict(plain(self))

    @classmethod
    def from_dict(cls, value: Json) -> Slice:
        """Return the group that ``to_dict`` wrote.

        Parameters
        ----------
        value : dict
            Read from JSON.

        Returns
        -------
        Slice
            Equal to the one written.

        Raises
        ------
        DataError
            If a key is missing or damaged; names it.
        """
        return record(cls, value)
