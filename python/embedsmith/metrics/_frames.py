"""Judgements and runs in frames of pandas, polars or pyarrow, and in ranked lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from embedsmith.exceptions import DataError
from embedsmith.metrics._inputs import plain_dict

__all__ = ["as_mapping"]

# How tools name the columns, the most telling name first.
_COLUMNS = {
    "query": ("query_id", "query-id", "qid", "query", "q_id", "topic", "topic_id"),
    "doc": (
        "doc_id",
        "document_id",
        "corpus_id",
        "corpus-id",
        "docid",
        "docno",
        "doc",
        "document",
        "pid",
    ),
    "score": ("score", "sim", "similarity"),
    "grade": ("relevance", "grade", "rel", "label", "score", "qrel"),
}

_PAIR = 2


def as_mapping(argument: str, value: object) -> dict[Any, Any]:
    """Return judgements or a run as a dict of dicts.

    A dict whose first value is a mapping comes back as it is.
    """
    names = _column_names(value)
    if names is not None:
        return _from_frame(argument, value, names)
    outer = plain_dict(argument, value)
    first = next(iter(outer.values()), None)
    if argument != "run" or not isinstance(first, (list, tuple, np.ndarray)):
        return outer
    return {query: _ranked(query, documents) for query, documents in outer.items()}


def _column_names(value: object) -> list[str] | None:
    """Return the names of a frame's columns, ``None`` for anything else."""
    if isinstance(value, Mapping):
        return None
    names = getattr(value, "column_names", None)
    if names is None:
        names = getattr(value, "columns", None)
    return None if names is None or callable(names) else [str(name) for name in names]


def _column(frame: Any, name: str) -> list[Any]:
    column = frame[name]
    for method in ("to_pylist", "to_list", "tolist"):
        if hasattr(column, method):
            values: list[Any] = getattr(column, method)()
            return values
    msg = (
        f"a {type(frame).__name__} has columns that cannot be read whole; "
        "collect it, or pass a pandas, polars or pyarrow frame."
    )
    raise DataError(msg)


def _from_frame(argument: str, frame: Any, names: list[str]) -> dict[Any, Any]:
    wanted = ("query", "doc", "grade" if argument == "qrels" else "score")
    chosen = []
    for role in wanted:
        found = next(
            (name for name in _COLUMNS[role] if name in names and name not in chosen), None
        )
        if found is None:
            msg = (
                f"{argument} has the columns {', '.join(names)}, none of which is the {role}; "
                f"name it {_COLUMNS[role][0]!r}."
            )
            raise DataError(msg)
        chosen.append(found)
    queries, documents, numbers = (_column(frame, name) for name in chosen)
    result: dict[Any, dict[Any, Any]] = {}
    for query, document, number in zip(queries, documents, numbers, strict=True):
        result.setdefault(query, {})[document] = number
    if sum(map(len, result.values())) < len(queries):
        seen = set()
        pairs = zip(queries, documents, strict=True)
        query, document = next(p for p in pairs if p in seen or seen.add(p))  # type: ignore[func-returns-value]
        raise _twice(argument, query, document)
    return result


def _twice(argument: str, query: object, document: object) -> DataError:
    msg = (
        f"{argument} names document {document!r} twice for query {query!r}; "
        "keep one row for each pair."
    )
    return DataError(msg)


def _ranked(query: object, documents: Any) -> dict[Any, Any]:
    """Return a list of ids, best first, or of pairs of id and score, as a mapping."""
    if isinstance(documents, Mapping):
        return dict(documents)
    if isinstance(documents, str) or not isinstance(documents, (Sequence, np.ndarray)):
        msg = (
            f"run holds {documents!r} for query {query!r}; pass a list of ids, best first, "
            "a list of (id, score), or a mapping of ids to scores."
        )
        raise DataError(msg)
    listed: list[Any] = documents.tolist() if isinstance(documents, np.ndarray) else list(documents)
    pairs = bool(listed) and isinstance(listed[0], (tuple, list))
    if pairs and not all(isinstance(pair, (tuple, list)) and len(pair) == _PAIR for pair in listed):
        msg = f"run holds a pair that is no (id, score) for query {query!r}; pass two of each."
        raise DataError(msg)
    # Places stand for scores: the first is the largest.
    found = dict(listed) if pairs else {doc: -float(rank) for rank, doc in enumerate(listed)}
    if len(found) < len(listed):
        ids = [pair[0] for pair in listed] if pairs else listed
        again = next(doc for i, doc in enumerate(ids) if doc in ids[:i])
        raise _twice("run", query, again)
    return found
