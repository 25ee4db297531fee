"""How far an export may be from its original."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from embedsmith.exceptions import ShapeError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Tolerance"]


@dataclass(frozen=True)
class Tolerance:
    """What is asked of an export.

    Attributes
    ----------
    cosine_min, cosine_p1, cosine_mean : float
        Least cosine between a text's vector and the original's: of the worst text, of the first
        percentile, and on average.
    batch : float
        Largest difference of a vector's component between a text alone and in a batch.
    retrieval : float
        Largest difference of nDCG@10 and Recall@10, in units of the measures: 0.01 is one point.
    """

    cosine_min: float
    cosine_p1: float
    cosine_mean: float
    batch: float
    retrieval: float = 0.01

    @classmethod
    def of(cls, precision: str, changes: Mapping[str, float] | None = None) -> Tolerance:
        """Return the tolerance of a precision, changed by name.

        Raises
        ------
        ShapeError
            If a name is none, or a number out of range.
        """
        own = _DEFAULTS[precision]
        names = [field.name for field in fields(cls)]
        for name, value in (changes or {}).items():
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                msg = f"there is no tolerance {name!r}; known are {', '.join(names)}.{hint}"
                raise ShapeError(msg)
            low = -1.0 if name.startswith("cosine") else 0.0
            if not (math.isfinite(value) and low <= value <= 1.0) or (not low and not value):
                msg = f"the tolerance {name} is {value:g}; it must lie between {low:g} and 1."
                raise ShapeError(msg)
        return replace(own, **(changes or {}))


# Half a digit of each precision's own rounding, seen on real models and then given some room;
# none lets a wrong pooling or a scale per tensor pass (tests/unit/backends/test_export_gate.py).
_DEFAULTS = {
    "fp32": Tolerance(0.99999, 0.99999, 0.999999, 1e-5),
    "fp16": Tolerance(0.999, 0.9995, 0.9999, 5e-3),
    "bf16": Tolerance(0.998, 0.999, 0.9995, 2e-2),
    "int8": Tolerance(0.995, 0.997, 0.999, 1e-5),
}
