"""A smaller form of a model's vectors, and what it costs in quality."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a record's types are read when it is
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from embedsmith.evaluation._records import plain, record

if TYPE_CHECKING:
    from embedsmith._typing import Json

__all__ = ["Precision", "Variant"]

Precision: TypeAlias = Literal["f32", "int8", "binary"]


@dataclass(frozen=True)
class Variant:
    """A model's vectors cut to fewer columns, or kept in fewer bits, and measured again.

    Attributes
    ----------
    dim : int
        Columns that were kept, from the first on.
    precision : {"f32", "int8", "binary"}
        How a column is kept: 4 bytes, 1 byte, or 1 bit.
    bytes_per_vector : int
        What one document's vector takes.
    mean : dict of str to float
        Mean of each measure.
    ci : dict of str to (float, float)
        Interval of each mean.
    difference : dict of str to (float, float, float)
        Mean over queries of this variant's value less the full model's, and the ends of its
        paired interval.
    """

    dim: int
    precision: Precision
    bytes_per_vector: int
    mean: Mapping[str, float]
    ci: Mapping[str, tuple[float, float]]
    difference: Mapping[str, tuple[float, float, float]]

    def to_dict(self) -> Json:
        """Return plain values for JSON."""
        return dict(plain(self))

    @classmethod
    def from_dict(cls, value: Json) -> Variant:
        """Return the variant that ``to_dict`` wrote.

        Parameters
        ----------
        value : dict
            Read from JSON.

        Returns
        -------
        Variant
            Equal to the one written.

        Raises
        ------
        DataError
            If a key is missing or damaged; names it.
        """
        return record(cls, value)
