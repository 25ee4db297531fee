"""Distinct texts, and where each item's text stands among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import I64Array

__all__ = ["distinct"]


def distinct(*columns: Sequence[str]) -> tuple[tuple[str, ...], list[I64Array]]:
    """Return the distinct texts of some columns, and each column as rows of them.

    Parameters
    ----------
    *columns : sequence of str
        Texts; the same text may stand in several.

    Returns
    -------
    tuple of str
        In order of appearance, column by column.
    list of ndarray of shape (n_column,), int64
        For each column.

    Examples
    --------
    >>> texts, (left, right) = distinct(["a", "b"], ["b", "c"])
    >>> texts, left.tolist(), right.tolist()
    (('a', 'b', 'c'), [0, 1], [1, 2])
    """
    place: dict[str, int] = {}
    rows = [
        np.array([place.setdefault(text, len(place)) for text in column], dtype=np.int64)
        for column in columns
    ]
    return tuple(place), rows
