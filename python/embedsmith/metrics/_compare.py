"""Compare runs: paired differences, tests and corrections."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, get_args

import numpy as np

from embedsmith import _core
from embedsmith._validate import as_count
from embedsmith.exceptions import DataError, MeasureError
from embedsmith.metrics._comparison import (
    Correction,
    PairDifference,
    PairVerdict,
    RunComparison,
)
from embedsmith.metrics._evaluate import (
    N_RESAMPLES,
    Missing,
    ScoreDtype,
    Ties,
    bootstrap,
    check_confidence,
    evaluate_run,
)
from embedsmith.metrics._inputs import Run, check_choice, first_ids
from embedsmith.metrics._measures import Measure, parse_measures

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from embedsmith._typing import F64Array, QrelsLike
    from embedsmith.metrics._table import MetricTable

__all__ = ["compare_runs", "compare_tables"]

N_PERMUTATIONS = 10_000

_PAIR = 2


def compare_runs(
    qrels: QrelsLike,
    runs: Mapping[str, Run],
    measures: str | Measure | Iterable[str | Measure],
    *,
    query_ids: Sequence[str] | NDArray[np.str_] | None = None,
    doc_ids: Sequence[str] | NDArray[np.str_] | None = None,
    ties: Ties = "docid_desc",
    missing: Missing = "zero",
    score_dtype: ScoreDtype = "f64",
    confidence: float = 0.95,
    correction: Correction = "holm",
    n_permutations: int = N_PERMUTATIONS,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    threads: int | None = None,
) -> RunComparison:
    """Return the paired differences between runs, with intervals, tests and verdicts.

    Measures each run with :func:`evaluate_run` and compares the tables with
    :func:`compare_tables`. It does not rank the runs.

    Parameters
    ----------
    qrels : mapping of str to mapping of str to int
        Grades per query and document.
    runs : mapping of str to run
        Two or more runs by name, each as for :func:`evaluate_run`. Runs of arrays share
        ``query_ids`` and ``doc_ids``.
    measures : str, Measure or iterable of them
        See :func:`parse_measure`.
    query_ids, doc_ids, ties, missing, score_dtype
        As for :func:`evaluate_run`.
    confidence, correction, n_permutations, n_resamples, seed, threads
        As for :func:`compare_tables`.

    Returns
    -------
    RunComparison
        One :class:`PairDifference` per measure and pair.

    Raises
    ------
    DataError
        If there are fewer than two runs, or ``missing="skip"`` left different queries.
    MeasureError, NonFiniteError, ShapeError
        As for :func:`evaluate_run`.

    Examples
    --------
    >>> qrels = {f"q{i}": {"d": 1} for i in range(8)}
    >>> a = {q: {"x": 0.9, "d": 0.5} for q in qrels}
    >>> b = {q: {"x": 0.1, "d": 0.5} for q in qrels}
    >>> pair = compare_runs(qrels, {"a": a, "b": b}, ["RR"]).pairs[0]
    >>> pair.difference, pair.p, pair.verdict
    (0.5, 0.0078125, 'better')
    """
    _two_or_more(runs)
    parsed = parse_measures(measures)
    tables = {
        name: evaluate_run(
            qrels,
            run,
            parsed,
            query_ids=query_ids if isinstance(run, tuple) else None,
            doc_ids=doc_ids if isinstance(run, tuple) else None,
            ties=ties,
            missing=missing,
            score_dtype=score_dtype,
            confidence=None,
            threads=threads,
        )
        for name, run in runs.items()
    }
    return compare_tables(
        tables,
        confidence=confidence,
        correction=correction,
        n_permutations=n_permutations,
        n_resamples=n_resamples,
        seed=seed,
        threads=threads,
    )


def compare_tables(
    tables: Mapping[str, MetricTable],
    measures: str | Measure | Iterable[str | Measure] | None = None,
    *,
    confidence: float = 0.95,
    correction: Correction = "holm",
    n_permutations: int = N_PERMUTATIONS,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    threads: int | None = None,
) -> RunComparison:
    """Return the paired differences between measured runs, with intervals, tests and verdicts.

    Pairs the runs query by query. It needs no judgements, so the tables may come from files.

    Parameters
    ----------
    tables : mapping of str to MetricTable
        Two or more tables by name, over the same queries; their order may differ.
    measures : str, Measure or iterable of them, optional
        Those to compare; all of the first table by default.
    confidence : float, default 0.95
        Coverage of the intervals; ``1 - confidence`` is the level of the tests.
    correction : {"holm", "none"}, default "holm"
        Correction of the p-values. The family is all pairs of runs compared by one measure:
        with three runs each p-value answers for three. Measures are not a family, for each
        answers a question of its own; name the one that decides before you look.
    n_permutations : int, default 10_000
        Arrangements of signs that the test draws where counting all of them would take long.
    n_resamples : int, default 10_000
        Bootstrap resamples of the queries.
    seed : int, default 0
        Seed of both, from 0 to 2**64 - 1.
    threads : int, optional
        Threads to use; the result does not depend on them. All cores by default.

    Returns
    -------
    RunComparison
        One :class:`PairDifference` per measure and pair.

    Raises
    ------
    DataError
        If there are fewer than two tables, or they cover different queries.
    MeasureError
        If a table lacks a measure, or an option has no such value.
    ShapeError
        If a count is out of range.

    Notes
    -----
    The test is the paired randomisation test on the mean difference, two-sided [1]_; sampled
    p-values count the observed arrangement, so they are never 0. Identical runs have p = 1. A
    constant difference on n queries has p = 2 / 2**n: five queries are never enough evidence at
    95 %. The verdict follows the corrected p-value alone; the interval may disagree near the
    level, since it is not corrected.

    References
    ----------
    .. [1] M. D. Smucker, J. Allan, B. Carterette, "A comparison of statistical significance tests
       for information retrieval evaluation", CIKM 2007.
    .. [2] S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
       Journal of Statistics 6(2), 1979.

    Examples
    --------
    >>> from embedsmith.metrics import evaluate_run
    >>> qrels = {"q1": {"d": 1}, "q2": {"d": 1}}
    >>> run = {"q1": {"d": 1.0}, "q2": {"d": 1.0}}
    >>> table = evaluate_run(qrels, run, ["RR"])
    >>> compare_tables({"a": table, "b": table}).pairs[0].verdict
    'not enough evidence'
    """
    _two_or_more(tables)
    check_confidence(confidence)
    check_choice("correction", correction, get_args(Correction))
    n_permutations = as_count("n_permutations", n_permutations)
    n_resamples = as_count("n_resamples", n_resamples)
    seed = as_count("seed", seed, least=0)
    threads = None if threads is None else as_count("threads", threads)
    names = tuple(tables)
    first = tables[names[0]]
    wanted = first.measures if measures is None else tuple(map(str, parse_measures(measures)))
    columns = {name: _columns(name, tables[name], names[0], first, wanted) for name in names}
    pairs: list[PairDifference] = []
    for measure in wanted:
        couples = list(combinations(names, _PAIR))
        differences = {
            f"{i}": columns[b][measure] - columns[a][measure] for i, (a, b) in enumerate(couples)
        }
        ci, _ = bootstrap(
            differences,
            confidence=confidence,
            n_resamples=n_resamples,
            seed=seed,
            threads=threads,
        )
        tests = [
            _core.randomisation_test(
                column, n_permutations=n_permutations, seed=seed, threads=threads
            )
            for column in differences.values()
        ]
        p = [found for found, _ in tests]
        corrected = _core.holm(p) if correction == "holm" else p
        for (a, b), (key, column), (raw, exact), p_corrected in zip(
            couples, differences.items(), tests, corrected, strict=True
        ):
            difference = _core.mean(column)
            pairs.append(
                PairDifference(
                    measure=measure,
                    a=a,
                    b=b,
                    mean_a=tables[a].mean[measure],
                    mean_b=tables[b].mean[measure],
                    difference=difference,
                    ci=ci[key],
                    p=raw,
                    p_exact=exact,
                    p_corrected=p_corrected,
                    wins=int(np.count_nonzero(column > 0)),
                    ties=int(np.count_nonzero(column == 0)),
                    losses=int(np.count_nonzero(column < 0)),
                    verdict=_verdict(difference, p_corrected, confidence),
                )
            )
    return RunComparison(
        names=names,
        measures=wanted,
        pairs=tuple(pairs),
        n_queries=first.n_queries,
        confidence=confidence,
        correction=correction,
        n_permutations=n_permutations,
        n_resamples=n_resamples,
        seed=seed,
    )


def _verdict(difference: float, p: float, confidence: float) -> PairVerdict:
    if p > 1.0 - confidence or difference == 0.0:
        return "not enough evidence"
    return "better" if difference > 0.0 else "worse"


def _two_or_more(runs: Mapping[str, object]) -> None:
    if len(runs) < _PAIR:
        msg = f"{len(runs)} run(s) to compare; pass two or more by name: {{'a': ..., 'b': ...}}."
        raise DataError(msg)


def _columns(
    name: str, table: MetricTable, first_name: str, first: MetricTable, wanted: tuple[str, ...]
) -> dict[str, F64Array]:
    for measure in wanted:
        if measure not in table.per_query:
            msg = (
                f"the table of {name!r} lacks {measure}; it has {', '.join(table.measures)}. "
                "Evaluate every run with the same measures."
            )
            raise MeasureError(msg)
    if table.query_ids == first.query_ids:
        return {measure: table.per_query[measure] for measure in wanted}
    apart = set(table.query_ids) ^ set(first.query_ids)
    if apart:
        msg = (
            f"{name!r} and {first_name!r} were measured on different queries: {len(apart)} are in "
            f"one only, such as {first_ids(sorted(apart))}. "
            'Evaluate both on the same judgements, with missing="zero".'
        )
        raise DataError(msg)
    place = {query: i for i, query in enumerate(table.query_ids)}
    order = np.array([place[query] for query in first.query_ids])
    return {measure: table.per_query[measure][order] for measure in wanted}
