"""A smaller form of a model's vectors, and what it costs in quality."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a record's types are read when it is
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from embedsmith.evaluation._records import ADDED, plain, record

if TYPE_CHECKING:
    from embedsmith._typing import Json

__all__ = ["Precision", "Variant"]

Precision: TypeAlias = Literal["f32", "int8", "binary"]

_CUT = (
    "The first columns of the model's vectors, scaled to length 1 again where the model's have it; "
    "exact search."
)
_INT8 = (
    "Documents in int8: each column's range over all documents in 256 steps, a code standing for "
    "the middle of its step; queries in float32."
)
_BINARY = "Documents and queries as sign bits (1 above 0), compared by Hamming distance."
_RESCORED = "The best of these scored again by queries in float32 and documents"


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
    rescore : {"f32", "int8"} or None
        Whether the best of a binary search were scored again, by which vectors: these are read
        beside those that ``bytes_per_vector`` counts.
    """

    dim: int
    precision: Precision
    bytes_per_vector: int
    mean: Mapping[str, float]
    ci: Mapping[str, tuple[float, float]]
    difference: Mapping[str, tuple[float, float, float]]
    rescore: Literal["f32", "int8"] | None = field(default=None, metadata=ADDED)

    @property
    def name(self) -> str:
        """Columns and precision: ``"256 int8"``, ``"384 binary+f32"``."""
        return f"{self.dim} {self.precision}" + (f"+{self.rescore}" if self.rescore else "")

    @property
    def method(self) -> str:
        """How documents and queries were compared, in one sentence."""
        if self.precision == "f32":
            return _CUT
        if self.precision == "int8":
            return f"{_CUT} {_INT8}"
        rescored = {None: "", "f32": f" {_RESCORED} in float32.", "int8": f" {_RESCORED} in int8."}
        return f"{_CUT} {_BINARY}{rescored[self.rescore]}"

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
