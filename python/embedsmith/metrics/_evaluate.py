"""Measure one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedsmith.metrics._aggregate import (
    N_RESAMPLES,
    bootstrap,
    check_confidence,
    measure_intervals,
)
from embedsmith.metrics._arrays import check_ids_fit
from embedsmith.metrics._evaluator import Evaluator
from embedsmith.metrics._options import Missing, Preset, ScoreDtype, Ties

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from embedsmith.metrics._collapse import Collapse
    from embedsmith.metrics._inputs import QrelsInput, RunInput
    from embedsmith.metrics._measures import Measure
    from embedsmith.metrics._table import MetricTable

__all__ = [
    "N_RESAMPLES",
    "Missing",
    "ScoreDtype",
    "Ties",
    "bootstrap",
    "check_confidence",
    "evaluate_run",
    "measure_intervals",
]


def evaluate_run(
    qrels: QrelsInput,
    run: RunInput,
    measures: str | Measure | Iterable[str | Measure],
    *,
    query_ids: Sequence[Any] | NDArray[Any] | None = None,
    doc_ids: Sequence[Any] | NDArray[Any] | None = None,
    preset: Preset | None = None,
    ties: Ties | None = None,
    missing: Missing | None = None,
    no_relevant: Missing | None = None,
    unjudged: Missing = "skip",
    score_dtype: ScoreDtype | None = None,
    ignore_self: bool | None = None,
    collapse: Collapse | None = None,
    confidence: float | None = 0.95,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    threads: int | None = None,
) -> MetricTable:
    """Return the measures of a run against judgements, per query and on average.

    Follows ``trec_eval -c`` in float64. It does not search, and it does not round.

    Parameters
    ----------
    qrels : mapping, (offsets, rows, grades) or frame
        Grades per query and document: a mapping of ids to mappings of ids; or arrays, where the
        documents of list i are ``rows[offsets[i]:offsets[i + 1]]``, for a run of arrays; or a frame
        of pandas, polars or pyarrow with columns such as query_id, doc_id, relevance. Ids are
        strings or integers. Grades are finite numbers; from 1 on a document is relevant (see
        ``rel`` of :class:`Measure`), a missing one is not.
    run : mapping, (scores, rows) or frame
        Scores per query and document, larger is better: a mapping of ids to mappings of ids, to
        lists of (id, score), or to lists of ids, best first; a frame with columns such as
        query_id, doc_id, score; or what :func:`embedsmith.topk` returned: ``scores`` of shape
        (n_queries, k), float, falling along each row, and ``rows`` of the same shape, integers,
        positions in ``doc_ids``, where -1 ends a list. Without ``doc_ids``, rows are the integers
        that the judgements name. Arrays are borrowed, and no dict is built from them. Scores of
        the l2 metric are distances: pass ``(-scores, rows)``.
    measures : str, Measure or iterable of them
        ``["ndcg@10", "recall@100", "rr@10"]`` or ``"ndcg@10,recall@100"``; see
        :func:`parse_measure`.
    query_ids, doc_ids : sequence or array of str or int, optional
        The ids behind the rows of ``scores`` and the numbers in ``rows``; for arrays only.
    preset : str, optional
        Measure as another tool does: "trec_eval-9", "trec_eval-10", "pytrec_eval", "beir", "mteb",
        "sentence-transformers" or "msmarco"; see Notes. Arguments that are named go before it.
    ties : {"docid_desc", "docid_asc", "input", "expected", "best", "worst", "error"}, optional
        Which of two documents with equal scores comes first: the one with the larger id by bytes
        (trec_eval's rule and the default; integers by size), the smaller, the one listed first in
        ``run``, the one with the larger grade (documents without one last), or the smaller.
        ``"expected"`` gives the expected value over all orders [2]_, ``"error"`` refuses a judged
        document that ties.
    missing : {"zero", "skip", "error"}, default "zero"
        A judged query that the run lacks scores 0, is left out, or is an error. The first two are
        counted, and named in one warning.
    no_relevant : {"zero", "skip", "error"}, default "zero"
        The same for a judged query without any document of positive grade; counted.
    unjudged : {"zero", "skip", "error"}, default "skip"
        The same for a query of the run without judgements; counted.
    score_dtype : {"f64", "f32"}, default "f64"
        ``"f32"`` rounds scores before they are compared, which reproduces trec_eval up to 9.0.8
        and pytrec_eval.
    ignore_self : bool, default False
        Take the document out of a list whose id is the query's, as for queries that are
        themselves part of the corpus.
    collapse : mapping or callable, optional
        From the id of a chunk in the run to that of its document, which the judgements name.
        A document gets its best chunk's score.
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
        Values per query, means, intervals, and counts of whatever was unusual.

    Raises
    ------
    MeasureError
        If a measure is unknown or lacks its cutoff, an option has no such value, or a grade has
        no gain.
    DataError
        If ``qrels`` or ``run`` is empty, they share no query, an id is neither a string nor an
        integer or occurs twice, a grade is no finite number, or a list is not sorted.
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
    Duplicates cannot occur in a mapping; in arrays, lists and frames they are an error.

    Intervals are bias-corrected and accelerated bootstrap intervals over queries [1]_; where all
    queries have one value, the bound that :func:`embedsmith.decide` describes. Drops the GIL
    wherever no Python object is read.

    The presets: ``trec_eval-9`` compares scores in float32 and is ``trec_eval -c`` up to 9.0.8;
    ``trec_eval-10`` compares in float64 and rounds the levels of IPrec and 11pt to the nearest
    document; ``pytrec_eval`` is ``trec_eval-9`` over the queries that the run has; ``beir`` and
    ``mteb`` are the same, their own RR and capped recall (BEIR's accuracy too) in float64, with
    BEIR's ties in the order of the run and ``ignore_self=True``; ``sentence-transformers`` takes
    gains of 0 and 1, divides AP@k by the smaller of k and the relevant documents, and leaves out
    queries without any; ``msmarco`` keeps the order of the run, and RR is RR@10. Unlike some of
    these tools, none rounds.

    References
    ----------
    .. [1] B. Efron, "Better bootstrap confidence intervals", JASA 82(397), 1987.
    .. [2] F. McSherry, M. Najork, "Computing information retrieval performance measures
       efficiently in the presence of tied scores", ECIR 2008.

    Examples
    --------
    >>> qrels = {"q1": {"d1": 1, "d2": 3}, "q2": {"d3": 1}}
    >>> run = {"q1": {"d2": 0.9, "d1": 0.8}, "q2": {"d4": 0.6, "d3": 0.5}}
    >>> table = evaluate_run(qrels, run, "ndcg@10,mrr@10")
    >>> table.per_query["RR@10"].tolist(), table.mean["RR@10"]
    ([1.0, 0.5], 0.75)
    >>> tied = {"q1": {"d1": 0.5, "d9": 0.5}, "q2": {"d3": 1.0}}
    >>> evaluate_run(qrels, tied, "RR", ties="expected").per_query["RR"].tolist()
    [0.75, 1.0]
    """
    check_ids_fit(run, query_ids, doc_ids)
    evaluator = Evaluator(
        qrels,
        measures,
        query_ids=query_ids,
        doc_ids=doc_ids,
        preset=preset,
        ties=ties,
        missing=missing,
        no_relevant=no_relevant,
        unjudged=unjudged,
        score_dtype=score_dtype,
        ignore_self=ignore_self,
        collapse=collapse,
        confidence=confidence,
        n_resamples=n_resamples,
        seed=seed,
        threads=threads,
    )
    return evaluator.evaluate(run)
