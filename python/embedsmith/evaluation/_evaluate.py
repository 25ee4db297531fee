"""The main job: which model answers these queries best, and whether it is good enough."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from embedsmith._core import thread_count
from embedsmith._validate import as_count
from embedsmith.backends import Bm25, EmbeddingCache
from embedsmith.backends.api import ApiOptions, Budget
from embedsmith.datasets import Dataset, TaskData, load_task
from embedsmith.datasets._load_task import check_same_task
from embedsmith.evaluation._axes import EXCERPT_CHARS, RESCORE_DEPTH, SMALL_SLICE, WORST, Axes
from embedsmith.evaluation._buckets import LATENCY_BATCHES, LATENCY_SECONDS, BatchTiming
from embedsmith.evaluation._environment import hardware, versions
from embedsmith.evaluation._loading import ModelOptions
from embedsmith.evaluation._models import Model, chosen_because, open_models, warn_of_twins
from embedsmith.evaluation._progress import Progress, Silent
from embedsmith.evaluation._result import EvaluationResult
from embedsmith.evaluation._retrieval_job import RetrievalJob, deepest
from embedsmith.evaluation._runner import Runner
from embedsmith.evaluation._settings import Settings
from embedsmith.evaluation._statement import Judge
from embedsmith.evaluation._task_job import TaskJob, refuse_axes
from embedsmith.evaluation._variants import checked_plan
from embedsmith.evaluation.tasks import Experiments
from embedsmith.exceptions import ShapeError
from embedsmith.metrics import parse_measures

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal
    from pathlib import Path

    from embedsmith._typing import Task
    from embedsmith.datasets._passages import Collapse

__all__ = ["DEFAULT_MEASURES", "evaluate"]

DEFAULT_MEASURES = ("nDCG@10", "R@10", "RR@10")


def evaluate(
    encoders: Model | Iterable[Model] | Mapping[str, Model],
    data: Dataset | TaskData | str | Path,
    *,
    task: Task | None = None,
    split: str = "test",
    columns: Mapping[str, str] | None = None,
    candidates: str | Path | None = None,
    measures: str | Sequence[str] | None = None,
    depth: int | None = None,
    device: str = "cpu",
    batch_size: int | None = None,
    max_tokens: int | None = None,
    truncate_dim: int | None = None,
    precision: str | None = None,
    query_prompt: str | None = None,
    document_prompt: str | None = None,
    trust_remote_code: bool = False,
    allow_download: bool = False,
    cache: EmbeddingCache | str | Path | bool | None = None,
    base_url: str | None = None,
    dimensions: int | None = None,
    max_cost: Budget | float | str | Decimal | None = None,
    offline: bool = False,
    api: ApiOptions | None = None,
    allow_missing: bool = False,
    collapse: Collapse | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    fine_tune_below: float = 0.8,
    keep_above: float = 0.9,
    latency_queries: int | None = None,
    latency_batches: int | Iterable[int] = LATENCY_BATCHES,
    latency_seconds: float = LATENCY_SECONDS,
    dims: int | Iterable[int] = (),
    precisions: str | Iterable[str] = (),
    rescore_depth: int = RESCORE_DEPTH,
    slices: str | Iterable[str] = (),
    small_slice: int = SMALL_SLICE,
    worst: int = WORST,
    excerpts: bool = True,
    excerpt_chars: int = EXCERPT_CHARS,
    n_experiments: int = 10,
    samples_per_label: int = 8,
    n_neighbors: int = 5,
    threads: int | None = None,
    progress: Progress | None = None,
) -> EvaluationResult:
    """Measure models on labelled data, compare them, and decide whether to fine-tune.

    For retrieval, embeds all documents and queries, searches exactly, measures each query, and
    puts intervals on every mean and corrected paired tests on every difference; other tasks
    likewise, on their own items. Models run one after another, each embeds each text once and is
    released before the next is loaded. Trains no model and writes nothing but the cache.

    Parameters
    ----------
    encoders : spec, Encoder, Bm25, an iterable of them, or a mapping from names to them
        ``"all-MiniLM-L6-v2"``, ``"bm25"``, or an open model, which stays open. A spec that names
        no backend runs by the one that suits it (see ``load_encoder``), and the result holds which.
        A mapping chooses the names in the result; otherwise they are taken from the specs.
    data : Dataset, TaskData or path
        What the models are measured on; a path is read by ``load_task``, which says what each
        task reads.
    task : str, optional
        ``"retrieval"``, ``"sts"``, ``"pair_classification"``, ``"classification"``,
        ``"clustering"``, ``"bitext"`` or ``"reranking"``. Default: that of ``data``; for a path,
        retrieval.
    split : str, default "test"
        Judgements or file to use when ``data`` is a path.
    columns : mapping of str to str, optional
        For ``load_task``: what the file calls a column.
    candidates : path, optional
        For ``load_task``: the run that lists the documents to rerank.
    measures : str or sequence of str, optional
        For retrieval and reranking as ``parse_measures`` takes them. The other tasks have measures
        of their own, ``"all"`` are all of them; a wrong name is answered with the right ones.
        Default: the most usual ones of the task.
    depth : int, optional
        Documents kept per query. Default: 100 or the largest cutoff, and 1,000 as soon as a
        measure without a cutoff (``AP``, ``RR``) is among the measures.
    device, batch_size, max_tokens, truncate_dim
        Handed to ``load_encoder`` for every spec; open models keep their own.
    precision : {"fp32", "bf16", "fp16", "auto"}, optional
        What native models and those of sentence-transformers compute in; see ``load_encoder``.
    query_prompt, document_prompt : str, optional
        Handed to ``load_encoder``, too.
    trust_remote_code, allow_download : bool, default False
        Likewise.
    cache : path, EmbeddingCache, bool or None
        Folder of cached embeddings for every spec; None and True are the user's cache folder,
        False caches nothing.
    base_url, dimensions
        Handed to ``load_encoder`` for every spec that names a service.
    max_cost : float, str, Decimal or Budget, optional
        US dollars that all services together may cost; a request that could pass it is not sent.
    offline : bool, default False
        Refuse services and downloads, as ``EMBEDSMITH_OFFLINE=1`` does.
    api : ApiOptions, optional
        How services are asked.
    allow_missing : bool, default False
        Drop judgements of unknown documents, and count them, when ``data`` is a path.
    collapse : str, mapping or callable, optional
        For retrieval: take the corpus as passages of documents (``"#"``: ``a#1`` is a passage of
        ``a``), as ``load_dataset`` does. A document counts by its best passage, measures are of
        documents, and passages are searched until ``depth`` documents are among them.
    seed : int, default 0
        Of all resampling; equal seeds give equal results on any number of threads.
    confidence : float, default 0.95
        Level of the intervals, in (0, 1).
    fine_tune_below, keep_above : float
        Thresholds of the verdict on Recall@10, which retrieval alone has.
    latency_queries : int, optional
        Queries timed one at a time, embedding and search together; 0 times none, nor batches.
        Default: 100, and none of a service that is paid for: each would be paid for again.
    latency_batches : int or iterable of int, default (1, 8, 32)
        Sizes of batches to time each encoder with, for texts of each length: up to 16 tokens, 17 to
        32, and so on to the model's limit. Texts are those of the data, repeated where they are too
        few; what is timed is tokenizing and embedding one batch.
    latency_seconds : float, default 5.0
        Time for all of this per model, shared out evenly, the quickest combination first; those
        for which none is left are left out, and told. 0 times no batches.
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
    n_experiments : int, default 10
        Seeded draws of training texts (classification) or of texts to cluster (clustering).
    samples_per_label : int, default 8
        Training texts per label and experiment (classification).
    n_neighbors : int, default 5
        Neighbours that vote (classification's kNN).
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
    OfflineError, ServiceError, BudgetError
        If a service may not be asked, fails, or would cost too much.
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
    judge = Judge(
        confidence=confidence,
        fine_tune_below=fine_tune_below,
        keep_above=keep_above,
        seed=seed,
        threads=threads,
    )
    if latency_queries is not None and latency_queries < 0:
        msg = f"latency_queries is {latency_queries}; use 0 to time none, or how many to time."
        raise ShapeError(msg)
    batch_timing = BatchTiming.of(latency_batches, latency_seconds)
    experiments = Experiments(
        seed=seed,
        n_experiments=as_count("n_experiments", n_experiments),
        samples_per_label=as_count("samples_per_label", samples_per_label),
        n_neighbors=as_count("n_neighbors", n_neighbors),
    )
    if isinstance(data, (Dataset, TaskData)):
        check_same_task(data, task)
        if collapse is not None and isinstance(data, Dataset):
            data = data.collapsed(collapse)
    else:
        data = load_task(
            data,
            task or "retrieval",
            split=split,
            columns=columns,
            candidates=candidates,
            allow_missing=allow_missing,
            collapse=collapse,
        )
    progress = progress or Silent()
    job: RetrievalJob | TaskJob
    if isinstance(data, Dataset):
        parsed = parse_measures(DEFAULT_MEASURES if measures is None else measures)
        axes = Axes.of(
            slices=slices,
            small_slice=small_slice,
            worst=worst,
            excerpts=excerpts,
            excerpt_chars=excerpt_chars,
            plan=checked_plan(dims, precisions, rescore_depth, deepest(parsed)),
        )
        job = RetrievalJob(data, parsed, judge, axes, depth=depth, progress=progress)
    else:
        refuse_axes(
            data.task,
            depth=depth,
            slices=slices,
            dims=dims,
            precisions=precisions,
            collapse=collapse,
        )
        job = TaskJob(data, measures, judge, experiments)
    options = ModelOptions(
        device=device,
        batch_size=batch_size,
        max_tokens=max_tokens,
        truncate_dim=truncate_dim,
        precision=precision,
        query_prompt=query_prompt,
        document_prompt=document_prompt,
        trust_remote_code=trust_remote_code,
        allow_download=allow_download,
        cache=cache,
        base_url=base_url,
        dimensions=dimensions,
        max_cost=max_cost,
        offline=offline,
        api=api or ApiOptions(),
    ).shared()
    with open_models(encoders, options.load) as opened:
        options.check(entry.model.spec for entry in opened if entry.owned)
        for entry in opened:
            if entry.owned and (reason := chosen_because(entry.model)) is not None:
                progress.note(f"{entry.label}: runs as {entry.model.spec}: {reason}")
        warn_of_twins(opened)
        used = any(entry.owned and not isinstance(entry.model, Bm25) for entry in opened)
        settings = Settings(
            **options.settings(used=used),
            data=str(data.source or data.path or data.name),
            split=data.split,
            models=tuple(entry.model.spec for entry in opened),
            measures=job.measures,
            depth=job.depth,
            allow_missing=allow_missing,
            seed=seed,
            confidence=confidence,
            fine_tune_below=fine_tune_below,
            keep_above=keep_above,
            **job.settings,
        )
        place = {"hardware": hardware(), "versions": versions()}
        runner = Runner(
            data=data,
            settings=settings,
            place=place,
            latency_queries=latency_queries,
            threads=threads,
            progress=progress,
            batch_timing=batch_timing,
            variation=job.variation,
        )
        models, comparison = job.run(runner, opened)
    return EvaluationResult(
        data=job.summary,
        settings=settings,
        qrels=job.qrels,
        models=models,
        comparison=comparison,
        definitions=job.definitions,
        hardware=place["hardware"],
        versions=place["versions"],
        timing={
            "started": started.isoformat(timespec="seconds"),
            "seconds": time.perf_counter() - start,
            "threads": thread_count(threads),
        },
        task=job.task,
        gold=job.gold,
    )
