"""Turn what an index returned into rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith.exceptions import DataError, ShapeError
from embedsmith.search._topk import TopK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from embedsmith._typing import I64Array

__all__ = ["HOLE", "result_rows"]

HOLE = -1
_UNKNOWN = -2


def result_rows(
    argument: str, value: Any, ids: Sequence[Any] | np.ndarray[Any, Any] | None = None
) -> I64Array:
    """Return results as a matrix of rows, padded with -1.

    Parameters
    ----------
    argument : str
        Name for the error message.
    value : TopK, integer array of shape (n_queries, width), or sequence of sequences
        Rows, or ids if ``ids`` are given.
    ids : sequence, optional
        The id of each row.

    Returns
    -------
    ndarray of shape (n_queries, width), int64

    Raises
    ------
    ShapeError
        If there is not one list of integers, or ids, per query.
    DataError
        If an id is not in ``ids``, or twice.
    """
    if isinstance(value, TopK):
        value = value.rows
    elif isinstance(value, tuple):
        msg = (
            f"{argument} is a tuple, and libraries differ in what comes first. Pass the rows "
            "alone: the second result of faiss, the first of hnswlib, or a TopK."
        )
        raise ShapeError(msg)
    if hasattr(value, "detach"):  # a torch tensor, on any device
        value = value.detach().cpu().numpy()
    if ids is not None:
        return _padded(_rows_of_ids(argument, value, ids))
    array = value if isinstance(value, np.ndarray) else _as_array(value)
    if array is None:
        array = _padded(
            _integers(f"{argument} for query {query}", each) for query, each in enumerate(value)
        )
    if array.ndim != 2:  # noqa: PLR2004
        msg = (
            f"{argument} has shape {array.shape}; one list of rows per query is expected. For a "
            f"single query pass {argument}[None, :]."
        )
        raise ShapeError(msg)
    rows = _integers(argument, array)
    if (rows < HOLE).any():
        query, place = (int(at[0]) for at in np.nonzero(rows < HOLE))
        msg = (
            f"{argument} holds {rows[query, place]} for query {query}; rows count from 0, and -1 "
            "marks an empty place."
        )
        raise ShapeError(msg)
    return rows


def _as_array(value: Any) -> np.ndarray[Any, Any] | None:
    """Return lists of one length as an array; None if their lengths differ."""
    try:
        return np.asarray(value)
    except ValueError:
        return None


def _integers(argument: str, value: Any) -> I64Array:
    array = np.asarray(value)
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind not in "iu":
        msg = (
            f"{argument} holds {array.dtype.name}; integer rows are expected. Where the index "
            "names documents by ids of its own, pass ids=, the id of each row in order."
        )
        raise ShapeError(msg)
    return array.astype(np.int64)  # of hnswlib's uint64 labels, the last is -1


def _rows_of_ids(
    argument: str, value: Iterable[Iterable[Any]], ids: Sequence[Any] | np.ndarray[Any, Any]
) -> list[list[int]]:
    """Return the rows that ids stand for; None is an empty place, and -1 if it is no id."""
    names = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
    row_of = {name: row for row, name in enumerate(names)}
    if len(row_of) != len(names):
        # The last row of a name is kept: the first name at another row is one that comes again.
        twice = next(name for row, name in enumerate(names) if row_of[name] != row)
        msg = f"ids holds {twice!r} twice; pass one id per row of the corpus, each its own."
        raise DataError(msg)
    row_of.setdefault(None, HOLE)
    row_of.setdefault(HOLE, HOLE)
    found = []
    for query, listed in enumerate(value.tolist() if isinstance(value, np.ndarray) else value):
        if isinstance(listed, str) or not hasattr(listed, "__iter__"):
            msg = f"{argument} holds {listed!r} for query {query}; a list of ids is expected."
            raise ShapeError(msg)
        given = list(listed)
        rows = [row_of.get(name, _UNKNOWN) for name in given]
        if _UNKNOWN in rows:
            msg = (
                f"{argument} holds {given[rows.index(_UNKNOWN)]!r} for query {query}, which is not "
                "in ids. Pass the ids of all rows, as the index knows them and of the same type."
            )
            raise DataError(msg)
        found.append(rows)
    return found


def _padded(lists: Iterable[Sequence[int] | I64Array]) -> I64Array:
    lists = list(lists)
    rows = np.full((len(lists), max(map(len, lists), default=0)), HOLE, dtype=np.int64)
    for query, listed in enumerate(lists):
        rows[query, : len(listed)] = listed
    return rows
