"""How high a negative of each query may score, and by which rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from embedsmith._typing import F64Array, I64Array
    from embedsmith.mining._lists import RowLists
    from embedsmith.mining._settings import Settings

__all__ = ["CEILING_RULES", "Ceilings", "ceilings_of"]

CEILING_RULES = ("none", "absolute_margin", "relative_margin", "max_score")


class Ceilings(NamedTuple):
    """The lowest ceiling of each query.

    Attributes
    ----------
    values : ndarray of shape (n,), float64
        ``inf`` where nothing limits.
    rules : ndarray of shape (n,), int64
        Which one of ``CEILING_RULES`` it is.
    """

    values: F64Array
    rules: I64Array


def ceilings_of(settings: Settings, scores: F64Array, positives: RowLists) -> Ceilings:
    """Return the ceilings that the scores of each query's positives give."""
    ends, counts = positives.offsets, positives.counts
    anchors = np.full(len(positives), np.inf)
    filled = counts > 0
    starts = ends[:-1][filled]
    if len(starts):
        if settings.margin_to == "mean":
            anchors[filled] = np.add.reduceat(scores, starts) / counts[filled]
        elif settings.margin_to == "max":
            anchors[filled] = np.maximum.reduceat(scores, starts)
        else:
            anchors[filled] = np.minimum.reduceat(scores, starts)
    none = np.full(len(positives), np.inf)
    absolute = relative = top = none
    if settings.absolute_margin is not None:
        absolute = anchors - settings.absolute_margin
    if settings.relative_margin is not None:
        # By magnitude: a share of a negative score would raise the ceiling above it.
        with np.errstate(invalid="ignore"):
            lowered = anchors - np.abs(anchors) * settings.relative_margin
        relative = np.where(filled, lowered, np.inf)
    if settings.max_score is not None:
        top = np.full(len(positives), float(settings.max_score))
    table = np.stack([none, absolute, relative, top])
    rules = np.argmin(table, axis=0)
    return Ceilings(table.min(axis=0), rules.astype(np.int64))
