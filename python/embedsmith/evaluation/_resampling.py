"""Intervals of means and of paired differences, as one evaluation draws them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedsmith import _core
from embedsmith.metrics import parse_measure
from embedsmith.metrics._aggregate import N_RESAMPLES, aggregated, bootstrap, intervals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedsmith._typing import F64Array

__all__ = ["Resampling"]


@dataclass(frozen=True)
class Resampling:
    """How the intervals of an evaluation are drawn.

    Attributes
    ----------
    confidence : float
        Their level.
    seed : int
        Of the resamples.
    threads : int or None
        Without effect on the numbers.
    """

    confidence: float
    seed: int
    threads: int | None

    def means(
        self, columns: Mapping[str, F64Array]
    ) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
        """Return each measure's number over some queries, and its interval where it has one."""
        values, measures = dict(columns), tuple(parse_measure(name) for name in columns)
        ci, _ = intervals(measures, values, **self._arguments())
        numbers = zip(measures, values.items(), strict=True)
        return {name: aggregated(measure, column) for measure, (name, column) in numbers}, ci

    def gains(
        self, columns: Mapping[str, F64Array], others: Mapping[str, F64Array]
    ) -> dict[str, tuple[float, float, float]]:
        """Return the mean of ``columns`` less ``others``, query by query, and its interval.

        Parameters
        ----------
        columns, others : mapping of str to ndarray of shape (n_queries,), float64
            Values of the same queries in the same order.

        Returns
        -------
        dict of str to (float, float, float)
            Mean, lower and upper end; the bootstrap interval of a paired comparison. Measures
            that are no means, such as counts, are left out: their values cannot be paired.
        """
        means = [name for name in columns if parse_measure(name).aggregate == "mean"]
        differences = {name: columns[name] - others[name] for name in means}
        ends, _ = bootstrap(differences, **self._arguments())
        return {name: (_core.mean(column), *ends[name]) for name, column in differences.items()}

    def _arguments(self) -> dict[str, Any]:
        return {
            "confidence": self.confidence,
            "n_resamples": N_RESAMPLES,
            "seed": self.seed,
            "threads": self.threads,
        }
