"""Rows that can be no negative of a query, whatever they score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedsmith.mining._lists import RowLists

if TYPE_CHECKING:
    import numpy.typing as npt

    from embedsmith.mining._data import MiningData

__all__ = ["Excluded", "excluded_rows"]


class Excluded:
    """Rows by the reason for which a query must not get them.

    Attributes
    ----------
    rows : RowLists
        Per query.
    counts : dict of str to int
        How many rows each reason excludes, over all queries.
    """

    def __init__(self, rows: RowLists, counts: dict[str, int]) -> None:
        self.rows, self.counts = rows, counts


def excluded_rows(
    data: MiningData,
    query_keys: npt.NDArray[np.uint64] | None,
    doc_keys: npt.NDArray[np.uint64] | None,
    *,
    include_positives: bool,
) -> Excluded:
    """Return positives, passages with a positive's text, and passages with the query's own."""
    count = len(data)
    positives = data.positives
    owners = np.repeat(np.arange(count), positives.counts)
    rows, counts = RowLists.of([[] for _ in range(count)]), {}
    if not include_positives:
        rows = positives
        counts["positive"] = len(positives.rows)
    if doc_keys is None:
        return Excluded(rows, counts)
    order = np.argsort(doc_keys, kind="stable")
    if not include_positives:
        same = _rows_of_keys(doc_keys, order, doc_keys[positives.rows], owners, count)
        rows = rows.joined(same)
        # Each positive finds itself, too.
        counts["same_text_as_positive"] = len(same.rows) - len(positives.rows)
    if query_keys is not None:
        own = _rows_of_keys(doc_keys, order, query_keys, np.arange(count), count)
        rows = rows.joined(own)
        counts["same_text_as_query"] = len(own.rows)
    return Excluded(rows, counts)


def _rows_of_keys(
    doc_keys: npt.NDArray[np.uint64],
    order: npt.NDArray[np.int64],
    keys: npt.NDArray[np.uint64],
    owners: npt.NDArray[np.int64],
    count: int,
) -> RowLists:
    """Return the rows that have each owner's keys; `owners` ascend."""
    known = doc_keys[order]
    first = np.searchsorted(known, keys, side="left")
    lengths = np.searchsorted(known, keys, side="right") - first
    ends = np.cumsum(lengths)
    within = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - lengths, lengths)
    rows = order[np.repeat(first, lengths) + within]
    offsets = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(
        np.bincount(owners, weights=lengths, minlength=count).astype(np.int64), out=offsets[1:]
    )
    return RowLists(offsets, rows)
