"""One paired test of per-query values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from embedsmith import _core
from embedsmith._validate import as_count
from embedsmith.metrics._inputs import check_choice
from embedsmith.metrics._samples import paired_differences

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from embedsmith._typing import F64Array, Json
    from embedsmith.metrics._measures import Measure
    from embedsmith.metrics._table import MetricTable

__all__ = [
    "N_PERMUTATIONS",
    "PairTest",
    "PairedTest",
    "Zeros",
    "one_test",
    "paired_test",
    "smallest_p",
]

PairTest: TypeAlias = Literal["randomisation", "t", "wilcoxon", "sign"]
Zeros: TypeAlias = Literal["wilcox", "pratt"]

N_PERMUTATIONS = 10_000


@dataclass(frozen=True)
class PairedTest:
    """The outcome of a paired test.

    Attributes
    ----------
    test : {"randomisation", "t", "wilcoxon", "sign"}
        Which one.
    difference : float
        Mean over queries of ``b - a``.
    statistic : float
        What was tested: the mean difference, t, the smaller sum of ranks, or the number of wins.
    p : float
        Two-sided p-value, above 0.
    exact : bool
        Whether p was counted over all arrangements, not sampled or taken from a limiting law.
    smallest_p : float
        The smallest p that this test can give for so many queries that differ; see
        :func:`smallest_p`. 0 for Student's test, which knows no bound.
    n : int
        Queries.
    wins, ties, losses : int
        Queries on which ``b`` is better than, equal to and worse than ``a``. Values that differ
        by less than 1e-12 of their size are equal.
    """

    test: PairTest
    difference: float
    statistic: float
    p: float
    exact: bool
    smallest_p: float
    n: int
    wins: int
    ties: int
    losses: int

    def to_dict(self) -> Json:
        """Return the outcome as JSON-ready values.

        Returns
        -------
        dict
            The attributes.
        """
        return asdict(self)


def paired_test(
    a: ArrayLike | MetricTable,
    b: ArrayLike | MetricTable | None = None,
    *,
    test: PairTest = "randomisation",
    measure: str | Measure | None = None,
    zeros: Zeros = "wilcox",
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
    threads: int | None = None,
) -> PairedTest:
    """Return whether two runs differ by more than chance, from their values per query.

    It compares one pair by one measure and corrects nothing; :func:`embedsmith.compare_runs`
    compares several and does.

    Parameters
    ----------
    a, b : array_like of shape (n_queries,), or MetricTable
        Values per query, in the same order of queries; tables are paired by query id. Without
        ``b``, ``a`` holds the differences themselves.
    test : {"randomisation", "t", "wilcoxon", "sign"}, default "randomisation"
        ``"randomisation"``: the mean under all flips of signs. ``"t"``: Student's, for the mean
        of many queries. ``"wilcoxon"``: signed ranks. ``"sign"``: only which run is better,
        not by how much.
    measure : str or Measure, optional
        Which measure of the tables.
    zeros : {"wilcox", "pratt"}, default "wilcox"
        What Wilcoxon's test does with queries on which both are equal: leave them out before
        ranking, or rank them and leave out their ranks.
    n_permutations : int, default 10_000
        Arrangements of signs to draw where counting all of them would take long.
    seed : int, default 0
        Seed of the arrangements, from 0 to 2**64 - 1.
    threads : int, optional
        Threads to use; the result does not depend on them. All cores by default.

    Returns
    -------
    PairedTest
        Statistic, p-value, and how it came about.

    Raises
    ------
    DataError
        If tables cover different queries.
    MeasureError
        If an option has no such value, or a table lacks the measure.
    NonFiniteError
        If a value is NaN or infinite.
    ShapeError
        If there is no value, the lengths differ, or a count is out of range.

    Notes
    -----
    Randomisation: exact wherever counting takes milliseconds (all differences of one size; up to
    36 that differ; few distinct values), else (1 + as extreme) / (1 + drawn). Sums within 1e-12
    of the sum of all sizes count as equal. Student: where all differences are equal t is infinite
    and would claim certainty from two queries; p is then the exact randomisation test's. Wilcoxon:
    exact for up to 50 queries that differ, given their ranks, tied or not; else the normal
    approximation with its variance corrected for ties, without continuity correction. Sign: exact
    binomial. Runs that agree on every query have p = 1 by all of them.

    References
    ----------
    .. [1] M. D. Smucker, J. Allan, B. Carterette, "A comparison of statistical significance tests
       for information retrieval evaluation", CIKM 2007.
    .. [2] J. W. Pratt, "Remarks on zeros and ties in the Wilcoxon signed rank procedures", JASA
       54(287), 1959.

    Examples
    --------
    >>> a, b = [0.2, 0.5, 0.4, 0.9, 0.1, 0.3], [0.4, 0.6, 0.9, 1.0, 0.1, 0.5]
    >>> paired_test(a, b).p, paired_test(a, b, test="sign").p
    (0.0625, 0.0625)
    >>> round(paired_test(a, b, test="t").p, 4)
    0.0478
    """
    check_choice("test", test, get_args(PairTest))
    check_choice("zeros", zeros, get_args(Zeros))
    n_permutations = as_count("n_permutations", n_permutations)
    seed = as_count("seed", seed, least=0)
    threads = None if threads is None else as_count("threads", threads)
    differences = paired_differences(a, b, measure)
    return one_test(
        differences, test, zeros=zeros, n_permutations=n_permutations, seed=seed, threads=threads
    )


def one_test(
    differences: F64Array, test: PairTest, *, zeros: Zeros = "wilcox", **sampling: Any
) -> PairedTest:
    """Return the outcome of a test of checked differences."""
    wins = int(np.count_nonzero(differences > 0.0))
    losses = int(np.count_nonzero(differences < 0.0))
    mean = _core.mean(differences)
    if test == "t":
        statistic, p, exact = _core.t_test(differences)
    elif test == "wilcoxon":
        positive, negative, p, exact = _core.wilcoxon_test(differences, pratt=zeros == "pratt")
        statistic = min(positive, negative)
    elif test == "sign":
        statistic, p, exact = float(wins), _core.sign_test(wins, losses), True
    else:
        p, exact = _core.randomisation_test(differences, **sampling)
        statistic = mean
    drawn = None if exact or test != "randomisation" else sampling["n_permutations"]
    return PairedTest(
        test=test,
        difference=mean,
        statistic=statistic,
        p=p,
        exact=exact,
        smallest_p=smallest_p(wins + losses, test=test, n_permutations=drawn),
        n=len(differences),
        wins=wins,
        ties=len(differences) - wins - losses,
        losses=losses,
    )


def smallest_p(
    n_discordant: int, *, test: PairTest = "randomisation", n_permutations: int | None = None
) -> float:
    """Return the smallest two-sided p-value that a paired test can give.

    A test cannot be significant at a level below it, whatever the runs do: six queries that
    differ are the fewest for 5 %, and with Holm's correction over three pairs eight are.

    Parameters
    ----------
    n_discordant : int
        Queries on which the two runs differ; ties carry no evidence.
    test : {"randomisation", "t", "wilcoxon", "sign"}, default "randomisation"
        Student's test has no such bound: 0.
    n_permutations : int, optional
        Arrangements drawn, for a randomisation test that samples; counted ones by default.

    Returns
    -------
    float
        ``2 / 2**n_discordant``, at most 1; for a sampled test at least ``1 / (1 +
        n_permutations)``.

    Raises
    ------
    MeasureError
        If there is no such test.
    ShapeError
        If a count is out of range.

    Examples
    --------
    >>> smallest_p(5), smallest_p(6)
    (0.0625, 0.03125)
    """
    check_choice("test", test, get_args(PairTest))
    n_discordant = as_count("n_discordant", n_discordant, least=0)
    if test == "t":
        return 0.0
    counted = min(1.0, 2.0 * 0.5 ** min(n_discordant, 1022))
    if n_permutations is None:
        return counted
    return max(counted, 1.0 / (1 + as_count("n_permutations", n_permutations)))
