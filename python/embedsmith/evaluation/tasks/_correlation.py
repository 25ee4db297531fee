"""Pearson's and Spearman's correlations, of items and of resamples of them.

A resample is a count per item. Ranks of a resample need no sorting: the order of the items is
known, and a running sum of counts along it is the rank.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from embedsmith._typing import BoolArray, F64Array, I64Array

__all__ = ["Ranking", "weighted_pearson", "weighted_spearman"]

# Only a spread as small as this, relative to the values, is worth a second look.
_TRACE = 1e-12


class Ranking:
    """The order of some values, with their ties.

    Parameters
    ----------
    values : ndarray of shape (n_items,), float64
        Finite.
    """

    def __init__(self, values: F64Array) -> None:
        self.order: I64Array = np.argsort(values, kind="stable")
        ordered = values[self.order]
        first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
        self.starts: I64Array = np.flatnonzero(first)
        self.group = np.empty(len(values), dtype=np.int64)
        self.group[self.order] = np.cumsum(first) - 1

    def ranks(self, counts: I64Array) -> F64Array:
        """Return the rank of each item in each resample, ties at their mean.

        Parameters
        ----------
        counts : ndarray of shape (n_resamples, n_items), int64
            How often each item was drawn.

        Returns
        -------
        ndarray of shape (n_resamples, n_items), float64
            From 1; of no meaning for an item that was not drawn.

        Examples
        --------
        >>> Ranking(np.array([0.5, 0.1, 0.5])).ranks(np.ones((1, 3), dtype=np.int64)).tolist()
        [[2.5, 1.0, 2.5]]
        """
        of_group = np.add.reduceat(counts[:, self.order], self.starts, axis=1)
        before = np.cumsum(of_group, axis=1) - of_group
        ranks: F64Array = (before + (of_group + 1) / 2.0)[:, self.group]
        return ranks


def weighted_pearson(x: F64Array, y: F64Array, counts: I64Array) -> F64Array:
    """Return Pearson's correlation of each resample.

    Parameters
    ----------
    x, y : ndarray of shape (n_items,) or (n_resamples, n_items), float64
        The values.
    counts : ndarray of shape (n_resamples, n_items), int64
        How often each item was drawn.

    Returns
    -------
    ndarray of shape (n_resamples,), float64
        In [-1, 1]; NaN where all drawn values of ``x`` or of ``y`` are equal.

    References
    ----------
    K. Pearson, "Notes on regression and inheritance in the case of two parents", 1895: the sum
    of products of the deviations from the means, divided by the root of the product of their
    sums of squares. Agrees with ``scipy.stats.pearsonr`` to 1e-12.
    """
    weights = counts.astype(np.float64)
    total = weights.sum(axis=1, keepdims=True)
    dx = x - (weights * x).sum(axis=1, keepdims=True) / total
    dy = y - (weights * y).sum(axis=1, keepdims=True) / total
    both = np.einsum("ij,ij,ij->i", weights, dx, dy)
    of_x = np.sqrt(np.einsum("ij,ij,ij->i", weights, dx, dx))
    of_y = np.sqrt(np.einsum("ij,ij,ij->i", weights, dy, dy))
    with np.errstate(invalid="ignore", divide="ignore"):
        found: F64Array = np.clip(both / of_x / of_y, -1.0, 1.0)
    found[_flat(x, of_x, counts) | _flat(y, of_y, counts)] = np.nan
    return found


def _flat(values: F64Array, spread: F64Array, counts: I64Array) -> BoolArray:
    """Tell where all drawn values are equal; rounding may leave a trace of a spread there."""
    flat: BoolArray = spread <= np.sqrt(counts.sum(axis=1)) * np.abs(values).max(axis=-1) * _TRACE
    for row in np.flatnonzero(flat):
        drawn = (values if values.ndim == 1 else values[row])[counts[row] > 0]
        flat[row] = np.ptp(drawn) == 0.0
    return flat


def weighted_spearman(x: Ranking, y: Ranking, counts: I64Array) -> F64Array:
    """Return Spearman's correlation of each resample: Pearson's, of the ranks.

    Parameters
    ----------
    x, y : Ranking
        The orders of the values.
    counts : ndarray of shape (n_resamples, n_items), int64
        How often each item was drawn.

    Returns
    -------
    ndarray of shape (n_resamples,), float64
        In [-1, 1]; NaN where all drawn values of ``x`` or of ``y`` are equal.

    References
    ----------
    C. Spearman, "The proof and measurement of association between two things", 1904. Agrees with
    ``scipy.stats.spearmanr`` to 1e-12, ties included.
    """
    return weighted_pearson(x.ranks(counts), y.ranks(counts), counts)
