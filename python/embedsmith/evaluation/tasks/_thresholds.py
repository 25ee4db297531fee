"""Average precision and the best thresholds of scores that tell pairs apart, and resamples of it.

All follow mteb's pair classification: a threshold lies between two pairs with different scores,
so that neither no pair nor every pair is taken for alike, and the first of equally good thresholds
from the top counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedsmith.evaluation.tasks._correlation import Ranking

if TYPE_CHECKING:
    from embedsmith._typing import F64Array, I64Array

__all__ = ["Separation", "Thresholds"]


@dataclass(frozen=True)
class Thresholds:
    """Where to cut so that most pairs are told apart.

    Attributes
    ----------
    f1, accuracy : float or None
        Pairs at or above it count as alike; halfway between two scores. None if all scores are
        equal, or no cut finds an alike pair.
    """

    f1: float | None
    accuracy: float | None


class Separation:
    """Pairs in the order of their scores, best first.

    Parameters
    ----------
    scores : ndarray of shape (n_pairs,), float64
        Larger is more alike.
    labels : ndarray of shape (n_pairs,), int64
        1 for alike, else 0.
    """

    def __init__(self, scores: F64Array, labels: I64Array) -> None:
        ranking = Ranking(-scores)
        self._order, self._starts = ranking.order, ranking.starts
        self._labels = labels[ranking.order]
        self._values = scores[ranking.order][ranking.starts]

    def measure(self, counts: I64Array) -> dict[str, F64Array]:
        """Return every measure of each resample.

        Parameters
        ----------
        counts : ndarray of shape (n_resamples, n_pairs), int64
            How often each pair was drawn.

        Returns
        -------
        dict of str to ndarray of shape (n_resamples,), float64
            ``ap``, ``f1``, ``accuracy``, ``precision`` and ``recall`` (both at the best F1), in
            [0, 1]. All NaN for a resample without pairs of one kind.

        Notes
        -----
        AP sums, over the distinct scores from the top, the precision there times the share of the
        alike pairs that it adds; ``sklearn.metrics.average_precision_score`` to 1e-12.
        """
        alike, taken = self._cumulated(counts)
        n_alike, n_pairs = alike[:, -1:], taken[:, -1:]
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(taken > 0, alike / taken, 0.0)
            recall = alike / n_alike
            added = np.diff(alike, axis=1, prepend=0) / n_alike
            f1 = 2.0 * precision * recall / (precision + recall)
            accuracy = (2 * alike - taken + n_pairs - n_alike) / n_pairs
        possible = (taken > 0) & (taken < n_pairs)
        f1 = np.where(possible & (alike > 0), f1, 0.0)
        rows = np.arange(len(f1))
        # The first of equals: the highest threshold.
        best = f1.argmax(axis=1)
        found = f1[rows, best] > 0.0
        measured = {
            "ap": (added * precision).sum(axis=1),
            "f1": f1[rows, best],
            "accuracy": np.where(possible, accuracy, 0.0).max(axis=1),
            "precision": np.where(found, precision[rows, best], 0.0),
            "recall": np.where(found, recall[rows, best], 0.0),
        }
        one_kind = ((n_alike == 0) | (n_alike == n_pairs))[:, 0]
        return {name: np.where(one_kind, np.nan, values) for name, values in measured.items()}

    def thresholds(self) -> Thresholds:
        """Return the best thresholds for the pairs as they are."""
        alike, taken = (row[0] for row in self._cumulated(np.ones((1, len(self._order)), np.int64)))
        n_alike, n_pairs = alike[-1], taken[-1]
        middle = (self._values[:-1] + self._values[1:]) / 2.0
        if not len(middle):
            return Thresholds(None, None)
        precision, recall = alike[:-1] / taken[:-1], alike[:-1] / n_alike
        f1 = np.zeros(len(middle))
        some = alike[:-1] > 0
        f1[some] = (2.0 * precision * recall)[some] / (precision + recall)[some]
        accuracy = (2 * alike - taken + n_pairs - n_alike)[:-1]
        return Thresholds(
            float(middle[f1.argmax()]) if some.any() else None, float(middle[accuracy.argmax()])
        )

    def _cumulated(self, counts: I64Array) -> tuple[I64Array, I64Array]:
        """Return alike pairs, and pairs, down to the end of each run of equal scores."""
        ordered = counts[:, self._order]
        both = (ordered * self._labels, ordered)
        alike, taken = (
            np.cumsum(np.add.reduceat(part, self._starts, axis=1), axis=1) for part in both
        )
        return alike, taken
