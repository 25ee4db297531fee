"""Compare runs: paired differences, tests and corrections."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from embedsmith import _core
from embedsmith._validate import as_count
from embedsmith.exceptions import DataError, MeasureError
from embedsmith.metrics._comparison import PairDifference, PairVerdict, RunComparison, RunTest
from embedsmith.metrics._corrections import Correction, corrected
from embedsmith.metrics._effects import check_margin, effect_of
from embedsmith.metrics._evaluate import (
    N_RESAMPLES,
    Missing,
    ScoreDtype,
    Ties,
    bootstrap,
    check_confidence,
    evaluate_run,
)
from embedsmith.metrics._inputs import Run, check_choice
from embedsmith.metrics._names import parse_measures
from embedsmith.metrics._paired import N_PERMUTATIONS, one_test
from embedsmith.metrics._samples import difference_of, in_order_of, refuse_non_finite

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from embedsmith._typing import F64Array, QrelsLike
    from embedsmith.metrics._measures import Measure
    from embedsmith.metrics._table import MetricTable

__all__ = ["N_PERMUTATIONS", "compare_runs", "compare_tables", "paired_measures"]

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
    test: RunTest = "randomisation",
    confidence: float = 0.95,
    correction: Correction | None = None,
    equivalence_margin: float | None = None,
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
    test, confidence, correction, equivalence_margin, n_permutations, n_resamples, seed, threads
        As for :func:`compare_tables`.

    Returns
    -------
    RunComparison
        One :class:`PairDifference` per measure and pair; written by its ``to_markdown``,
        ``to_latex``, ``to_html``, ``to_dict`` and ``to_pandas``.

    Raises
    ------
    DataError
        If there are fewer than two runs, a name is no text, or ``missing="skip"`` left different
        queries.
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
        test=test,
        confidence=confidence,
        correction=correction,
        equivalence_margin=equivalence_margin,
        n_permutations=n_permutations,
        n_resamples=n_resamples,
        seed=seed,
        threads=threads,
    )


def compare_tables(
    tables: Mapping[str, MetricTable],
    measures: str | Measure | Iterable[str | Measure] | None = None,
    *,
    test: RunTest = "randomisation",
    confidence: float = 0.95,
    correction: Correction | None = None,
    equivalence_margin: float | None = None,
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
        Those to compare; by default all of the first table that are means of values per query.
    test : {"randomisation", "t", "wilcoxon", "sign", "tukey"}, default "randomisation"
        The first four test each pair by itself, see :func:`paired_test`. ``"tukey"`` tests all
        pairs at once by exchanging values within each query, see :func:`tukey_hsd`.
    confidence : float, default 0.95
        Coverage of the intervals; ``1 - confidence`` is the level of the tests.
    correction : {"holm", "bonferroni", "bh", "none"}, optional
        Correction of the p-values, see :func:`corrected_p`; Holm's by default. Tukey's test
        needs none and takes none. The family is all pairs of runs compared by one measure: with
        three runs each p-value answers for three. Measures are not a family, for each answers a
        question of its own; name the one that decides before you look.
    equivalence_margin : float, optional
        Difference of means that does not matter: each pair is then tested for equivalence too,
        see :func:`equivalence`.
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
    By default the test is the paired randomisation test on the mean difference, two-sided [1]_;
    sampled p-values count the observed arrangement, so they are never 0. Identical runs have p = 1.
    A constant difference on n queries has p = 2 / 2**n: five queries are never enough evidence at
    95 %. The verdict follows the corrected p-value alone; the interval may disagree near the
    level, since it is not corrected and says nothing of ranks.

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
    check_choice("test", test, get_args(RunTest))
    family = _family(test, correction)
    margin = None if equivalence_margin is None else check_margin("margin", equivalence_margin)
    n_permutations = as_count("n_permutations", n_permutations)
    n_resamples = as_count("n_resamples", n_resamples)
    seed = as_count("seed", seed, least=0)
    threads = None if threads is None else as_count("threads", threads)
    names = tuple(tables)
    first = tables[names[0]]
    wanted = _wanted(first, measures)
    columns = {name: _columns(name, tables[name], names[0], first, wanted) for name in names}
    sampling: dict[str, Any] = {"n_permutations": n_permutations, "seed": seed, "threads": threads}
    couples = list(combinations(names, _PAIR))
    pairs: list[PairDifference] = []
    for measure in wanted:
        by_name = {name: columns[name][measure] for name in names}
        differences = [difference_of(by_name[a], by_name[b]) for a, b in couples]
        ci, _ = bootstrap(
            {str(i): column for i, column in enumerate(differences)},
            confidence=confidence,
            n_resamples=n_resamples,
            seed=seed,
            threads=threads,
        )
        outcomes = [
            one_test(column, "randomisation" if test == "tukey" else test, **sampling)
            for column in (differences if test != "tukey" else ())
        ]
        if test == "tukey":
            raw = _core.tukey_randomised(np.array(list(by_name.values())), blocked=True, **sampling)
        else:
            raw = [outcome.p for outcome in outcomes]
        corrected_raw = corrected(raw, family)
        equivalence: list[float] | list[None] = [None] * len(couples)
        if margin is not None:
            equivalence = corrected(
                [_core.equivalence_p(column, margin=margin) for column in differences],
                "holm" if test == "tukey" else family,
            )
        for i, (a, b) in enumerate(couples):
            effect = effect_of(differences[i], confidence)
            difference, p_equivalence = _core.mean(differences[i]), equivalence[i]
            pairs.append(
                PairDifference(
                    measure=measure,
                    a=a,
                    b=b,
                    mean_a=tables[a].mean[measure],
                    mean_b=tables[b].mean[measure],
                    difference=difference,
                    ci=ci[str(i)],
                    p=raw[i],
                    p_exact=bool(outcomes) and outcomes[i].exact,
                    p_corrected=corrected_raw[i],
                    wins=effect.wins,
                    ties=effect.ties,
                    losses=effect.losses,
                    verdict=_verdict(difference, corrected_raw[i], confidence),
                    effect_size=effect.d,
                    effect_ci=effect.ci,
                    rank_biserial=effect.rank_biserial,
                    smallest_p=(outcomes[i].smallest_p if outcomes else 1.0 / (1 + n_permutations)),
                    p_equivalence=p_equivalence,
                    equivalent=(
                        None if p_equivalence is None else p_equivalence <= 1.0 - confidence
                    ),
                )
            )
    return RunComparison(
        names=names,
        measures=wanted,
        pairs=tuple(pairs),
        n_queries=first.n_queries,
        confidence=confidence,
        correction=family,
        n_permutations=n_permutations,
        n_resamples=n_resamples,
        seed=seed,
        test=test,
        equivalence_margin=margin,
    )


def _family(test: RunTest, correction: Correction | None) -> Correction:
    """Return the correction that a test needs."""
    if correction is not None:
        check_choice("correction", correction, get_args(Correction))
    if test != "tukey":
        return correction or "holm"
    if correction not in (None, "none"):
        msg = (
            f"correction={correction!r} would correct twice: Tukey's test answers for all pairs "
            "at once. Leave correction out, or pass another test."
        )
        raise MeasureError(msg)
    return "none"


def paired_measures(table: MetricTable) -> tuple[str, ...]:
    """Return the measures of a table whose figure is the mean of their values per query.

    A geometric mean or a count is not: paired differences of its values say nothing of it.

    Parameters
    ----------
    table : MetricTable
        Measured.

    Returns
    -------
    tuple of str
        In the table's order; none if it has no such measure.
    """
    return tuple(
        measure
        for measure in table.measures
        if measure in table.per_query
        and math.isclose(
            _core.mean(table.per_query[measure]), table.mean[measure], rel_tol=1e-9, abs_tol=1e-12
        )
    )


def _wanted(
    first: MetricTable, measures: str | Measure | Iterable[str | Measure] | None
) -> tuple[str, ...]:
    """Return the measures to compare: those of the first table that can be paired."""
    found = paired_measures(first)
    if measures is not None:
        wanted = tuple(map(str, parse_measures(measures)))
        for measure in wanted:
            if measure in first.per_query and measure not in found:
                msg = (
                    f"{measure} is no mean over queries, so that its values cannot be paired. "
                    "Compare one that is, such as AP for gMAP."
                )
                raise MeasureError(msg)
        return wanted
    if not found:
        msg = (
            f"{', '.join(first.measures)}: none is a mean of values per query, so that nothing "
            "can be paired; evaluate with a measure of single queries too."
        )
        raise MeasureError(msg)
    return found


def _verdict(difference: float, p: float, confidence: float) -> PairVerdict:
    if p > 1.0 - confidence or difference == 0.0:
        return "not enough evidence"
    return "better" if difference > 0.0 else "worse"


def _two_or_more(runs: Mapping[str, object]) -> None:
    if len(runs) < _PAIR:
        msg = f"{len(runs)} run(s) to compare; pass two or more by name: {{'a': ..., 'b': ...}}."
        raise DataError(msg)
    # The annotation promises text; callers without a type checker do not.
    names: list[Any] = list(runs)
    for name in names:
        if not (isinstance(name, str) and name.strip()):
            msg = f"a run is named {name!r}; name each by a text of its own."
            raise DataError(msg)


def _columns(
    name: str, table: MetricTable, first_name: str, first: MetricTable, wanted: tuple[str, ...]
) -> dict[str, F64Array]:
    found = {}
    for measure in wanted:
        if measure not in table.per_query:
            msg = (
                f"the table of {name!r} lacks {measure}; it has {', '.join(table.per_query)}. "
                "Evaluate every run with the same measures of single queries."
            )
            raise MeasureError(msg)
        values = in_order_of(name, table, first_name, first, table.per_query[measure])
        refuse_non_finite(f"{measure} of {name!r}", values)
        found[measure] = values
    return found
