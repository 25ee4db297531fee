"""Which of a query's candidates become its negatives."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from embedsmith._typing import F64Array, I64Array
    from embedsmith.mining._settings import Settings

__all__ = ["chosen", "uniform"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_MANTISSA = 53


def uniform(seed: int, query_key: int, keys: npt.NDArray[np.uint64]) -> F64Array:
    """Return a number between 0 and 1 for each key, decided by seed, query and key alone.

    So a draw does not depend on the order of the queries, on threads, or on where a run was cut.
    The mixing is SplitMix64's (Steele, Lea and Flood, 2014).
    """
    with np.errstate(over="ignore"):
        start = _mixed(np.array([seed % 2**64], dtype=np.uint64))
        start = _mixed(start + np.array([query_key], dtype=np.uint64))
        mixed = _mixed(start + keys)
    parts: F64Array = (mixed >> np.uint64(64 - _MANTISSA)).astype(np.float64)
    return (parts + 0.5) / 2.0**_MANTISSA


def _mixed(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    mixed = state + _GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    last: npt.NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(31))
    return last


def chosen(
    settings: Settings, scores: F64Array, query_key: int, keys: npt.NDArray[np.uint64]
) -> I64Array:
    """Return the places of the candidates that are taken, ascending.

    Parameters
    ----------
    settings : Settings
        The strategy, its seed, and how many negatives.
    scores : ndarray of shape (n,), float64
        Of the candidates, in their order.
    query_key : int
    keys : ndarray of shape (n,), uint64
        What candidates are known by.
    """
    count, wanted = len(scores), settings.num_negatives
    strategy = settings.sampling_strategy
    if count <= wanted or strategy == "top":
        return np.arange(min(count, wanted))
    if strategy == "window":
        return np.floor((np.arange(wanted) + 0.5) * count / wanted).astype(np.int64)
    draws = uniform(settings.seed, query_key, keys)
    if strategy == "random":
        return np.sort(np.argsort(draws, kind="stable")[:wanted])
    if strategy == "softmax":
        # The largest of scores plus Gumbel noise are a draw without replacement from the softmax.
        noisy = scores / settings.temperature - np.log(-np.log(draws))
        return np.sort(np.argsort(-noisy, kind="stable")[:wanted])
    edges = np.round(np.linspace(0, count, wanted + 1)).astype(np.int64)
    return np.array(
        [first + np.argmin(draws[first:last]) for first, last in pairwise(edges)],
        dtype=np.int64,
    )
