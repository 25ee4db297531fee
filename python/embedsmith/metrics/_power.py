"""How many queries to label, from the differences measured on some."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from embedsmith import _core
from embedsmith._validate import as_count
from embedsmith.exceptions import DataError
from embedsmith.metrics._inputs import check_choice
from embedsmith.metrics._samples import paired_differences, share

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from embedsmith._typing import F64Array, Json
    from embedsmith.metrics._measures import Measure
    from embedsmith.metrics._table import MetricTable

__all__ = ["PowerAnalysis", "PowerMethod", "power"]

PowerMethod: TypeAlias = Literal["simulation", "normal"]

N_SIMULATIONS = 10_000
# Queries of the largest simulated sample; beyond, the normal distribution is as good.
_MOST_SIMULATED = 50_000


@dataclass(frozen=True)
class PowerAnalysis:
    """How many labelled queries would show a difference between two runs.

    Attributes
    ----------
    n_queries : int
        Labelled queries at which the test finds the difference with probability ``power``.
    more_queries : int
        How many of them are still to be labelled; 0 if enough are.
    difference : float
        The difference of means that is to be found, of ``b`` less ``a``.
    detectable : float
        The smallest difference that the queries measured so far show with that probability, by
        Student's distribution (minimal detectable difference).
    power_now : float
        Probability that the queries measured so far show ``difference``.
    method : {"simulation", "normal"}
        How ``n_queries`` and ``power_now`` were computed.
    n_measured : int
        Queries measured so far.
    deviation : float
        Standard deviation of the measured differences.
    discordance : float
        Share of the measured queries on which the runs differ, in [0, 1].
    alpha, power, n_simulations, seed
        The arguments that the numbers depend on.
    sentence : str
        All of it in one sentence, to be quoted.
    """

    n_queries: int
    more_queries: int
    difference: float
    detectable: float
    power_now: float
    method: PowerMethod
    n_measured: int
    deviation: float
    discordance: float
    alpha: float
    power: float
    n_simulations: int
    seed: int
    sentence: str

    def to_dict(self) -> Json:
        """Return the analysis as JSON-ready values.

        Returns
        -------
        dict
            The attributes.
        """
        return asdict(self)


def power(
    a: ArrayLike | MetricTable,
    b: ArrayLike | MetricTable | None = None,
    *,
    difference: float | None = None,
    measure: str | Measure | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
    method: PowerMethod = "simulation",
    n_simulations: int = N_SIMULATIONS,
    seed: int = 0,
    threads: int | None = None,
) -> PowerAnalysis:
    """Return how many labelled queries would show a difference between two runs.

    How much two runs disagree from query to query decides it, so this is measured on the queries
    that are labelled already, not assumed. It makes no claim whether there is a difference.

    Parameters
    ----------
    a, b : array_like of shape (n_queries,), or MetricTable
        Values per query of a pilot, as for :func:`paired_test`: two queries or more. Without
        ``b``, ``a`` holds the differences themselves.
    difference : float, optional
        Difference of means worth finding, in units of the measure; the measured one by default.
    measure : str or Measure, optional
        Which measure of the tables.
    alpha : float, default 0.05
        Level of the two-sided test.
    power : float, default 0.8
        Probability to be reached.
    method : {"simulation", "normal"}, default "simulation"
        ``"simulation"`` draws samples of all sizes from the measured differences, weighted so that
        their mean is ``difference``, and counts how often Student's paired test finds it.
        ``"normal"`` uses their standard deviation only; it also reaches differences larger than
        any that was measured.
    n_simulations : int, default 10_000
        Samples to draw.
    seed : int, default 0
        Seed of the samples, from 0 to 2**64 - 1.
    threads : int, optional
        Threads to use; the result does not depend on them. All cores by default.

    Returns
    -------
    PowerAnalysis
        Queries needed, what is detectable now, and a sentence that states both.

    Raises
    ------
    DataError
        If the pilot shows no spread, or ``difference`` is 0 or out of its reach.
    MeasureError, NonFiniteError, ShapeError
        As for :func:`paired_test`; MeasureError also for a probability outside (0, 1).

    Notes
    -----
    The weights are those that change the measured distribution least (exponential tilting): ties
    stay ties, and a query weighs the more, the more it speaks for the difference. Samples share
    their first queries, so one pass counts every size; the answer is the size from which on the
    share of samples that find the difference stays at ``power`` or above. Where that takes more
    than 50,000 queries, samples are not drawn and ``method`` of the result is ``"normal"``:
    ``((z_alpha + z_power) * deviation / difference)**2 + z_alpha**2 / 2`` [1]_.

    The pilot's own error is not part of the answer: of 50 queries, the spread is known to about
    10 %, and the number of queries to about 20 %. A difference that the same pilot suggested is
    likely overestimated; pass the smallest one worth having.

    References
    ----------
    .. [1] W. C. Guenther, "Sample size formulas for normal theory t tests", The American
       Statistician 35(4), 1981.
    .. [2] J. Urbano, M. Marrero, D. Martín, "On the measurement of test collection reliability",
       SIGIR 2013.

    Examples
    --------
    >>> differences = [0.0] * 35 + [1.0] * 9 + [-1.0] * 6
    >>> found = power(differences, difference=0.1)
    >>> found.discordance, found.n_measured
    (0.3, 50)
    >>> 200 < found.n_queries < 300
    True
    """
    alpha, target = share("alpha", alpha, example=0.05), share("power", power, example=0.8)
    check_choice("method", method, get_args(PowerMethod))
    n_simulations = as_count("n_simulations", n_simulations)
    seed = as_count("seed", seed, least=0)
    threads = None if threads is None else as_count("threads", threads)
    differences = paired_differences(a, b, measure, least=2)
    deviation = _core.deviation(differences)
    if deviation == 0.0:
        msg = (
            f"all {len(differences)} differences are {differences[0]:g}, so how much the runs "
            "disagree from query to query is not known yet; label more queries."
        )
        raise DataError(msg)
    wanted = _wanted(differences, difference)
    n = len(differences)
    found: tuple[int, float] | None = None
    if method == "simulation":
        found = _simulated(
            differences,
            wanted,
            alpha=alpha,
            power=target,
            draws={"n_simulations": n_simulations, "seed": seed, "threads": threads},
        )
    used: PowerMethod = "normal" if found is None else "simulation"
    needed, now = found or _normal(deviation, wanted, n, alpha, target)
    detectable = _core.detectable_difference(deviation, n, alpha=alpha, power=target)
    return PowerAnalysis(
        n_queries=needed,
        more_queries=max(0, needed - n),
        difference=wanted,
        detectable=detectable,
        power_now=now,
        method=used,
        n_measured=n,
        deviation=deviation,
        discordance=float(np.count_nonzero(differences)) / n,
        alpha=alpha,
        power=target,
        n_simulations=n_simulations,
        seed=seed,
        sentence=_sentence(
            needed,
            n,
            difference=wanted,
            detectable=detectable,
            alpha=alpha,
            power=target,
            method=used,
        ),
    )


def _wanted(differences: F64Array, difference: float | None) -> float:
    wanted = _core.mean(differences) if difference is None else difference
    if not math.isfinite(wanted) or wanted == 0.0:
        source = "the measured difference" if difference is None else "difference"
        msg = (
            f"{source} is {wanted:g}, which no number of queries can show; "
            "pass the smallest difference worth finding, such as difference=0.02."
        )
        raise DataError(msg)
    return float(wanted)


def _normal(
    deviation: float, difference: float, n: int, alpha: float, power: float
) -> tuple[int, float]:
    needed = _core.queries_for(deviation, abs(difference), alpha=alpha, power=power)
    # Where the detectable difference at some power is the one asked for: by bisection on power.
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        reached = _core.detectable_difference(deviation, n, alpha=alpha, power=middle)
        low, high = (middle, high) if reached <= abs(difference) else (low, middle)
    return max(2, math.ceil(needed)), 0.5 * (low + high)


def _simulated(
    differences: F64Array, difference: float, *, alpha: float, power: float, draws: dict[str, Any]
) -> tuple[int, float] | None:
    """Return queries needed and the power of the pilot's size, or None where they are too many."""
    weights = _core.tilted_weights(differences, difference)
    if weights is None:
        low, high = float(differences.min()), float(differences.max())
        msg = (
            f"the measured differences lie from {low:g} to {high:g}, so that no sample of such "
            f"queries has a mean difference of {difference:g}. Pass a smaller one, or "
            'method="normal", which uses their standard deviation only.'
        )
        raise DataError(msg)
    mean = float(np.average(differences, weights=weights))
    spread = math.sqrt(float(np.average((differences - mean) ** 2, weights=weights)))
    guess = _core.queries_for(spread, abs(difference), alpha=alpha, power=power)
    if guess > _MOST_SIMULATED:
        return None
    most = max(len(differences), math.ceil(1.3 * guess) + 50)
    while most <= 2 * _MOST_SIMULATED:
        shares = _core.detection_shares(
            differences,
            weights,
            direction=difference,
            alpha=alpha,
            most_queries=most,
            **draws,
        )
        short = np.flatnonzero(shares < power)
        # Entry i is of i + 2 queries; the last ones are to be safely above.
        needed = int(short[-1]) + 3 if len(short) else 2
        if needed <= 0.9 * most:
            return needed, float(shares[len(differences) - 2])
        most *= 2
    return None


def _sentence(
    needed: int,
    n: int,
    *,
    difference: float,
    detectable: float,
    alpha: float,
    power: float,
    method: PowerMethod,
) -> str:
    by = "simulated from" if method == "simulation" else "by the normal distribution from"
    further = f"{needed - n:,} further ones" if needed > n else "no further ones"
    return (
        f"About {needed:,} labelled queries show a difference of {difference:+.3g} with "
        f"probability {power:g} at level {alpha:g} ({by} the {n:,} measured): {further}; "
        f"these {n:,} show one of {detectable:.3g}."
    )
