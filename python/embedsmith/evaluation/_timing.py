"""How fast and how large a model was; everything here differs from run to run."""

from __future__ import annotations

import time
from collections.abc import Mapping  # noqa: TC003 - a record's types are read when it is
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith.evaluation._latency_bucket import (
    LatencyBucket,  # noqa: TC001 - a record's types are read when it is
)
from embedsmith.evaluation._records import ADDED, plain, record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embedsmith._typing import Json

__all__ = ["Latency", "ModelTiming", "Throughput", "measure_latency"]

_WARM_UP = 3


@dataclass(frozen=True)
class Latency:
    """Time to answer one query alone: embed it and search the corpus.

    Attributes
    ----------
    p50_s, p95_s : float
        Median and 95th percentile in seconds.
    n_queries : int
        Queries measured, after a warm-up.
    p99_s : float or None
        99th percentile in seconds; None in results that were written before it was measured.
    """

    p50_s: float
    p95_s: float
    n_queries: int
    p99_s: float | None = field(default=None, metadata=ADDED)


@dataclass(frozen=True)
class Throughput:
    """Rate at which texts were embedded in batches (indexed, for BM25).

    Attributes
    ----------
    n_texts : int
        Texts computed; one that stands several times is computed once.
    seconds : float
        Wall time they took.
    """

    n_texts: int
    seconds: float

    @property
    def texts_per_s(self) -> float:
        """Texts per second."""
        return self.n_texts / self.seconds


@dataclass(frozen=True)
class ModelTiming:
    """Cost of one model on this machine.

    Attributes
    ----------
    n_embedded, n_cached : int
        Texts worked on by this run, and texts taken from the cache; together all texts.
    load_s, search_s : float
        Seconds to load the model and to search all queries.
    throughput : Throughput or None
        None if texts came from the cache and no earlier run, that embedded all, left a
        measurement.
    latency : Latency or None
        None if it was not asked for.
    peak_memory_bytes : int
        Largest resident size of the process while the model ran.
    earlier : dict
        Which of ``throughput``, ``latency`` and ``peak_memory_bytes`` an earlier run measured, and
        when: a run that finds texts in the cache cannot measure them itself.
    latency_buckets : tuple of LatencyBucket
        Time to embed a batch, by its size and the length of its texts; empty if not asked for.
    hardware : str or None
        The processor or graphics card that the model ran on; the host of a service.
    usage : dict or None
        What this run used of a service: ``n_requests``, ``n_attempts``, ``n_tokens``,
        ``n_tokens_uncertain`` (of attempts without an answer, which may be billed), ``waited_s``,
        ``cost_usd`` (None if no price is known), ``price`` (with source and date). None for a model
        that runs here.
    """

    n_embedded: int
    n_cached: int
    load_s: float
    search_s: float
    throughput: Throughput | None
    latency: Latency | None
    peak_memory_bytes: int
    earlier: Mapping[str, str] = field(default_factory=dict)
    latency_buckets: tuple[LatencyBucket, ...] = field(default=(), metadata=ADDED)
    hardware: str | None = field(default=None, metadata=ADDED)
    usage: Mapping[str, Any] | None = field(default=None, metadata=ADDED)

    def to_dict(self) -> Json:
        """Return plain values for JSON."""
        return dict(plain(self))

    @classmethod
    def from_dict(cls, value: Json) -> ModelTiming:
        """Return the timing that ``to_dict`` wrote.

        Parameters
        ----------
        value : dict
            Read from JSON.

        Returns
        -------
        ModelTiming
            Equal to the one written.
        """
        return record(cls, value)


def measure_latency(
    answer: Callable[[str], object],
    queries: Sequence[str],
    *,
    limit: int,
    advance: Callable[[int], None],
) -> Latency | None:
    """Time queries one at a time, after a short warm-up.

    Parameters
    ----------
    answer : callable
        Embeds and searches one query.
    queries : sequence of str
        The queries; an even spread of them is used.
    limit : int
        Most queries to time. 0 measures nothing.
    advance : callable
        Told after each timed query, outside its time.

    Returns
    -------
    Latency or None
        None if ``limit`` is 0.
    """
    if limit == 0:
        return None
    n_queries = min(limit, len(queries))
    chosen = np.linspace(0, len(queries) - 1, n_queries).astype(np.int64)
    for row in chosen[:_WARM_UP]:
        answer(queries[row])
    seconds = np.empty(n_queries, dtype=np.float64)
    for place, row in enumerate(chosen):
        start = time.perf_counter()
        answer(queries[row])
        seconds[place] = time.perf_counter() - start
        advance(1)
    p50, p95, p99 = (float(one) for one in np.percentile(seconds, [50, 95, 99]))
    return Latency(p50_s=p50, p95_s=p95, n_queries=n_queries, p99_s=p99)
