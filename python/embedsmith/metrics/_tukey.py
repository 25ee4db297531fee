"""Tukey's honestly significant difference: all pairs of systems at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from embedsmith import _core
from embedsmith._validate import as_count
from embedsmith.exceptions import DataError, MeasureError, ShapeError
from embedsmith.metrics._inputs import check_choice
from embedsmith.metrics._names import parse_measure
from embedsmith.metrics._paired import N_PERMUTATIONS
from embedsmith.metrics._samples import as_values, in_order_of
from embedsmith.metrics._table import MetricTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from embedsmith._typing import F64Array, Json
    from embedsmith.metrics._measures import Measure

__all__ = ["TukeyHsd", "TukeyMethod", "tukey_hsd"]

TukeyMethod: TypeAlias = Literal["randomised", "anova"]

_PAIR = 2


@dataclass(frozen=True)
class TukeyHsd:
    """All pairs of some systems, tested at once.

    Attributes
    ----------
    names : tuple of str
        The systems.
    p : dict of (str, str) to float
        p-value of each pair, in the order of ``names``; it answers for all pairs.
    difference : dict of (str, str) to float
        Mean of the second less that of the first.
    n : int
        Queries.
    method, blocked, n_permutations, seed
        The arguments that the numbers depend on.
    """

    names: tuple[str, ...]
    p: dict[tuple[str, str], float]
    difference: dict[tuple[str, str], float]
    n: int
    method: TukeyMethod
    blocked: bool
    n_permutations: int
    seed: int

    def to_dict(self) -> Json:
        """Return the outcome as JSON-ready values.

        Returns
        -------
        dict
            The attributes, with a list of ``pairs`` that holds both dicts.
        """
        return {
            "names": list(self.names),
            "pairs": [
                {"a": a, "b": b, "difference": self.difference[a, b], "p": p}
                for (a, b), p in self.p.items()
            ],
            "n": self.n,
            "method": self.method,
            "blocked": self.blocked,
            "n_permutations": self.n_permutations,
            "seed": self.seed,
        }


def tukey_hsd(
    systems: Mapping[str, ArrayLike | MetricTable],
    *,
    measure: str | Measure | None = None,
    method: TukeyMethod = "randomised",
    blocked: bool = True,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
    threads: int | None = None,
) -> TukeyHsd:
    """Return which of several systems differ, tested all at once.

    Each p-value is the chance that the largest of all differences is as large as that pair's, if
    no system differs from another: it needs no correction for the number of pairs.

    Parameters
    ----------
    systems : mapping of str to array_like of shape (n_queries,), or MetricTable
        Two systems or more. Arrays list the same queries in the same order; tables are paired
        by query id.
    measure : str or Measure, optional
        Which measure of the tables.
    method : {"randomised", "anova"}, default "randomised"
        ``"randomised"`` [1]_ exchanges values between systems and assumes nothing else.
        ``"anova"`` takes the studentised range distribution, for values that are about normal.
    blocked : bool, default True
        Queries are blocks: values are exchanged within each query, or the queries' means taken
        out of the variance. ``False`` treats each system's queries as its own, which is only
        right, and then necessary, if they are: it finds far less.
    n_permutations : int, default 10_000
        Exchanges to draw; they are always sampled.
    seed : int, default 0
        Seed of the exchanges, from 0 to 2**64 - 1.
    threads : int, optional
        Threads to use; the result does not depend on them. All cores by default.

    Returns
    -------
    TukeyHsd
        p-value and difference of every pair.

    Raises
    ------
    DataError
        If there are fewer than two systems, tables cover different queries, or ``"anova"`` finds
        no variance to compare with.
    MeasureError
        If an option has no such value, or a table lacks the measure.
    NonFiniteError
        If a value is NaN or infinite.
    ShapeError
        If the systems have different numbers of values, or none; or a count is out of range.

    Notes
    -----
    Randomised p-values are (1 + as extreme) / (1 + drawn). With two systems, blocked, this is the
    paired randomisation test. The analysis of variance has (n - 1)(m - 1) degrees of freedom,
    blocked, else m (n - 1); its p-values are told down to 1e-12.

    References
    ----------
    .. [1] B. Carterette, "Multiple testing in statistical analysis of systems-based information
       retrieval experiments", ACM TOIS 30(1), 2012.

    Examples
    --------
    >>> easy = [0.1, 0.3, 0.5, 0.7, 0.9, 0.2, 0.4, 0.6]
    >>> better = [x + 0.05 + 0.01 * (i % 3) for i, x in enumerate(easy)]
    >>> found = tukey_hsd({"a": easy, "b": easy, "c": better})
    >>> found.p["a", "b"], found.p["a", "c"] < 0.05
    (1.0, True)
    """
    check_choice("method", method, get_args(TukeyMethod))
    n_permutations = as_count("n_permutations", n_permutations)
    seed = as_count("seed", seed, least=0)
    threads = None if threads is None else as_count("threads", threads)
    names = tuple(systems)
    columns = _columns(systems, measure, least=2 if method == "anova" else 1)
    if method == "randomised":
        p: list[float] | None = _core.tukey_randomised(
            columns, blocked=blocked, n_permutations=n_permutations, seed=seed, threads=threads
        )
    else:
        p = _core.tukey_of_variance(columns, blocked=blocked)
    if p is None:
        msg = (
            "the values do not vary about the systems' means, so that there is no variance to "
            'compare with; pass method="randomised".'
        )
        raise DataError(msg)
    couples = list(combinations(range(len(names)), _PAIR))
    means = [_core.mean(column) for column in columns]
    return TukeyHsd(
        names=names,
        p={(names[a], names[b]): value for (a, b), value in zip(couples, p, strict=True)},
        difference={(names[a], names[b]): means[b] - means[a] for a, b in couples},
        n=columns.shape[1],
        method=method,
        blocked=blocked,
        n_permutations=n_permutations,
        seed=seed,
    )


def _columns(systems: Mapping[str, Any], measure: str | Measure | None, *, least: int) -> F64Array:
    if len(systems) < _PAIR:
        msg = f"{len(systems)} system(s) to compare; pass two or more by name."
        raise DataError(msg)
    found: list[F64Array] = []
    first_name, first = next(iter(systems.items()))
    for name, values in systems.items():
        if isinstance(values, MetricTable) != isinstance(first, MetricTable):
            msg = f"{name!r} and {first_name!r} are of two kinds; pass tables only, or arrays only."
            raise MeasureError(msg)
        if isinstance(values, MetricTable):
            column = _measured(name, values, measure)
            found.append(in_order_of(name, values, first_name, first, column))
        else:
            found.append(as_values(repr(name), values, least=least))
    if len({len(column) for column in found}) > 1:
        sizes = ", ".join(
            f"{name!r} has {len(column)}" for name, column in zip(systems, found, strict=True)
        )
        msg = f"the systems have different numbers of values: {sizes}; pass one of each per query."
        raise ShapeError(msg)
    return np.array(found)


def _measured(name: str, table: MetricTable, measure: str | Measure | None) -> F64Array:
    known = ", ".join(table.per_query) or "none"
    if measure is None:
        msg = f"tables hold several measures; pass measure=, one of {known}."
        raise MeasureError(msg)
    wanted = str(parse_measure(measure))
    if wanted not in table.per_query:
        msg = f"the table of {name!r} has no values of {wanted} per query, only of {known}."
        raise MeasureError(msg)
    return as_values(f"{wanted} of {name!r}", table.per_query[wanted])
