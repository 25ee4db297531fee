"""From chunks to the documents they belong to, each with its best chunk's score."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from embedsmith.exceptions import DataError, ShapeError
from embedsmith.metrics._arrays import ArrayRun

__all__ = ["Collapse", "collapsed_array", "collapsed_ids", "collapsed_mapping"]

# From the id of a chunk to that of its document.
Collapse: TypeAlias = Mapping[Any, Any] | Callable[[Any], Any]


def _document_of(collapse: Collapse) -> Callable[[Any], Any]:
    if not isinstance(collapse, Mapping):
        if callable(collapse):
            return collapse
        msg = (  # type: ignore[unreachable]
            f"collapse is a {type(collapse).__name__}; pass a mapping of chunk ids to document "
            "ids, or a function of one id."
        )
        raise DataError(msg)

    def document(chunk: object) -> Any:
        try:
            return collapse[chunk]
        except KeyError:
            msg = f"collapse names no document for the chunk {chunk!r}; add it to the mapping."
            raise DataError(msg) from None

    return document


def collapsed_mapping(run: dict[Any, Any], collapse: Collapse) -> dict[Any, dict[Any, Any]]:
    """Return the run over documents: of each, the largest score among its chunks."""
    document = _document_of(collapse)
    result = {}
    for query, chunks in run.items():
        best: dict[Any, Any] = {}
        if not isinstance(chunks, Mapping):
            msg = f"run holds {chunks!r} for query {query!r}; pass a mapping of ids to scores."
            raise DataError(msg)
        for chunk, score in chunks.items():
            doc = document(chunk)
            # A NaN must stay to be refused where scores are read, whatever stood there before.
            if doc not in best or score > best[doc] or score != score:  # noqa: PLR0124
                best[doc] = score
        result[query] = best
    return result


def collapsed_ids(doc_ids: list[Any], collapse: Collapse) -> tuple[list[Any], Any]:
    """Return the documents' ids, and for each chunk's row the row of its document."""
    document = _document_of(collapse)
    place: dict[Any, int] = {}
    rows = np.array([place.setdefault(document(chunk), len(place)) for chunk in doc_ids])
    return list(place), rows


def collapsed_array(run: ArrayRun, document_of: Any) -> ArrayRun:
    """Return the run over documents' rows: of each list, a document's first place stays."""
    rows = run.rows
    if rows.size == 0:
        return run
    if int(rows.max()) >= len(document_of) or int(rows.min()) < -1:
        msg = f"the run names rows outside 0 to {len(document_of) - 1}; pass all doc_ids."
        raise ShapeError(msg)
    filled = rows[:, 1:] >= 0
    if bool((filled & (run.scores[:, 1:] > run.scores[:, :-1])).any()):
        msg = "a list of the run is not sorted; sort each list by falling score to collapse it."
        raise DataError(msg)
    documents = np.where(rows < 0, -1, document_of[rows])
    # Stable, so that of equal documents the first place comes first.
    order = np.argsort(documents, axis=1, kind="stable")
    along = np.take_along_axis(documents, order, axis=1)
    again = np.zeros_like(along, dtype=bool)
    again[:, 1:] = along[:, 1:] == along[:, :-1]
    repeated = np.empty_like(again)
    np.put_along_axis(repeated, order, again, axis=1)
    gone = repeated | (documents < 0)
    kept = np.argsort(gone, axis=1, kind="stable")
    filled = ~np.take_along_axis(gone, kept, axis=1)
    scores: Any = np.take_along_axis(run.scores, kept, axis=1)
    scores[~filled] = -np.inf
    return ArrayRun(
        scores=scores,
        rows=np.where(filled, np.take_along_axis(documents, kept, axis=1), -1),
    )
