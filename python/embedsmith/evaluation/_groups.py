"""Queries that have something in common."""

from __future__ import annotations

import difflib
import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from embedsmith._phrases import counted
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import I64Array
    from embedsmith.datasets import Queries

__all__ = ["LENGTH", "MISSING", "Group", "group_queries", "warn_of_small"]

logger = logging.getLogger(__name__)

# The one field that every set of queries has: characters of the text.
LENGTH = "length"
# What the queries without a value are called.
MISSING = "(none)"
# Numbers with more distinct values than this are taken in ranges of equal size.
_MOST_NUMBERS = 8
_N_BINS = 4
# More groups than anybody reads: an id, or a date to the second.
_MOST_GROUPS = 200

_Number: TypeAlias = int | float


@dataclass(frozen=True)
class Group:
    """Queries with one value of a field.

    Attributes
    ----------
    value : str
        The value, or the range of values.
    places : ndarray of int64
        Positions of the queries, ascending.
    """

    value: str
    places: I64Array


def group_queries(queries: Queries, field: str) -> tuple[Group, ...]:
    """Return the groups that a field makes; a query whose value is a list is in several.

    Numbers with more than 8 distinct values are cut at their quartiles, so that groups are of
    about the same size; equal numbers stay together.

    Parameters
    ----------
    queries : Queries
        With their metadata.
    field : str
        A field of the metadata, or ``"length"``: characters of the query's text, unless the
        metadata have such a field themselves.

    Returns
    -------
    tuple of Group
        Ranges ascending; other values by size, the largest first, then by value. Queries without
        a value come last, as ``"(none)"``.

    Raises
    ------
    DataError
        If no query has the field, its values are objects, or there are more than 200 of them.

    Examples
    --------
    >>> from embedsmith.datasets import Queries
    >>> asked = Queries(("a", "b", "c"), ("x", "y", "z"), {"language": ("de", "en", "de")})
    >>> [(group.value, group.places.tolist()) for group in group_queries(asked, "language")]
    [('de', [0, 2]), ('en', [1])]
    """
    values = [None if value in ([], ()) else value for value in _values(queries, field)]
    present = [value for value in values if value is not None]
    if all(_is_number(value) for value in present) and len(set(present)) > _MOST_NUMBERS:
        groups = _ranges(values)
    else:
        groups = _by_value(values, field)
    absent = [place for place, value in enumerate(values) if value is None]
    if absent:
        groups.append(Group(MISSING, np.array(absent, dtype=np.int64)))
    return tuple(groups)


def _values(queries: Queries, field: str) -> Sequence[Any]:
    if field in queries.metadata:
        values = queries.metadata[field]
        if any(value is not None for value in values):
            return values
    elif field == LENGTH:
        return tuple(len(text) for text in queries.texts)
    known = sorted({*queries.metadata, LENGTH})
    near = difflib.get_close_matches(field, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There is {', '.join(map(repr, known))}."
    msg = (
        f"no query has the field {field!r}, by which results are to be sliced. {hint} "
        "A field stands in each line of queries.jsonl, or in Queries(..., metadata=...)."
    )
    raise DataError(msg)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _ranges(values: Sequence[_Number | None]) -> list[Group]:
    places = np.array([p for p, value in enumerate(values) if value is not None], dtype=np.int64)
    numbers = np.array([values[place] for place in places], dtype=np.float64)
    # An edge is a value that occurs, so that equal numbers fall on one side of it.
    edges = np.quantile(numbers, np.arange(1, _N_BINS) / _N_BINS, method="inverted_cdf")
    of_bin = np.searchsorted(np.unique(edges), numbers, side="left")
    groups = []
    for number in np.unique(of_bin):
        inside = of_bin == number
        low, high = numbers[inside].min(), numbers[inside].max()
        label = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        groups.append(Group(label, places[inside]))
    return groups


def _by_value(values: Sequence[Any], field: str) -> list[Group]:
    found: dict[str, list[int]] = {}
    for place, value in enumerate(values):
        if value is None:
            continue
        # Once, even where a list holds a value twice.
        for one in dict.fromkeys(_labels(value, field)):
            found.setdefault(one, []).append(place)
    if len(found) > _MOST_GROUPS:
        msg = (
            f"the field {field!r} has {len(found):,} values, and slices are for {_MOST_GROUPS} at "
            "most. Choose a field that many queries share a value of."
        )
        raise DataError(msg)
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return [Group(value, np.array(places, dtype=np.int64)) for value, places in ordered]


def _labels(value: Any, field: str) -> list[str]:
    if isinstance(value, list | tuple):
        return [label for one in value for label in _labels(one, field)]
    if isinstance(value, dict):
        msg = (
            f"the field {field!r} holds objects, such as {value!r:.60}. "
            "Slice by a field of strings, numbers, or lists of them."
        )
        raise DataError(msg)
    return [str(value).lower() if isinstance(value, bool) else str(value)]


def warn_of_small(field: str, groups: Sequence[Group], least: int) -> None:
    """Warn once of the groups that have too few queries to be read one by one."""
    small = [f"{g.value} ({len(g.places)})" for g in groups if len(g.places) < least]
    if small:
        logger.warning(
            "%s of %s by %r %s fewer than %d queries, so that chance alone moves their means: %s.",
            counted(len(small), "group"),
            len(groups),
            field,
            "has" if len(small) == 1 else "have",
            least,
            ", ".join(small),
        )
