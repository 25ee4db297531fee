"""Models compared on a task whose measures may exist over the whole set only."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from embedsmith.evaluation.tasks import paired
from embedsmith.exceptions import MeasureError
from embedsmith.metrics import PairDifference, RunComparison, compare_tables, corrected_p
from embedsmith.metrics._compare import N_PERMUTATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedsmith._typing import F64Array
    from embedsmith.metrics import MetricTable
    from embedsmith.metrics._comparison import PairVerdict
    from embedsmith.metrics._corrections import Correction

__all__ = ["Resampled", "compare_measured"]


class Resampled(Protocol):
    """A model's measures, and those over the whole set on each resample of the items."""

    @property
    def table(self) -> MetricTable:
        """The measures."""
        ...

    @property
    def draws(self) -> Mapping[str, F64Array]:
        """Of each measure over the whole set, its value on every resample."""
        ...


def compare_measured(
    measured: Mapping[str, Resampled],
    measures: Sequence[str] | None = None,
    *,
    confidence: float,
    seed: int,
    correction: Correction | None = None,
    threads: int | None = None,
    **options: Any,
) -> RunComparison:
    """Return the paired differences of models that were measured on the same items.

    Measures that are means over items are compared by ``compare_tables``. Those over the whole
    set are compared resample by resample: the models were resampled alike.

    Parameters
    ----------
    measured : mapping of str to Resampled
        Two or more, by name.
    measures : sequence of str, optional
        Those to compare, in any case of letters; all of the first model if None.
    confidence : float
        Level of intervals and tests.
    seed : int
        Of the randomisation tests.
    correction : {"holm", "bonferroni", "bh", "none"}, optional
        Of the p-values of one measure; ``"holm"`` if None.
    threads : int or None
        For them.
    **options
        More of ``compare_tables``, for measures that are means over items.

    Raises
    ------
    MeasureError
        If there is no such measure, or an option is given that resamples know nothing of.
    """
    tables = {name: part.table for name, part in measured.items()}
    first = next(iter(tables.values()))
    wanted = first.measures if measures is None else _named(measures, first.measures)
    by_items = tuple(name for name in wanted if name not in first.whole_set)
    whole = tuple(name for name in wanted if name in first.whole_set)
    if whole and options:
        msg = (
            f"{', '.join(options)}: {', '.join(whole)} exist over a whole set and are compared by "
            "its resamples, which have no such choice. Leave it out."
        )
        raise MeasureError(msg)
    found: dict[tuple[str, str, str], PairDifference] = {}
    base: RunComparison | None = None
    if by_items:
        base = compare_tables(
            {name: _only(table, by_items) for name, table in tables.items()},
            confidence=confidence,
            seed=seed,
            correction=correction,
            threads=threads,
            **options,
        )
        found = {(pair.measure, pair.a, pair.b): pair for pair in base.pairs}
    family: Correction = correction or "holm"
    for measure in whole:
        for pair in _whole_set(measure, measured, confidence, family):
            found[pair.measure, pair.a, pair.b] = pair
    couples = list(combinations(tables, 2))
    pairs = tuple(found[name, a, b] for name in wanted for a, b in couples)
    if base is not None:
        return replace(base, measures=wanted, pairs=pairs)
    return RunComparison(
        names=tuple(tables),
        measures=wanted,
        pairs=pairs,
        n_queries=first.n_queries,
        confidence=confidence,
        correction=family,
        n_permutations=N_PERMUTATIONS,
        n_resamples=first.settings["n_resamples_whole_set"],
        seed=seed,
        test="bootstrap",
    )


def _named(measures: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Return the measures as the tables write them."""
    by_name = {name.lower(): name for name in known}
    unknown = [name for name in measures if name.lower() not in by_name]
    if unknown:
        msg = f"{unknown[0]} was not measured; there are {', '.join(known)}."
        raise MeasureError(msg)
    return tuple(dict.fromkeys(by_name[name.lower()] for name in measures))


def _only(table: MetricTable, measures: tuple[str, ...]) -> MetricTable:
    return replace(table, measures=measures, whole_set=())


def _whole_set(
    measure: str, measured: Mapping[str, Resampled], confidence: float, correction: Correction
) -> Sequence[PairDifference]:
    couples = list(combinations(measured, 2))
    means = {name: part.table.mean[measure] for name, part in measured.items()}
    draws = {name: part.draws[measure] for name, part in measured.items()}
    # A model whose measure is undefined has one draw: it stands for all of them.
    tests = []
    for a, b in couples:
        of_a, of_b = np.broadcast_arrays(draws[a], draws[b])
        tests.append(paired(means[b] - means[a], of_a, of_b, confidence))
    corrected = corrected_p([test.p for test in tests], correction=correction).tolist()
    return [
        PairDifference(
            measure=measure,
            a=a,
            b=b,
            mean_a=means[a],
            mean_b=means[b],
            difference=means[b] - means[a],
            ci=test.ci,
            p=test.p,
            p_exact=False,
            p_corrected=p,
            # Nothing is won item by item: the measure has no values for single items.
            wins=0,
            ties=0,
            losses=0,
            verdict=_verdict(means[b] - means[a], p, confidence),
        )
        for (a, b), test, p in zip(couples, tests, corrected, strict=True)
    ]


def _verdict(difference: float, p: float, confidence: float) -> PairVerdict:
    if p > 1.0 - confidence or difference == 0.0:
        return "not enough evidence"
    return "better" if difference > 0.0 else "worse"
