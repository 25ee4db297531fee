"""Search shards where a Ray cluster keeps them."""

from __future__ import annotations

import functools
import os
import sys
import time
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from embedsmith._core import __version__
from embedsmith._deps import require
from embedsmith._validate import as_count, as_mask, as_matrix, as_metric, as_progress
from embedsmith.exceptions import ClusterError, EmbedsmithError, ShapeError
from embedsmith.search._best import Best
from embedsmith.search._excluded import ExcludedByRow
from embedsmith.search._progress import Reporter
from embedsmith.search._shards import Shards, as_shards, as_source, topk_shards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from embedsmith._typing import F32Array, Metric, Progress
    from embedsmith.search._hits import TopK

__all__ = ["has_ray_refs", "topk_ray"]


def has_ray_refs(corpus: Any) -> bool:
    """Return whether a corpus is, or lists, objects in a Ray cluster; without importing Ray."""
    ray = sys.modules.get("ray")
    reference = getattr(ray, "ObjectRef", None)
    if reference is None:
        return False
    if isinstance(corpus, (list, tuple)):
        return any(isinstance(item, reference) for item in corpus)
    return isinstance(corpus, reference)


def topk_ray(
    queries: Any,
    shards: Sequence[Any],
    *,
    k: int = 10,
    metric: Metric = "cosine",
    exclude: Any = None,
    where: Any = None,
    threads: int | None = None,
    stats: bool = False,
    progress: Progress | None = None,
    task_options: Mapping[str, Any] | None = None,
) -> TopK:
    """Return the best ``k`` rows of shards in a Ray cluster for each query, exactly.

    Each shard is searched by one Ray task, and only hits travel. Starts no cluster and keeps
    nothing in it: scheduling, retries and re-making of lost objects are Ray's own.

    Parameters
    ----------
    queries : array_like of shape (n_queries, dim)
        As in :func:`embedsmith.topk`. Put into the cluster once.
    shards : sequence of ObjectRef or path-like
        The corpus, in order. An object is a matrix of vectors, as a remote function returns it;
        its task runs on the node that holds it, unless that node is full or gone. A path is a
        ``.npy`` file, or a folder of them, that every node can read; it is read block by block by
        the task, so it may be larger than the node's memory.
    k, metric, exclude, where : optional
        As in :func:`embedsmith.topk`; rows are counted over all shards.
    threads : int, default 1
        Threads of one task, which also reserves as many CPUs. More pays where a node has more CPUs
        than shards.
    stats : bool, default False
        Attach what the tasks took together, as in :func:`embedsmith.topk`.
    progress : callable, optional
        Called as ``progress(done, total)`` with rows, after shards and at most every 50 ms.
    task_options : mapping, optional
        Further options for the tasks, as Ray's ``RemoteFunction.options`` takes them:
        ``resources``, ``scheduling_strategy``, ``max_retries``, ``runtime_env``.

    Returns
    -------
    TopK
        Row for row and bit for bit what :func:`embedsmith.topk` returns for the shards one under
        the other, also if a node died on the way.

    Raises
    ------
    MissingDependencyError
        If Ray is not installed.
    ClusterError
        If no cluster is connected, a node runs another release of this package, or a shard is lost
        for good.
    ShapeError, NonFiniteError, DataError
        As in :func:`embedsmith.topk`; names the shard.

    Notes
    -----
    If a node dies, Ray runs its tasks elsewhere. A path is read there. An object that a task
    returned is made again by that task, if its ``max_retries`` allows; an object of ``ray.put`` has
    no task that could make it again, so prefer a remote function that loads the shard. After an
    error or Ctrl-C, tasks that run already run to their end, and what they return is dropped.

    Ray reports usage statistics to its makers unless ``RAY_USAGE_STATS_ENABLED=0`` is set, or
    ``ray disable-usage-stats`` was run, before the cluster starts.

    For shards that are searched again and again, keep an :class:`embedsmith.Index` per shard in an
    actor, and join what their ``search`` returns by :func:`embedsmith.merge_topk`.

    Examples
    --------
    >>> import embedsmith as es
    >>> load = ray.remote(numpy.load)                                  # doctest: +SKIP
    >>> shards = [load.remote(f"/data/{i:05}.npy") for i in range(8)]  # doctest: +SKIP
    >>> hits = es.topk_ray(queries, shards, k=100)                     # doctest: +SKIP
    """
    ray = require("ray", extra="ray", feature="Searching a Ray cluster")
    items = _checked_items(ray, shards)
    if not ray.is_initialized():
        msg = (
            "no Ray cluster is connected; call ray.init() first. None is started here, since a "
            "cluster of Ray's reports usage statistics unless RAY_USAGE_STATS_ENABLED=0 is set."
        )
        raise ClusterError(msg)
    vectors = as_matrix("queries", queries)
    began = time.perf_counter()
    metric, wanted = as_metric(metric), as_count("k", k, most=None)
    threads = 1 if threads is None else as_count("threads", threads)
    tasks = _Tasks(ray, items, {"num_cpus": threads, **(task_options or {})})

    sizes = dict(tasks.run(_look, [(number, (__version__,)) for number in range(len(items))]))
    starts = _starts([sizes[number] for number in range(len(items))], vectors.shape[1])
    n_docs = starts[-1]
    allowed = None if where is None else as_mask("where", where, n_docs)
    excluded = None if exclude is None else ExcludedByRow(exclude, len(vectors), n_docs)
    shared = ray.put(vectors)
    calls = []
    for number, (first, last) in enumerate(pairwise(starts)):
        mask = None if allowed is None else allowed[first:last]
        if mask is not None and number and not mask.any():
            continue
        how = {
            "k": min(wanted, n_docs),
            "metric": metric,
            "exclude": None if excluded is None else excluded.within(first, last),
            "where": mask,
            "threads": threads,
            "stats": stats,
        }
        calls.append((number, (shared, _Part(first, last, how))))
    best = Best(len(vectors), min(wanted, n_docs), metric)
    report = Reporter(as_progress(progress), n_docs)
    done = 0
    for number, hits in tasks.run(_search, calls):
        best.add(hits, starts[number])
        done += starts[number + 1] - starts[number]
        report(done)
    report.finish()
    return best.hits(n_docs, time.perf_counter() - began)


