"""Recall at every number of documents that a user may take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith.evaluation._recall_curve import RecallCurve
from embedsmith.metrics import Measure, parse_measure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embedsmith.metrics import MetricTable

__all__ = ["curve_points", "recall_curve"]

_POINTS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000, 2000, 3000, 5000, 10_000)


def curve_points(depth: int) -> tuple[int, ...]:
    """Return the numbers of documents at which recall is taken, up to a depth.

    Examples
    --------
    >>> curve_points(12)
    (1, 2, 3, 5, 10, 12)
    """
    return (*(point for point in _POINTS if point < depth), depth)


def recall_curve(measured: Callable[[Sequence[Measure]], MetricTable], depth: int) -> RecallCurve:
    """Return the mean recall of a run at each number of documents.

    Parameters
    ----------
    measured : callable
        Measures the run.
    depth : int
        Documents kept per query.

    Returns
    -------
    RecallCurve
        From 1 to ``depth``.
    """
    points = curve_points(depth)
    measures = [parse_measure(f"R@{point}") for point in points]
    table = measured(measures)
    return RecallCurve(points, tuple(table.mean[str(measure)] for measure in measures))
