"""Accuracy, precision, recall and F1 of predicted classes, and resamples of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from embedsmith._typing import BoolArray, F64Array, I64Array

__all__ = ["CLASS_MEASURES", "Predictions"]

CLASS_MEASURES = {
    "accuracy": "Share of test texts given their label",
    "f1": "F1 of each label, averaged over the labels (macro)",
    "f1_weighted": "F1 of each label, averaged over the test texts",
    "precision": "Precision of each label, averaged over the labels (macro)",
    "precision_weighted": "Precision of each label, averaged over the test texts",
    "recall": "Recall of each label, averaged over the labels (macro)",
    "recall_weighted": "Recall of each label, averaged over the test texts",
}


class Predictions:
    """Predicted classes of some texts beside the right ones.

    Parameters
    ----------
    gold, predicted : ndarray of shape (n_texts,), int64
        Classes from 0.
    n_classes : int
        How many there are.
    """

    def __init__(self, gold: I64Array, predicted: I64Array, n_classes: int) -> None:
        self._right = (gold == predicted).astype(np.int64)
        self._of_gold = _ByClass(gold, n_classes)
        self._of_predicted = _ByClass(predicted, n_classes)

    def measure(self, name: str, counts: I64Array) -> F64Array:
        """Return a measure of each resample, as scikit-learn defines it.

        Parameters
        ----------
        name : str
            One of ``CLASS_MEASURES``.
        counts : ndarray of shape (n_resamples, n_texts), int64
            How often each text was drawn.

        Returns
        -------
        ndarray of shape (n_resamples,), float64
            In [0, 1]. A label that no drawn text has and none was given is left out of a macro
            average; a label that was never given has precision 0.
        """
        if name == "accuracy":
            accuracy: F64Array = counts @ self._right / counts.sum(axis=1)
            return accuracy
        gold, given = self._of_gold.sums(counts), self._of_predicted.sums(counts)
        right = self._of_gold.sums(counts * self._right)
        kind, _, weighted = name.partition("_")
        whole = {"f1": gold + given, "precision": given, "recall": gold}[kind]
        values = (2.0 if kind == "f1" else 1.0) * right / np.maximum(whole, 1)
        weights: I64Array | BoolArray = gold if weighted else gold + given > 0
        averaged: F64Array = (values * weights).sum(axis=1) / weights.sum(axis=1)
        return averaged


class _ByClass:
    """Sums over the texts of each class."""

    def __init__(self, classes: I64Array, n_classes: int) -> None:
        self._order: I64Array = np.argsort(classes, kind="stable")
        self._there, self._starts = np.unique(classes[self._order], return_index=True)
        self._n_classes = n_classes

    def sums(self, counts: I64Array) -> I64Array:
        found = np.zeros((len(counts), self._n_classes), dtype=np.int64)
        found[:, self._there] = np.add.reduceat(counts[:, self._order], self._starts, axis=1)
        return found
