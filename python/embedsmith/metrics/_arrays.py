"""Runs and judgements that are arrays of numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith import _core
from embedsmith.exceptions import DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from embedsmith._typing import F32Array, F64Array, I64Array

__all__ = [
    "ArrayRun",
    "ListNames",
    "array_run",
    "check_ids_fit",
    "check_list_count",
    "compressed_qrels",
    "holds_integers",
    "ids_of_mapping",
    "is_array_run",
    "list_names",
]

_TWO_DIMENSIONS = 2
_N_PARTS = 2
_N_QREL_PARTS = 3


@dataclass(frozen=True)
class ListNames:
    """What the lists and rows of arrays stand for.

    Attributes
    ----------
    query_ids : list of str or int
        The query of each list.
    list_of : dict
        Its inverse.
    doc_ids : list of str or int, or None
        The document of each row; ``None`` if rows are ids.
    row_of : dict or None
        Its inverse.
    """

    query_ids: list[Any]
    list_of: dict[Any, int]
    doc_ids: list[Any] | None
    row_of: dict[Any, int] | None

    @property
    def n_docs(self) -> int:
        """Rows are below this."""
        return 2**63 - 1 if self.doc_ids is None else len(self.doc_ids)


@dataclass(frozen=True)
class ArrayRun:
    """A run as arrays, of the types that the core reads."""

    scores: F32Array | F64Array
    rows: I64Array

    def rounded(self) -> ArrayRun:
        """Return the run with scores in float32."""
        return replace(self, scores=np.ascontiguousarray(self.scores, dtype=np.float32))


def is_array_run(run: object) -> bool:
    """Tell whether a run is a pair of scores and rows."""
    return isinstance(run, tuple) and len(run) == _N_PARTS


def ids_of_mapping() -> DataError:
    """Return the error for ids that were named beside a run that names its own."""
    msg = (
        "query_ids and doc_ids belong to a run of arrays; "
        "leave them out for a mapping, which names its ids."
    )
    return DataError(msg)


def check_list_count(n_lists: int, n_queries: int) -> None:
    """Refuse ids that are not one per list."""
    if n_lists != n_queries:
        msg = (
            f"the run has {n_lists} lists but query_ids names {n_queries} queries; "
            "pass the ids of the queries that were searched, in their order."
        )
        raise ShapeError(msg)


def check_ids_fit(run: object, query_ids: Any, doc_ids: Any) -> None:
    """Refuse ids that do not go with a run, before the judgements are looked at."""
    if not is_array_run(run):
        if query_ids is not None or doc_ids is not None:
            raise ids_of_mapping()
    elif query_ids is not None and np.ndim(run[0]) == _TWO_DIMENSIONS:  # type: ignore[index]
        check_list_count(len(run[0]), len(query_ids))  # type: ignore[index]


def _listed(argument: str, ids: Sequence[Any] | NDArray[Any]) -> tuple[list[Any], dict[Any, int]]:
    listed: list[Any] = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
    # One look suffices: ids of another type would match none of the judged ones.
    first: object = listed[0] if listed else ""
    if not isinstance(first, (str, int, np.integer)) or isinstance(first, bool):
        msg = f"{argument} holds the id {first!r}; ids are strings or integers: use str()."
        raise DataError(msg)
    place = dict(zip(listed, range(len(listed)), strict=True))
    if len(place) != len(listed):
        again = next(i for position, i in enumerate(listed) if place[i] != position)
        msg = f"{argument} names {again!r} more than once; keep one entry per id."
        raise DataError(msg)
    return listed, place


def list_names(
    query_ids: Sequence[Any] | NDArray[Any] | None,
    doc_ids: Sequence[Any] | NDArray[Any] | None,
    *,
    n_lists: int | None,
    ids_are_rows: bool,
    looked_up: bool = True,
) -> ListNames:
    """Return what lists and rows stand for.

    Where ``ids_are_rows``, judgements name numbers, and both ids may be left out. Numbers that
    nobody will look up get no ``list_of``.
    """
    for argument, ids in (("query_ids", query_ids), ("doc_ids", doc_ids)):
        if ids is None and not ids_are_rows:
            msg = (
                f"a run of arrays needs {argument}: rows are numbers, judgements name ids. "
                f"Pass {argument}=, in the order in which they were searched."
            )
            raise DataError(msg)
    queries: list[Any]
    list_of: dict[Any, int]
    if query_ids is None and not looked_up:
        queries, list_of = list(range(n_lists or 0)), {}
    else:
        queries, list_of = _listed(
            "query_ids", range(n_lists or 0) if query_ids is None else query_ids
        )
    if doc_ids is None:
        return ListNames(queries, list_of, None, None)
    documents, row_of = _listed("doc_ids", doc_ids)
    return ListNames(queries, list_of, documents, row_of)


def array_run(run: tuple[Any, Any]) -> ArrayRun:
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
    dtype = np.float32 if scores.dtype == np.float32 else np.float64
    return ArrayRun(
        scores=np.ascontiguousarray(scores, dtype=dtype),
        rows=np.ascontiguousarray(rows, dtype=np.int64),
    )


def compressed_qrels(
    qrels: tuple[Any, Any, Any], *, irrelevant_too: bool
) -> tuple[_core.JudgedArrays, int]:
    """Return judgements in compressed rows as the core reads them, and the number of queries."""
    if len(qrels) != _N_QREL_PARTS:
        msg = (
            f"qrels is a tuple of {len(qrels)}; "
            "pass (offsets, rows, grades), or a mapping of ids to mappings."
        )
        raise DataError(msg)
    offsets, rows, grades = (np.asarray(part) for part in qrels)
    for name, part in (("offsets", offsets), ("rows", rows)):
        if part.ndim != 1 or (part.dtype.kind not in "iu" and part.size):
            msg = f"the judgements' {name} have dtype {part.dtype} and shape {part.shape}; "
            raise ShapeError(msg + "pass integers of one dimension.")
    if rows.size and rows.min() < 0:
        # A run ends its lists with -1; here it would be a relevant document that nothing can find.
        msg = (
            f"the judgements' rows hold {rows.min()}, and documents are numbered from 0; leave out "
            "what pads the lists, and let offsets say how long each is."
        )
        raise DataError(msg)
    if grades.ndim != 1 or grades.dtype.kind not in "iufb":
        msg = f"the judgements' grades have dtype {grades.dtype} and shape {grades.shape}; "
        raise ShapeError(msg + "pass numbers of one dimension.")
    judged = _core.JudgedArrays.from_arrays(
        np.ascontiguousarray(offsets, dtype=np.int64),
        np.ascontiguousarray(rows, dtype=np.int64),
        np.ascontiguousarray(grades, dtype=np.float64),
        irrelevant_too=irrelevant_too,
    )
    return judged, len(offsets) - 1


def holds_integers(judged: Mapping[Any, Any]) -> bool:
    """Tell whether document ids are integers, which rows may be."""
    for documents in judged.values():
        for doc in documents if isinstance(documents, dict) else ():
            return isinstance(doc, (int, np.integer))
    return False
