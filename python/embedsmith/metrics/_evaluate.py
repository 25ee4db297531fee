"""Measure one run."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from embedsmith import _core
from embedsmith._validate import as_count
from embedsmith.exceptions import DataError, MeasureError
from embedsmith.metrics._inputs import (
    ArrayRun,
    Run,
    array_run,
    check_choice,
    first_ids,
    plain_dict,
)
from embedsmith.metrics._measures import Measure, parse_measures
from embedsmith.metrics._table import IntervalMethod, MetricTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from embedsmith._typing import F64Array, QrelsLike

__all__ = [
    "Missing",
    "ScoreDtype",
    "Ties",
    "bootstrap",
    "check_confidence",
    "evaluate_run",
    "measure_intervals",
]

Ties: TypeAlias = Literal["docid_desc", "docid_asc", "input", "error"]
Missing: TypeAlias = Literal["zero", "skip", "error"]
ScoreDtype: TypeAlias = Literal["f64", "f32"]

N_RESAMPLES = 10_000


def evaluate_run(
    qrels: QrelsLike,
    run: Run,
    measures: str | Measure | Iterable[str | Measure],
    *,
    query_ids: Sequence[str] | NDArray[np.str_] | None = None,
    doc_ids: Sequence[str] | NDArray[np.str_] | None = None,
    ties: Ties = "docid_desc",
    missing: Missing = "zero",
    score_dtype: ScoreDtype = "f64",
    confidence: float | None = 0.95,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    threads: int | None = None,
) -> MetricTable:
    """Return the measures of a run against judgements, per query and on average.

    Follows ``trec_eval -c`` in float64. It does not search, and it does not round.

    Parameters
    ----------
    qrels : mapping of str to mapping of str to int
        Grades per query and document. A document is relevant from grade 1 on; a missing one is
        not relevant. Bools and whole floats are taken as grades.
    run : mapping of str to mapping of str to float, or (scores, rows)
        Scores per query and document, larger is better; or what :func:`embedsmith.topk` returned:
        ``scores`` of shape (n_queries, k), float, falling along each row, and ``rows`` of the same
        shape, int64, positions in ``doc_ids``, where -1 ends a list. Arrays are borrowed, and no
        dict is built from them. Scores of the l2 metric are distances: pass ``(-scores, rows)``.
    measures : str, Measure or iterable of them
        ``["ndcg@10", "recall@100", "rr@10"]`` or ``"ndcg@10,recall@100"``; see
        :func:`parse_measure`.
    query_ids, doc_ids : sequence or array of str, optional
        The ids behind the rows of ``scores`` and the numbers in ``rows``; for arrays only.
    ties : {"docid_desc", "docid_asc", "input", "error"}, default "docid_desc"
        Which of two documents with equal scores comes first: the one with the larger id by bytes
        (trec_eval's rule), the smaller, or the one listed first in ``run``. ``"error"`` refuses a
        relevant document that ties.
    missing : {"zero", "skip", "error"}, default "zero"
        A judged query that the run lacks scores 0, is left out, or is an error. The first two are
        counted, and named in one warning.
    score_dtype : {"f64", "f32"}, default "f64"
        ``"f32"`` rounds scores before they are compared, which reproduces trec_eval up to 9.0.8
        and pytrec_eval.
    confidence : float or None, default 0.95
        Coverage of the intervals, between 0 and 1. ``None`` computes none.
    n_resamples : int, default 10_000
        Bootstrap resamples of the queries; times the measures at most 2**27, which is 1 GiB.
    seed : int, default 0
        Seed of the resamples, from 0 to 2**64 - 1. Equal seeds draw the same queries for every
        measure and run.
    threads : int, optional
        Threads to use; the result does not depend on them. All cores by default.

    Returns
    -------
    MetricTable
        Values in [0, 1], means, intervals, and counts of whatever was unusual.

    Raises
    ------
    MeasureError
        If a measure is unknown or lacks its cutoff, or an option has no such value.
    DataError
        If ``qrels`` or ``run`` is empty, they share no query, an id is no string or occurs twice,
        a grade is no whole number, or a list is not sorted.
    NonFiniteError
        If a score is NaN; the message names the query and the document.
    ShapeError
        If arrays do not fit each other, or a count is out of range.

    Warns
    -----
    UserWarning
        If judged queries are missing, or arrays are shallower than a cutoff.

    Notes
    -----
    A query of the run without judgements is ignored and counted. A judged query without any
    relevant document scores 0 and is counted. Duplicates cannot occur in a mapping; in arrays
    they are an error.

    Intervals are bias-corrected and accelerated bootstrap intervals over queries [1]_; where all
    queries have one value, the bound that :func:`embedsmith.decide` describes. Drops the GIL
    wherever no Python object is read.

    References
    ----------
    .. [1] B. Efron, "Better bootstrap confidence intervals", JASA 82(397), 1987.

    Examples
    --------
    >>> qrels = {"q1": {"d1": 1, "d2": 3}, "q2": {"d3": 1}}
    >>> run = {"q1": {"d2": 0.9, "d1": 0.8}, "q2": {"d4": 0.6, "d3": 0.5}}
    >>> table = evaluate_run(qrels, run, "ndcg@10,mrr@10")
    >>> table.per_query["RR@10"].tolist(), table.mean["RR@10"]
    ([1.0, 0.5], 0.75)
    """
    parsed = parse_measures(measures)
    check_choice("ties", ties, get_args(Ties))
    check_choice("missing", missing, get_args(Missing))
    check_choice("score_dtype", score_dtype, get_args(ScoreDtype))
    check_confidence(confidence)
    n_resamples = as_count("n_resamples", n_resamples)
    seed = as_count("seed", seed, least=0)
    threads = None if threads is None else as_count("threads", threads)

    judged = plain_dict("qrels", qrels)
    f32_scores = score_dtype == "f32"
    lists: dict[str, Any] | ArrayRun
    if isinstance(run, tuple):
        lists = array_run(run, query_ids, doc_ids, f32_scores=f32_scores)
        searched: dict[str, Any] = lists.list_of
        _warn_if_shallow(lists, parsed)
    else:
        lists = searched = plain_dict("run", run)
        if query_ids is not None or doc_ids is not None:
            msg = (
                "query_ids and doc_ids belong to a run of arrays; "
                "leave them out for a mapping, which names its ids."
            )
            raise DataError(msg)
    evaluated, n_missing = _evaluated_queries(judged, searched, missing)

    specs = [(measure.kind, measure.cutoff, measure.rel) for measure in parsed]
    if isinstance(lists, ArrayRun):
        values, n_no_relevant, n_hits, n_tied = _core.measure_arrays(
            evaluated,
            judged,
            lists.scores,
            lists.rows,
            lists.list_of,
            lists.row_of,
            lists.doc_ids,
            specs,
            ties_rule=ties,
            threads=threads,
        )
    else:
        values, n_no_relevant, n_hits, n_tied = _core.measure_dicts(
            evaluated, judged, lists, specs, ties_rule=ties, f32_scores=f32_scores, threads=threads
        )
    values.flags.writeable = False

    names = tuple(str(measure) for measure in parsed)
    ci, ci_method = measure_intervals(
        dict(zip(names, values, strict=True)),
        confidence=confidence,
        n_resamples=n_resamples,
        seed=seed,
        threads=threads,
    )
    return MetricTable(
        measures=names,
        query_ids=tuple(evaluated),
        per_query=dict(zip(names, values, strict=True)),
        mean={name: _core.mean(row) for name, row in zip(names, values, strict=True)},
        ci=ci,
        ci_method=ci_method,
        n_queries=len(evaluated),
        n_missing=n_missing,
        n_unjudged=sum(query not in judged for query in searched),
        n_no_relevant=n_no_relevant,
        tie_share=n_tied / n_hits if n_hits else 0.0,
        settings={
            "confidence": confidence,
            "missing": missing,
            "n_resamples": n_resamples,
            "score_dtype": score_dtype,
            "seed": seed,
            "ties": ties,
        },
    )


def check_confidence(confidence: float | None) -> None:
    """Refuse a confidence outside (0, 1)."""
    if confidence is not None and not 0.0 < confidence < 1.0:
        msg = f"confidence={confidence!r} is not between 0 and 1; pass 0.95 for 95 %."
        raise MeasureError(msg)


def bootstrap(
    columns: dict[str, F64Array],
    *,
    confidence: float | None,
    n_resamples: int,
    seed: int,
    threads: int | None,
) -> tuple[dict[str, tuple[float, float]], dict[str, IntervalMethod]]:
    """Return the interval of each column's mean and how it was computed; nothing for ``None``."""
    if confidence is None:
        return {}, {}
    found = _core.bootstrap_intervals(
        np.array(list(columns.values()), dtype=np.float64),
        confidence=confidence,
        n_resamples=n_resamples,
        seed=seed,
        threads=threads,
    )
    ci = {name: (low, high) for name, (low, high, _) in zip(columns, found, strict=True)}
    methods: dict[str, Any] = {
        name: method for name, (_, _, method) in zip(columns, found, strict=True)
    }
    return ci, methods


def measure_intervals(
    columns: dict[str, F64Array],
    *,
    confidence: float | None,
    n_resamples: int,
    seed: int,
    threads: int | None,
) -> tuple[dict[str, tuple[float, float]], dict[str, IntervalMethod]]:
    """Return the intervals of values in [0, 1]: as :func:`bootstrap`, but never without width.

    Where all values are equal the bootstrap has nothing to vary, and would claim certainty from a
    single query. The interval is then the one that Markov's inequality gives; see ``decide``.
    """
    ci, methods = bootstrap(
        columns, confidence=confidence, n_resamples=n_resamples, seed=seed, threads=threads
    )
    for name, method in methods.items():
        if method == "constant" and confidence is not None:
            value = float(columns[name][0])
            ci[name] = _core.constant_interval(value, len(columns[name]), confidence=confidence)
    return ci, methods


def _evaluated_queries(
    judged: dict[str, Any], searched: dict[str, Any], missing: Missing
) -> tuple[list[str], int]:
    if not judged:
        msg = "qrels is empty; without judgements there is nothing to measure: pass some."
        raise DataError(msg)
    if not searched:
        msg = "run is empty; pass the results of at least one query."
        raise DataError(msg)
    absent = [query for query in judged if query not in searched]
    if len(absent) == len(judged):
        msg = (
            f"the run and the judgements have no query in common: the run has "
            f"{first_ids(searched, 3)}; the judgements have {first_ids(judged, 3)}. "
            "Pass the run of the judged queries, with the same ids."
        )
        raise DataError(msg)
    if not absent:
        return list(judged), 0
    named = f"{len(absent)} of {len(judged)} judged queries are not in the run: {first_ids(absent)}"
    if missing == "error":
        msg = f'{named}. Search for them too, or pass missing="zero" or "skip".'
        raise DataError(msg)
    if missing == "skip":
        warnings.warn(f'{named}. They are left out (missing="skip").', UserWarning, stacklevel=3)
        gone = set(absent)
        return [query for query in judged if query not in gone], len(absent)
    warnings.warn(f'{named}. They score 0 (missing="zero").', UserWarning, stacklevel=3)
    return list(judged), len(absent)


def _warn_if_shallow(run: ArrayRun, measures: tuple[Measure, ...]) -> None:
    depth = run.rows.shape[1]
    cut_short = [str(m) for m in measures if m.cutoff is not None and m.cutoff > depth]
    if cut_short and depth < len(run.doc_ids):
        msg = (
            f"{', '.join(cut_short)} is measured on lists of {depth}, "
            "so relevant documents further down do not count. Search with a larger k."
        )
        warnings.warn(msg, UserWarning, stacklevel=3)
