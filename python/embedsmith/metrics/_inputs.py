"""What a run may be, and the checks that need no measure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from embedsmith._typing import F32Array, F64Array, I64Array, RunLike
from embedsmith.exceptions import DataError, MeasureError, ShapeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ArrayRun", "Run", "array_run", "check_choice", "first_ids", "plain_dict"]

# Scores and rows, such as TopK; a structural type, for search is beside this layer.
Run: TypeAlias = RunLike | tuple[Any, Any]

_TWO_DIMENSIONS = 2


@dataclass(frozen=True)
class ArrayRun:
    """A run as arrays, with what its ids stand for."""

    scores: F32Array | F64Array
    rows: I64Array
    list_of: dict[str, int]
    row_of: dict[str, int]
    doc_ids: list[str]


def plain_dict(argument: str, value: object) -> dict[str, Any]:
    """Return ``value`` as a dict; a dict is returned as it is, another mapping copied."""
    if isinstance(value, dict):
        return value
    if isinstance(value, Mapping):
        return dict(value)
    msg = (
        f"{argument} is a {type(value).__name__}; "
        "pass a mapping of query ids to mappings of document ids."
    )
    raise DataError(msg)


def first_ids(ids: Iterable[str], most: int = 5) -> str:
    """Return the first ids, quoted, with dots where there are more.

    Examples
    --------
    >>> first_ids(["a", "b", "c"], most=2)
    "'a', 'b', ..."
    """
    shown = list(islice(ids, most + 1))
    return ", ".join(repr(i) for i in shown[:most]) + (", ..." if len(shown) > most else "")


def check_choice(argument: str, value: str, choices: Collection[str]) -> None:
    """Refuse a value that is not among the choices, and offer the nearest."""
    if value in choices:
        return
    near = difflib.get_close_matches(str(value), choices, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {sorted(choices)}."
    msg = f"{argument}={value!r} is not known; {hint}"
    raise MeasureError(msg)


def _positions(
    argument: str, ids: Sequence[str] | NDArray[np.str_] | None
) -> tuple[list[str], dict[str, int]]:
    if ids is None:
        msg = (
            f"a run of arrays needs {argument}: rows are numbers, judgements name ids. "
            f"Pass {argument}=, in the order in which they were searched."
        )
        raise DataError(msg)
    listed: list[str] = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
    # One look suffices: ids of another type would match none of the judged ones.
    first: object = listed[0] if listed else ""
    if not isinstance(first, str):
        msg = f"{argument} holds the id {first!r}; ids are strings: convert them with str()."
        raise DataError(msg)
    place = dict(zip(listed, range(len(listed)), strict=True))
    if len(place) != len(listed):
        again = next(i for position, i in enumerate(listed) if place[i] != position)
        msg = f"{argument} names {again!r} more than once; keep one entry per id."
        raise DataError(msg)
    return listed, place


def array_run(
    run: tuple[Any, Any],
    query_ids: Sequence[str] | NDArray[np.str_] | None,
    doc_ids: Sequence[str] | NDArray[np.str_] | None,
    *,
    f32_scores: bool,
) -> ArrayRun:
    """Return the checked arrays of a run; copies only what is not float and int64 in C order."""
    scores, rows = (np.asarray(part) for part in run)
    if scores.ndim != _TWO_DIMENSIONS or scores.shape != rows.shape:
        msg = (
            f"the run has scores of shape {scores.shape} and rows of shape {rows.shape}; "
            "pass two arrays of shape (n_queries, k), as topk returns them."
        )
        raise ShapeError(msg)
    if rows.dtype.kind not in "iu":
        msg = f"rows have dtype {rows.dtype}; pass positions in doc_ids, as int64."
        raise ShapeError(msg)
    if scores.dtype.kind != "f":
        msg = f"scores have dtype {scores.dtype}; pass floats, as topk returns them."
        raise ShapeError(msg)
    # f64 keeps apart what f32 would tie.
    dtype = np.float32 if f32_scores or scores.dtype == np.float32 else np.float64
    _, list_of = _positions("query_ids", query_ids)
    documents, row_of = _positions("doc_ids", doc_ids)
    if len(list_of) != len(scores):
        msg = (
            f"the run has {len(scores)} lists but query_ids names {len(list_of)} queries; "
            "pass the ids of the queries that were searched, in their order."
        )
        raise ShapeError(msg)
    return ArrayRun(
        scores=np.ascontiguousarray(scores, dtype=dtype),
        rows=np.ascontiguousarray(rows, dtype=np.int64),
        list_of=list_of,
        row_of=row_of,
        doc_ids=documents,
    )