class _Tasks:
    """Runs functions on all shards, each where the shard is."""

    def __init__(self, ray: Any, items: list[Any], options: Mapping[str, Any]) -> None:
        self._ray, self._items, self._options = ray, items, options

    def run(
        self, function: Callable[..., Any], calls: list[tuple[int, tuple[Any, ...]]]
    ) -> Iterator[tuple[int, Any]]:
        """Yield each shard's number and what the function returned for it, as they finish."""
        ray = self._ray
        remote = _remote(function).options(**self._options)
        pending = {
            remote.remote(number, self._items[number], *more): number for number, more in calls
        }
        # Whatever ends this early leaves the other tasks to end by themselves: cancelling a task
        # just as it finishes aborts the calling process (seen with Ray 2.60).
        while pending:
            (ready,), _ = ray.wait(list(pending), num_returns=1)
            number = pending.pop(ready)
            try:
                answer = ray.get(ready)
            except ray.exceptions.RayError as error:
                meant = self._meant(error, number)
                if meant is None:
                    raise
                raise meant from error
            yield number, answer

    def _meant(self, error: Any, number: int) -> Exception | None:
        """Return what an error of Ray's comes down to; None for a bug, whose traceback it has."""
        cause = getattr(error, "cause", None) or error
        if isinstance(cause, EmbedsmithError):
            return cause
        reason = str(cause).strip().partition("\n")[0]
        if isinstance(cause, self._ray.exceptions.ObjectLostError):
            return ClusterError(
                f"corpus shard {number} is lost, and Ray cannot make it again: {reason} An object "
                "of ray.put has no task that made it: pass what a remote function with retries "
                "returned, or the path of a .npy file that every node can read."
            )
        if isinstance(cause, self._ray.exceptions.RayError):
            return ClusterError(
                f"Ray gave up on corpus shard {number}: {type(cause).__name__}: {reason} "
                "Look at the cluster's logs, then search again."
            )
        return None


@functools.cache
def _remote(function: Callable[..., Any]) -> Any:
    """Return the function for Ray: one and the same each time, since each is exported anew."""
    return require("ray", extra="ray", feature="Searching a Ray cluster").remote(function)


def _checked_items(ray: Any, shards: Any) -> list[Any]:
    items = list(shards) if isinstance(shards, (list, tuple)) else [shards]
    if not items:
        msg = "corpus is empty; pass at least one shard."
        raise ShapeError(msg)
    checked = []
    for number, item in enumerate(items):
        if isinstance(item, (str, os.PathLike)):
            # A worker's own folder is another one.
            checked.append(os.path.abspath(item))  # noqa: PTH100  # its links may differ on a node
        elif isinstance(item, ray.ObjectRef):
            checked.append(item)
        else:
            msg = (
                f"corpus shard {number} is of type {type(item).__name__}; an ObjectRef of Ray's or "
                "a path is expected. Arrays at hand are searched by embedsmith.topk."
            )
            raise ShapeError(msg)
    return checked


def _starts(sizes: list[tuple[int, int]], dim: int) -> list[int]:
    """Return the first row of each shard, and the number of rows of all."""
    for number, (_, columns) in enumerate(sizes):
        if columns != dim:
            msg = (
                f"queries have {dim} columns but corpus shard {number} has {columns}. "
                "Encode both with the same model, or cut both to the same width."
            )
            raise ShapeError(msg)
    return list(accumulate((rows for rows, _ in sizes), initial=0))


def _look(number: int, item: Any, version: str) -> tuple[int, int]:
    """Return rows and width of a shard; runs on its node."""
    if version != __version__:
        msg = (
            f"a node runs embedsmith {__version__}, and the driver {version}; install one release "
            "on all nodes."
        )
        raise ClusterError(msg)
    shards = _opened(number, item, 0)
    return len(shards), shards.dim


class _Part(NamedTuple):
    """What a task searches: the rows from `first` to before `last` of the corpus, and how."""

    first: int
    last: int
    how: dict[str, Any]


def _search(number: int, item: Any, queries: F32Array, part: _Part) -> TopK:
    """Search one shard; runs on its node."""
    shards = _opened(number, item, part.first)
    expected = part.last - part.first
    if len(shards) != expected:
        msg = (
            f"corpus shard {number} had {expected} rows and has {len(shards)} now. What makes it "
            "must return the same rows each time, and files must stay as they are meanwhile."
        )
        raise ClusterError(msg)
    return topk_shards(queries, shards, **part.how)


def _opened(number: int, item: Any, before: int) -> Shards:
    folder = as_shards(item) if isinstance(item, str) and Path(item).is_dir() else None
    sources = (as_source(number, item, in_place=True),) if folder is None else folder.sources
    return Shards(sources, before)
