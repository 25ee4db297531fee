"""How large a difference is, and whether it is small enough not to matter."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith import _core
from embedsmith.exceptions import MeasureError
from embedsmith.metrics._samples import paired_differences, share

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from embedsmith._typing import F64Array, Json
    from embedsmith.metrics._measures import Measure
    from embedsmith.metrics._table import MetricTable

__all__ = [
    "EffectSize",
    "Equivalence",
    "check_margin",
    "effect_of",
    "effect_size",
    "equivalence",
]


@dataclass(frozen=True)
class EffectSize:
    """How large a paired difference is, without its unit.

    Attributes
    ----------
    d : float or None
        Cohen's d of paired differences (d_z): their mean over their standard deviation. None
        where all differences are equal, so that there is no deviation.
    g : float or None
        Hedges' g: d less its bias in small samples.
    ci : (float, float) or None
        Interval of d, from the noncentral t distribution.
    rank_biserial : float
        Matched-pairs rank-biserial correlation, from -1 to 1: the share of Wilcoxon's ranks in
        favour of ``b`` less the share against it. 0 where no query differs.
    wins, ties, losses : int
        Queries on which ``b`` is better than, equal to and worse than ``a``.
    confidence : float
        Coverage of the interval.
    """

    d: float | None
    g: float | None
    ci: tuple[float, float] | None
    rank_biserial: float
    wins: int
    ties: int
    losses: int
    confidence: float

    def to_dict(self) -> Json:
        """Return the effect size as JSON-ready values.

        Returns
        -------
        dict
            The attributes, with ``ci`` as a list.
        """
        return {**asdict(self), "ci": None if self.ci is None else list(self.ci)}


def effect_size(
    a: ArrayLike | MetricTable,
    b: ArrayLike | MetricTable | None = None,
    *,
    measure: str | Measure | None = None,
    confidence: float = 0.95,
) -> EffectSize:
    """Return how large the difference between two runs is, in standard deviations and in ranks.

    It tests nothing: a large effect of few queries may be chance.

    Parameters
    ----------
    a, b, measure
        As for :func:`paired_test`.
    confidence : float, default 0.95
        Coverage of the interval of d.

    Returns
    -------
    EffectSize
        For ``b`` against ``a``: positive where ``b`` is better.

    Raises
    ------
    DataError, MeasureError, NonFiniteError, ShapeError
        As for :func:`paired_test`.

    References
    ----------
    .. [1] J. Cohen, "Statistical power analysis for the behavioral sciences", 2nd ed., 1988.
    .. [2] L. V. Hedges, "Distribution theory for Glass's estimator of effect size and related
       estimators", Journal of Educational Statistics 6(2), 1981.
    .. [3] D. S. Kerby, "The simple difference formula", Comprehensive Psychology 3, 2014.

    Examples
    --------
    >>> found = effect_size([0.2, 0.5, 0.4, 0.9], [0.4, 0.6, 0.8, 0.8])
    >>> round(found.d, 3), round(found.g, 3), found.rank_biserial
    (0.721, 0.521, 0.7)
    """
    confidence = share("confidence", confidence, example=0.95)
    return effect_of(paired_differences(a, b, measure), confidence)


def effect_of(differences: F64Array, confidence: float) -> EffectSize:
    """Return the effect size of checked differences."""
    found = _core.effect_size(differences, confidence=confidence)
    positive, negative, _, _ = _core.wilcoxon_test(differences, pratt=False)
    wins = int(np.count_nonzero(differences > 0.0))
    losses = int(np.count_nonzero(differences < 0.0))
    return EffectSize(
        d=None if found is None else found[0],
        g=None if found is None else found[1],
        ci=None if found is None else (found[2], found[3]),
        rank_biserial=(positive - negative) / (positive + negative) if wins or losses else 0.0,
        wins=wins,
        ties=len(differences) - wins - losses,
        losses=losses,
        confidence=confidence,
    )


@dataclass(frozen=True)
class Equivalence:
    """Whether two runs differ by less than a margin.

    Attributes
    ----------
    equivalent : bool
        Whether ``p <= alpha``.
    p : float
        The larger p-value of the two one-sided tests, above 0.
    difference : float
        Mean over queries of ``b - a``.
    ci : (float, float)
        Student's interval of the difference at ``1 - 2 * alpha``: it lies within the margin
        exactly where the runs are equivalent. Without width if all differences are equal.
    margin : float
        What is too small to matter.
    alpha : float
        Level of the test.
    n : int
        Queries.
    """

    equivalent: bool
    p: float
    difference: float
    ci: tuple[float, float]
    margin: float
    alpha: float
    n: int

    def to_dict(self) -> Json:
        """Return the outcome as JSON-ready values.

        Returns
        -------
        dict
            The attributes, with ``ci`` as a list.
        """
        return {**asdict(self), "ci": list(self.ci)}


def equivalence(
    a: ArrayLike | MetricTable,
    b: ArrayLike | MetricTable | None = None,
    *,
    margin: float,
    measure: str | Measure | None = None,
    alpha: float = 0.05,
) -> Equivalence:
    """Return whether two runs differ by less than a margin, by two one-sided tests (TOST).

    "No significant difference" is no evidence of equality; this is the test that gives some, for
    a cheaper model or a smaller index that must not be worse.

    Parameters
    ----------
    a, b
        As for :func:`paired_test`; two queries or more.
    margin : float
        Difference of means that does not matter, above 0, in units of the measure: 0.01 is one
        point of nDCG. Choose it before you look.
    measure : str or Measure, optional
        Which measure of the tables.
    alpha : float, default 0.05
        Level of each of the two tests, and of both together.

    Returns
    -------
    Equivalence
        Decision, p-value and interval.

    Raises
    ------
    DataError, MeasureError, NonFiniteError, ShapeError
        As for :func:`paired_test`; MeasureError also if the margin is not above 0.

    Notes
    -----
    Student's one-sided paired tests against ``-margin`` and ``margin`` [1]_. Where all differences
    are equal there is no spread to test with: p is then the exact one-sided randomisation test's,
    ``1 / 2**n`` within the margin and 1 outside, so five identical queries are the fewest that
    show equivalence at 5 %.

    References
    ----------
    .. [1] D. J. Schuirmann, "A comparison of the two one-sided tests procedure and the power
       approach", Journal of Pharmacokinetics and Biopharmaceutics 15(6), 1987.

    Examples
    --------
    >>> a = [0.50, 0.61, 0.72, 0.40, 0.90, 0.33]
    >>> b = [0.51, 0.61, 0.71, 0.40, 0.89, 0.34]
    >>> equivalence(a, b, margin=0.02).equivalent, equivalence(a, b, margin=0.005).equivalent
    (True, False)
    """
    margin = check_margin("margin", margin)
    alpha = share("alpha", alpha, example=0.05)
    if alpha >= 0.5:  # noqa: PLR2004 - the interval has coverage 1 - 2 * alpha
        msg = f"alpha={alpha:g} is no level of a test; pass one below 0.5, such as 0.05."
        raise MeasureError(msg)
    differences = paired_differences(a, b, measure, least=2)
    p = _core.equivalence_p(differences, margin=margin)
    return Equivalence(
        equivalent=p <= alpha,
        p=p,
        difference=_core.mean(differences),
        ci=_core.t_interval(differences, confidence=1.0 - 2.0 * alpha),
        margin=margin,
        alpha=alpha,
        n=len(differences),
    )


def check_margin(argument: str, margin: Any) -> float:
    """Return a margin above 0, or say that it is none."""
    if not (isinstance(margin, (int, float, np.floating)) and 0.0 < margin < np.inf):
        msg = f"{argument}={margin!r} is no margin; pass a number above 0, such as 0.01."
        raise MeasureError(msg)
    return float(margin)
