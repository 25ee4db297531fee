"""Per-query values as the statistics take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith.exceptions import DataError, MeasureError, NonFiniteError, ShapeError
from embedsmith.metrics._inputs import first_ids
from embedsmith.metrics._names import parse_measure
from embedsmith.metrics._table import MetricTable

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from embedsmith._typing import F64Array
    from embedsmith.metrics._measures import Measure

__all__ = ["as_values", "difference_of", "in_order_of", "paired_differences", "share"]

# Values that agree but for the rounding of their sums are equal: queries on which runs tie.
TIE_TOLERANCE = 1e-12
# Sums of squares of more queries than any memory holds stay finite.
LARGEST = 1e100


def as_values(argument: str, values: Any, *, least: int = 1) -> F64Array:
    """Return values as a float64 array of one axis; copies only what is none.

    Raises
    ------
    ShapeError
        If there are fewer than ``least``, or they are no numbers on one axis.
    NonFiniteError
        If one is NaN, infinite or beyond 1e100 in size; the message names its place.
    """
    try:
        column: F64Array = np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"{argument} holds {type(values).__name__}; pass one number per query."
        raise ShapeError(msg) from error
    if np.ndim(values) != 1 or len(column) < least:
        msg = (
            f"{argument} has shape {np.shape(values)}; pass one number per query, "
            f"{least} or more of them."
        )
        raise ShapeError(msg)
    refuse_non_finite(argument, column)
    return column


def refuse_non_finite(argument: str, column: F64Array) -> None:
    """Name the first value that is NaN, infinite, or too large to be squared and summed."""
    if not np.isfinite(column).all():
        place = int(np.flatnonzero(~np.isfinite(column))[0])
        msg = f"{argument}[{place}] is {column[place]}; drop the query from both, or score it 0."
        raise NonFiniteError(msg)
    if len(column) and np.abs(column).max() > LARGEST:
        place = int(np.abs(column).argmax())
        msg = (
            f"{argument}[{place}] is {column[place]:g}, and squares of such numbers overflow; "
            f"divide all values by a common factor, to at most {LARGEST:g}."
        )
        raise NonFiniteError(msg)


def difference_of(a: F64Array, b: F64Array) -> F64Array:
    """Return ``b - a``, and 0 where they agree to within 1e-12 of their size."""
    difference = b - a
    difference[np.abs(difference) <= TIE_TOLERANCE * np.maximum(np.abs(a), np.abs(b))] = 0.0
    return difference


def paired_differences(
    a: ArrayLike | MetricTable,
    b: ArrayLike | MetricTable | None,
    measure: str | Measure | None,
    *,
    least: int = 1,
) -> F64Array:
    """Return the differences ``b - a`` per query; ``a`` itself where ``b`` is None.

    Raises
    ------
    DataError
        If tables cover different queries.
    MeasureError
        If a table is passed without a measure that it has per query.
    NonFiniteError, ShapeError
        As for :func:`as_values`; or if arrays have different lengths.
    """
    if isinstance(a, MetricTable) or isinstance(b, MetricTable):
        if not (isinstance(a, MetricTable) and isinstance(b, MetricTable)):
            msg = "one side is a MetricTable and the other is not; pass two tables or two arrays."
            raise MeasureError(msg)
        if measure is None:
            msg = f"tables hold several measures; pass measure=, one of {', '.join(a.measures)}."
            raise MeasureError(msg)
        name = str(parse_measure(measure))
        left = _column("a", a, name)
        right = in_order_of("b", b, "a", a, _column("b", b, name))
    else:
        left = as_values("a", a, least=least)
        if b is None:
            return left
        right = as_values("b", b, least=least)
        if len(left) != len(right):
            msg = (
                f"a has {len(left)} values and b has {len(right)}; "
                "pair them: one value of each per query, in the same order."
            )
            raise ShapeError(msg)
    return as_values("the differences", difference_of(left, right), least=least)


def _column(name: str, table: MetricTable, measure: str) -> F64Array:
    if measure not in table.per_query:
        msg = f"table {name} has no values of {measure} per query, only of {_measures(table)}."
        raise MeasureError(msg)
    return as_values(f"{measure} of {name}", table.per_query[measure])


def _measures(table: MetricTable) -> str:
    return ", ".join(table.per_query) or "none"


def in_order_of(
    name: str, table: MetricTable, first_name: str, first: MetricTable, values: F64Array
) -> F64Array:
    """Return the values of one table in the order of another's queries.

    Raises
    ------
    DataError
        If the tables cover different queries.
    """
    if table.query_ids == first.query_ids:
        return values
    apart = set(table.query_ids) ^ set(first.query_ids)
    if apart:
        msg = (
            f"{name!r} and {first_name!r} were measured on different queries: {len(apart)} are in "
            f"one only, such as {first_ids(sorted(apart))}. "
            'Evaluate both on the same judgements, with missing="zero".'
        )
        raise DataError(msg)
    place = {query: i for i, query in enumerate(table.query_ids)}
    ordered: F64Array = values[np.array([place[query] for query in first.query_ids])]
    return ordered


def share(argument: str, value: Any, *, example: float) -> float:
    """Return a probability between 0 and 1, or say which argument is none.

    Raises
    ------
    MeasureError
        If ``value`` is not a number strictly between 0 and 1.
    """
    if not (isinstance(value, (int, float, np.floating)) and 0.0 < value < 1.0):
        msg = f"{argument}={value!r} is not between 0 and 1; pass {example:g}, for example."
        raise MeasureError(msg)
    return float(value)
