"""Which models are compared, seen from the one that leads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embedsmith.evaluation import EvaluationResult
    from embedsmith.metrics import PairDifference, RunComparison

__all__ = ["AgainstBest", "against", "headline", "leader"]

_TURNED = {"better": "worse", "worse": "better"}


@dataclass(frozen=True)
class AgainstBest:
    """A paired difference as the distance of one model from another.

    Attributes
    ----------
    other, best : str
        Names: ``other`` less ``best``.
    difference : float
        Mean over queries.
    ci : (float, float)
        Its interval.
    verdict : str
        For ``other``: "better", "worse" or "not enough evidence".
    pair : PairDifference
        As it was compared, for all else.
    """

    other: str
    best: str
    difference: float
    ci: tuple[float, float]
    verdict: str
    pair: PairDifference


def headline(result: EvaluationResult) -> str:
    """Return the measure that a report leads with: the first that was asked for."""
    return result.settings.measures[0]


def leader(result: EvaluationResult, measure: str) -> str:
    """Return the model with the highest mean; of equal ones, the first."""
    return max(result.models, key=lambda model: model.table.mean[measure]).name


def against(comparison: RunComparison | None, best: str, measure: str) -> tuple[AgainstBest, ...]:
    """Return every other model's difference to one model, in the order compared.

    Turning a pair round changes signs and swaps the ends of the interval; nothing is computed.

    Parameters
    ----------
    comparison : RunComparison or None
        All pairs; None has none.
    best : str
        The model to measure from.
    measure : str
        Canonical name.

    Returns
    -------
    tuple of AgainstBest
        Empty if there is no comparison, or none by this measure.
    """
    found = {}
    for pair in comparison.pairs if comparison else ():
        if pair.measure != measure or best not in {pair.a, pair.b}:
            continue
        if pair.a == best:
            found[pair.b] = AgainstBest(pair.b, best, pair.difference, pair.ci, pair.verdict, pair)
        else:
            low, high = pair.ci
            turned = _TURNED.get(pair.verdict, pair.verdict)
            found[pair.a] = AgainstBest(pair.a, best, -pair.difference, (-high, -low), turned, pair)
    names = comparison.names if comparison else ()
    return tuple(found[name] for name in names if name in found)
