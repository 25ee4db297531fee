"""The main job: which model answers these queries best, and whether it is good enough."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timezone
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

from embedsmith._core import thread_count
from embedsmith.backends import DEFAULT_BATCH_SIZE, Bm25, EmbeddingCache, load_encoder
from embedsmith.datasets import Dataset, Run, load_dataset
from embedsmith.evaluation._axes import EXCERPT_CHARS, RESCORE_DEPTH, SMALL_SLICE, WORST, Axes
from embedsmith.evaluation._definitions import define
from embedsmith.evaluation._environment import hardware, versions
from embedsmith.evaluation._measurer import Measurer, as_scores
from embedsmith.evaluation._model_result import ModelResult
from embedsmith.evaluation._models import Model, OpenModel, open_models
from embedsmith.evaluation._progress import Progress, Silent
from embedsmith.evaluation._resampling import Resampling
from embedsmith.evaluation._result import DataSummary, EvaluationResult
from embedsmith.evaluation._runner import Observation, Runner
from embedsmith.evaluation._settings import Settings
from embedsmith.evaluation._slices import Slicer
from embedsmith.evaluation._statement import VERDICT_MEASURE, Judge
from embedsmith.evaluation._variants import Variation, as_variant, checked_plan
from embedsmith.exceptions import ShapeError
from embedsmith.metrics import (
    Measure,
    Verdict,
    compare_tables,
    parse_measure,
    parse_measures,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from embedsmith._typing import Json

__all__ = ["DEFAULT_MEASURES", "evaluate"]

logger = logging.getLogger(__name__)

DEFAULT_MEASURES = ("nDCG@10", "R@10", "RR@10")
_LEAST_DEPTH = 100
# AP, RR and nDCG without a cutoff look at the whole list; trec_eval's runs hold 1,000 documents.
_OPEN_DEPTH = 1000


def evaluate(
    encoders: Model | Iterable[Model] | Mapping[str, Model],
    data: Dataset | str | Path,
    *,
    split: str = "test",
    measures: str | Sequence[str] = DEFAULT_MEASURES,
    depth: int | None = None,
    device: str = "cpu",
    batch_size: int = DEFAULT_BATCH_SIZE,
    max_tokens: int | None = None,
    truncate_dim: int | None = None,
    query_prompt: str | None = None,
    document_prompt: str | None = None,
    trust_remote_code: bool = False,
    allow_download: bool = False,
    cache: EmbeddingCache | str | Path | bool | None = None,
    allow_missing: bool = False,
    seed: int = 0,
    confidence: float = 0.95,
    fine_tune_below: float = 0.8,
    keep_above: float = 0.9,
    latency_queries: int = 100,
    dims: int | Iterable[int] = (),
    precisions: str | Iterable[str] = (),
    rescore_depth: int = RESCORE_DEPTH,
    slices: str | Iterable[str] = (),
    small_slice: int = SMALL_SLICE,
    worst: int = WORST,
    excerpts: bool = True,
    excerpt_chars: int = EXCERPT_CHARS,
    threads: int | None = None,
    progress: Progress | None = None,
) -> EvaluationResult:
    """Measure models on labelled queries, compare them, and decide whether to fine-tune.

    Embeds all documents and queries, searches exactly, measures each query, and puts intervals on
    every mean and corrected paired tests on every difference. Models run one after another; each
    is released before the next is loaded. Trains nothing and writes nothing but the cache.

    Parameters
    ----------
    encoders : spec, Encoder, Bm25, an iterable of them, or a mapping from names to them
        ``"st:all-MiniLM-L6-v2"``, ``"bm25"``, or an open model, which stays open. A mapping chooses
        the names in the result; otherwise they are taken from the specs.
    data : Dataset or path
        Labelled queries and their corpus; a path is read by ``load_dataset``.
    split : str, default "test"
        Judgements to use when ``data`` is a path.
    measures : str or sequence of str
        As ``parse_measures`` takes them.
    depth : int, optional
        Documents kept per query. Default: 100 or the largest cutoff, and 1,000 as soon as a
        measure without a cutoff (``AP``, ``RR``) is among the measures.
    device, batch_size, max_tokens, truncate_dim, query_prompt, document_prompt
        Handed to ``load_encoder`` for every spec; open models keep their own.
    trust_remote_code, allow_download : bool, default False
        Likewise.
    cache : path, EmbeddingCache, bool or None
        Folder of cached embeddings for every spec; None and True are the user's cache folder,
        False caches nothing.
    allow_missing : bool, default False
        Drop judgements of unknown documents, and count them, when ``data`` is a path.
    seed : int, default 0
        Of all resampling; equal seeds give equal results on any number of threads.
    confidence : float, default 0.95
        Level of the intervals, in (0, 1).
    fine_tune_below, keep_above : float
        Thresholds of the verdict on Recall@10.
    latency_queries : int, default 100
        Queries timed one at a time, embedding and search together; 0 times none.
    dims : int or iterable of int, optional
        Numbers of columns that the vectors are cut to and measured again at, each with its paired
        difference to the full model: for models trained so that the first columns carry most
        (Matryoshka). Vectors of length 1 are scaled to it again.
    precisions : str or iterable of str, optional
        Of ``"int8"``, ``"binary"``, ``"binary+f32"`` and ``"binary+int8"``: how each column is
        kept, at full width and at each of ``dims``. int8: documents in 256 steps between the least
        and the greatest value of each column (the codes of sentence-transformers'
        ``quantize_embeddings``, calibrated on the documents), compared with queries in float32 by
        the middle of each step. binary: signs of both, compared by Hamming distance; after ``+``,
        what the best of them are scored again by.
    rescore_depth : int, default 100
        How many those are; their order is all that such a search returns.
    slices : str or iterable of str, optional
        Fields of ``data.queries.metadata`` to measure by group, each group with its intervals and
        its paired difference to the first model of the comparison; ``"length"`` is characters of
        the query. Numbers with more than 8 values are cut at their quartiles.
    small_slice : int, default 30
        Groups of fewer queries are marked and warned about.
    worst : int, default 10
        Queries to keep with what was expected and what was found, the worst first, by the first of
        ``measures``; 0 keeps none.
    excerpts : bool, default True
        Whether these carry the beginnings of texts. Without, they name ids only, so that a result
        holds no text and may leave the house.
    excerpt_chars : int, default 200
        Most characters of such a beginning.
    threads : int, optional
        Threads of the search; default: all cores.
    progress : Progress, optional
        Hears what is being done; default: nobody.

    Returns
    -------
    EvaluationResult
        Equal for equal arguments on one machine, apart from ``timing``.

    Raises
    ------
    MeasureError
        If a measure does not exist.
    ModelError
        If a model cannot be used or is given twice.
    DataError
        If the data set is empty or contradicts itself, or no query has a field of ``slices``.
    ShapeError
        If a count, such as ``depth``, is out of range.

    Examples
    --------
    >>> import embedsmith as es
    >>> result = es.evaluate("bm25", "sample:bank", latency_queries=0)
    >>> result.models[0].name, result.models[0].table.n_queries
    ('bm25', 100)
    """
    started = datetime.now(timezone.utc)
    start = time.perf_counter()
    parsed = parse_measures(measures)
    judge = Judge(
        confidence=confidence,
        fine_tune_below=fine_tune_below,
        keep_above=keep_above,
        seed=seed,
        threads=threads,
    )
    axes = Axes.of(
        slices=slices,
        small_slice=small_slice,
        worst=worst,
        excerpts=excerpts,
        excerpt_chars=excerpt_chars,
        plan=checked_plan(dims, precisions, rescore_depth, _deepest(parsed)),
    )
    depth = _depth(depth, parsed)
    if latency_queries < 0:
        msg = f"latency_queries is {latency_queries}; use 0 to time none, or how many to time."
        raise ShapeError(msg)
    if not isinstance(data, Dataset):
        data = load_dataset(data, split=split, allow_missing=allow_missing)
    resampling = Resampling(confidence, seed, threads)
    slicer = Slicer(axes.slices, axes.small_slice, resampling)
    slicer.check(data.queries)
    measurer = Measurer(data, seed, threads)
    progress = progress or Silent()
    options: Json = {
        "device": device,
        "batch_size": batch_size,
        "max_tokens": max_tokens,
        "truncate_dim": truncate_dim,
        "query_prompt": query_prompt,
        "document_prompt": document_prompt,
        "trust_remote_code": trust_remote_code,
    }
    load = partial(
        load_encoder,
        **options,
        allow_download=allow_download,
        cache=None if cache is True else cache,
    )
    with open_models(encoders, load) as opened:
        _warn_of_twins(opened)
        if not any(entry.owned and not isinstance(entry.model, Bm25) for entry in opened):
            # They reached no model, and are not to be read as if they had.
            options = {**dict.fromkeys(options), "trust_remote_code": False}
        settings = Settings(
            **options,
            data=str(data.source or data.path or data.name),
            split=data.split,
            models=tuple(entry.model.spec for entry in opened),
            measures=tuple(str(measure) for measure in parsed),
            depth=depth,
            allow_missing=allow_missing,
            seed=seed,
            confidence=confidence,
            fine_tune_below=fine_tune_below,
            keep_above=keep_above,
            **axes.settings(),
        )
        place = {"hardware": hardware(), "versions": versions()}
        runner = Runner(
            data=data,
            settings=settings,
            place=place,
            latency_queries=latency_queries,
            threads=threads,
            progress=progress,
            variation=Variation(axes.plan, measurer, parsed, depth, progress),
        )
        models: list[ModelResult] = []
        for entry in opened:
            observation = runner.run(entry.label, entry.model)
            # Its memory is to be free before the next one loads.
            entry.release()
            models.append(
                _measured(
                    entry.label,
                    observation,
                    data,
                    parsed,
                    judge,
                    depth=depth,
                    measurer=measurer,
                    axes=axes,
                )
            )
    # A baseline goes first, so that each difference tells what a model adds to it.
    in_order = sorted(models, key=lambda model: model.dim is not None)
    comparison = None
    if len(models) > 1:
        comparison = compare_tables(
            {model.name: model.table for model in in_order},
            confidence=confidence,
            seed=seed,
            threads=threads,
        )
    return EvaluationResult(
        data=_summary(data),
        settings=settings,
        qrels=data.qrels,
        models=slicer.cut(models, data.queries, in_order[0].name),
        comparison=comparison,
        definitions={str(measure): define(measure) for measure in parsed},
        hardware=place["hardware"],
        versions=place["versions"],
        timing={
            "started": started.isoformat(timespec="seconds"),
            "seconds": time.perf_counter() - start,
            "threads": thread_count(threads),
        },
    )


def _deepest(measures: Sequence[Measure]) -> int:
    return max(measure.cutoff or 0 for measure in measures)


def _depth(depth: int | None, measures: Sequence[Measure]) -> int:
    """Return how many documents to keep per query, and refuse too few for the measures."""
    deepest = _deepest((*measures, parse_measure(VERDICT_MEASURE)))
    if depth is None:
        is_open = any(measure.cutoff is None for measure in measures)
        return max(deepest, _OPEN_DEPTH if is_open else _LEAST_DEPTH)
    if depth < deepest:
        msg = (
            f"depth is {depth}, but the measures look at the first {deepest} documents (the "
            f"verdict at {VERDICT_MEASURE}). Raise it to {deepest}, or leave it out."
        )
        raise ShapeError(msg)
    return depth


def _warn_of_twins(opened: Sequence[OpenModel]) -> None:
    for first, second in combinations(opened, 2):
        if first.model.fingerprint == second.model.fingerprint:
            logger.warning(
                "%s and %s are the same model (fingerprint %s): their difference says nothing.",
                first.label,
                second.label,
                first.model.fingerprint.short,
            )


def _measured(
    label: str,
    observation: Observation,
    data: Dataset,
    measures: tuple[Measure, ...],
    judge: Judge,
    *,
    depth: int,
    measurer: Measurer,
    axes: Axes,
) -> ModelResult:
    hits = as_scores(observation.hits, observation.metric)
    resampling = Resampling(judge.confidence, judge.seed, judge.threads)
    table = measurer.table(hits, measures, confidence=judge.confidence)
    decisive = measurer.table(hits, [parse_measure(VERDICT_MEASURE)])
    verdict: Verdict | None = None
    if observation.dim is None:
        statement = judge.describe(label, observation.fingerprint, data, decisive)
    else:
        verdict, statement = judge.judge(label, observation.fingerprint, data, decisive)
    result = ModelResult(
        name=label,
        spec=observation.spec,
        fingerprint=observation.fingerprint,
        dim=observation.dim,
        encoder=observation.encoder,
        table=table,
        run=Run.from_topk(hits.scores, hits.rows, data.queries.ids, data.corpus.ids),
        depth=depth,
        truncation=observation.truncation,
        verdict=verdict,
        statement=statement,
        timing=observation.timing,
        variants=tuple(
            as_variant(form, measured, table, resampling) for form, measured in observation.variants
        ),
    )
    return axes.answer(result, data, partial(measurer.table, hits))


def _summary(data: Dataset) -> DataSummary:
    return DataSummary(
        name=data.name,
        split=data.split,
        hash=data.hash,
        n_documents=len(data.corpus),
        n_queries=len(data.queries),
        n_judgements=data.qrels.n_pairs,
        n_unjudged=data.n_unjudged,
        n_dropped=data.n_dropped,
        n_blank_documents=data.corpus.n_empty,
        n_blank_queries=data.queries.n_empty,
        n_repeated_documents=len(data.corpus) - len(set(data.corpus.texts)),
    )
