"""Checks of queries, documents and judgements, and the order of document ids."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._phrases import counted
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from embedsmith._typing import I64Array

__all__ = ["check_judgements", "places_of_relevant", "sorted_ids"]

_LOGGER = logging.getLogger(__name__)


def check_judgements(
    queries: Mapping[Any, Any],
    judged: Collection[Any],
    corpus_ids: Collection[Any],
    relevant_docs: Mapping[Any, Collection[Any]],
) -> None:
    """Refuse data that no measure is defined for, and log what cannot be found.

    Parameters
    ----------
    queries : mapping
        All queries.
    judged : collection
        Ids of those that have relevant documents.
    corpus_ids : collection
        Ids of the documents.
    relevant_docs : mapping
        Ids of the relevant documents by query id.

    Raises
    ------
    DataError
        If no query is judged, or the corpus is empty.
    """
    if not corpus_ids:
        msg = "the corpus is empty; pass at least one document."
        raise DataError(msg)
    if not judged:
        msg = (
            f"none of the queries ({_first(queries)}) has a relevant document; relevant_docs names "
            f"{_first(relevant_docs)}. Pass the ids of relevant documents by query id."
        )
        raise DataError(msg)
    if len(judged) < len(queries):
        left_out = counted(len(queries) - len(judged), "query")
        _LOGGER.info("%s without relevant documents: left out of the evaluation", left_out)
    known = set(corpus_ids)
    absent = [doc for query in judged for doc in relevant_docs[query] if doc not in known]
    if absent:
        _LOGGER.warning(
            "%s not in the corpus (%s), which counts as not found: "
            "recall cannot reach 1. Check that relevant_docs and corpus use the same ids.",
            counted(len(absent), "relevant document is", "relevant documents are"),
            _first(absent),
        )


def sorted_ids(ids: Sequence[Any]) -> tuple[list[Any], I64Array]:
    """Return ids in ascending order, and the place of each in that order.

    Parameters
    ----------
    ids : sequence
        Strings, or numbers: anything that has an order.

    Returns
    -------
    ordered : list
        The ids, ascending.
    places : ndarray of shape (n_ids,), int64
        Such that ``ordered[places[i]]`` is ``ids[i]``.

    Raises
    ------
    DataError
        If two ids cannot be compared.

    Examples
    --------
    >>> sorted_ids(["b", "c", "a"])
    (['a', 'b', 'c'], array([1, 2, 0]))
    """
    try:
        order = sorted(range(len(ids)), key=ids.__getitem__)
    except TypeError as error:
        msg = (
            f"ids of the corpus cannot be sorted ({error}), and equal scores are ranked by id; "
            "make them all strings, or all numbers."
        )
        raise DataError(msg) from error
    places = np.empty(len(ids), dtype=np.int64)
    places[order] = np.arange(len(ids))
    return [ids[place] for place in order], places


def places_of_relevant(
    judged: Sequence[Any], relevant_docs: Mapping[Any, Collection[Any]], place_of: Mapping[Any, int]
) -> tuple[I64Array, I64Array, I64Array]:
    """Return judgements as compressed rows of places.

    Parameters
    ----------
    judged : sequence
        Ids of the queries.
    relevant_docs : mapping
        Ids of the relevant documents by query id.
    place_of : mapping
        Their places; a document without one gets a place that no document has.

    Returns
    -------
    offsets, places, grades : ndarray, int64
        The documents of query ``i`` are ``places[offsets[i]:offsets[i + 1]]``; grades are 1.

    Examples
    --------
    >>> places_of_relevant(["q", "r"], {"q": {"b"}, "r": {"x"}}, {"a": 0, "b": 1})
    (array([0, 1, 2]), array([1, 3]), array([1, 1]))
    """
    offsets = [0]
    places: list[int] = []
    for query in judged:
        # A list that names a document twice means it once.
        for document in set(relevant_docs[query]):
            places.append(place_of.get(document, len(place_of) + len(places)))
        offsets.append(len(places))
    rows = np.array(places, dtype=np.int64)
    return np.array(offsets, dtype=np.int64), rows, np.ones_like(rows)


def _first(ids: Iterable[Any], most: int = 3) -> str:
    listed = list(ids)
    shown = ", ".join(repr(each) for each in listed[:most])
    return (shown + (", ..." if len(listed) > most else "")) or "none"
