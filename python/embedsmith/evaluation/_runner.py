"""One model on one data set: read, search, measure, time."""

from __future__ import annotations

import hashlib
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from embedsmith._phrases import counted
from embedsmith.backends import Bm25, Encoder, Fingerprint
from embedsmith.datasets import Dataset
from embedsmith.evaluation._buckets import BatchTiming, cold_bucket
from embedsmith.evaluation._environment import device_name
from embedsmith.evaluation._json import to_json
from embedsmith.evaluation._latency_bucket import LatencyBucket
from embedsmith.evaluation._memory import PeakMemory
from embedsmith.evaluation._passages import Passages, best_documents
from embedsmith.evaluation._records import plain
from embedsmith.evaluation._systems import (
    DenseSystem,
    LexicalSystem,
    Reading,
    System,
    Truncation,
)
from embedsmith.evaluation._timing import Latency, ModelTiming, Throughput, measure_latency
from embedsmith.evaluation.tasks import Vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from embedsmith._typing import Json, Metric
    from embedsmith.datasets import TaskData
    from embedsmith.evaluation._encoder_settings import EncoderSettings
    from embedsmith.evaluation._progress import Progress
    from embedsmith.evaluation._settings import Settings
    from embedsmith.evaluation._variants import Form, Variation
    from embedsmith.evaluation.tasks import Texts
    from embedsmith.metrics import MetricTable
    from embedsmith.search import TopK

__all__ = ["EmbeddedTask", "Observation", "Runner"]

# What a served query asks for; the depth of an evaluation is for its measures.
# Queries timed alone unless another number is asked for.
_LATENCY_QUERIES = 100
_SERVED_K = 10


@dataclass(frozen=True)
class Observation:
    """What one model did, before it is measured."""

    spec: str
    fingerprint: Fingerprint
    dim: int | None
    metric: Metric
    encoder: EncoderSettings | None
    hits: TopK
    truncation: Truncation
    timing: ModelTiming
    variants: tuple[tuple[Form, MetricTable], ...] = ()


@dataclass(frozen=True)
class EmbeddedTask:
    """What one encoder made of the texts of a task, before they are measured."""

    spec: str
    fingerprint: Fingerprint
    dim: int
    encoder: EncoderSettings
    vectors: Vectors
    truncation: Truncation
    timing: ModelTiming


@dataclass(frozen=True)
class Runner:
    """Runs models on a data set, one after another.

    Attributes
    ----------
    data : Dataset or TaskData
        What they are asked.
    settings : Settings
        Of the evaluation.
    place : dict
        Hardware and versions: a stored measurement counts only for the same.
    latency_queries : int or None
        Queries timed one at a time; None: 100, and none of a service that is paid for.
    threads : int or None
        For the search.
    progress : Progress
        Hears each stage.
    batch_timing : BatchTiming
        Batches timed, if any query is.
    variation : Variation or None
        Measures smaller forms of the vectors.
    """

    data: Dataset | TaskData
    settings: Settings
    place: Json
    latency_queries: int | None
    threads: int | None
    progress: Progress
    batch_timing: BatchTiming
    variation: Variation | None = None

    def run(self, label: str, model: Encoder | Bm25) -> Observation:
        """Run a model and release what it made.

        Parameters
        ----------
        label : str
            Name shown in progress.
        model : Encoder or Bm25
            Stays open.
        """
        with PeakMemory() as memory:
            system = self._system(model, label)
            try:
                return self._observe(label, system, memory)
            finally:
                system.close()

    def embed(self, label: str, encoder: Encoder, texts: Texts) -> EmbeddedTask:
        """Return the embeddings of the texts of a task, each text computed once.

        Parameters
        ----------
        label : str
            Name shown in progress.
        encoder : Encoder
            Stays open.
        texts : Texts
            Distinct in each role.
        """
        with PeakMemory() as memory:
            system = DenseSystem(encoder, label=label, threads=self.threads)
            try:
                documents, queries, reading = system.embed(
                    texts.documents, texts.queries, self.progress
                )
                self.progress.note(f"{label}: {_told(system, reading)}")
                timing = self._timing(
                    label,
                    system,
                    reading,
                    memory,
                    0.0,
                    queries=texts.queries,
                    answer=system.embed_alone,
                )
            finally:
                system.close()
        return EmbeddedTask(
            spec=system.spec,
            fingerprint=system.fingerprint,
            dim=encoder.dim,
            encoder=system.encoder_settings,
            vectors=Vectors(queries, documents, system.metric),
            truncation=reading.truncation,
            timing=timing,
        )

    def _system(self, model: Encoder | Bm25, label: str) -> System:
        if isinstance(model, Bm25):
            return LexicalSystem(model, label=label)
        return DenseSystem(model, label=label, threads=self.threads)

    def _observe(self, label: str, system: System, memory: PeakMemory) -> Observation:
        data = self.data
        if not isinstance(data, Dataset):
            msg = f"{type(data).__name__} has no documents to search; call embed()"
            raise TypeError(msg)
        queries = data.queries.texts
        reading = system.read(data.corpus.texts, queries, self.progress)
        self.progress.note(f"{label}: {_told(system, reading)}")
        start = time.perf_counter()
        with _stage(self.progress, label, "searching", len(queries)):
            hits = best_documents(
                system.search, Passages.of(data.corpus), self.settings.depth, len(queries)
            )
            self.progress.advance(len(queries))
        search_s = time.perf_counter() - start
        timing = self._timing(
            label,
            system,
            reading,
            memory,
            search_s,
            queries=queries,
            answer=lambda query: system.answer(query, _SERVED_K),
        )
        return Observation(
            spec=system.spec,
            fingerprint=system.fingerprint,
            dim=system.dim,
            metric=system.metric,
            encoder=system.encoder_settings,
            hits=hits,
            truncation=reading.truncation,
            timing=timing,
            # After the timing: their memory is not the model's.
            variants=self.variation.run(label, system) if self.variation else (),
        )

    def _timing(
        self,
        label: str,
        system: System,
        reading: Reading,
        memory: PeakMemory,
        search_s: float,
        *,
        queries: Sequence[str],
        answer: Callable[[str], object],
    ) -> ModelTiming:
        name = self._measurement_name(system)
        known = system.recall(name) or {}
        measured: Json = {}
        if reading.throughput is not None:
            measured["throughput"] = asdict(reading.throughput)
        asked = self.latency_queries
        if asked is None:
            # Of a paid service each would be paid for again.
            asked = 0 if system.paid else _LATENCY_QUERIES
        wanted = min(asked, len(queries))
        timed = known.get("latency", {}).get("value", {})
        usable = timed.get("n_queries") == wanted and "p99_s" in timed
        # A model that has computed nothing is not loaded for a figure that is known.
        if wanted and (reading.n_embedded or not usable):
            with _stage(self.progress, label, "timing single queries", wanted):
                latency = measure_latency(
                    answer,
                    queries,
                    limit=wanted,
                    advance=self.progress.advance,
                )
            measured["latency"] = latency and asdict(latency)
        if wanted and reading.spoken and self.batch_timing.wanted and not system.paid:
            plan = plain(asdict(self.batch_timing))
            known_batches = known.get("latency_buckets", {}).get("value", {})
            if reading.n_embedded or known_batches.get("asked") != plan:
                buckets = self._time_batches(label, system, reading)
                measured["latency_buckets"] = {"asked": plan, "buckets": plain(buckets)}
        if reading.throughput is not None:
            measured["peak_memory_bytes"] = memory.peak_bytes
        if measured:
            now = datetime.now(timezone.utc).isoformat(timespec="seconds")
            fresh = {what: {"measured_at": now, "value": measured[what]} for what in measured}
            system.remember(name, {**known, **fresh})
        earlier = {what: known[what] for what in known.keys() - measured.keys()}
        if not wanted:
            earlier.pop("latency", None)
        if not (wanted and self.batch_timing.wanted):
            earlier.pop("latency_buckets", None)
        shown = {**{what: kept["value"] for what, kept in earlier.items()}, **measured}
        return ModelTiming(
            n_embedded=reading.n_embedded,
            n_cached=reading.n_cached,
            load_s=system.load_s,
            search_s=search_s,
            throughput=Throughput(**shown["throughput"]) if "throughput" in shown else None,
            latency=Latency(**shown["latency"]) if "latency" in shown else None,
            peak_memory_bytes=shown.get("peak_memory_bytes", memory.peak_bytes),
            earlier={what: kept["measured_at"] for what, kept in earlier.items()},
            latency_buckets=tuple(
                LatencyBucket.from_dict(bucket)
                for bucket in shown.get("latency_buckets", {}).get("buckets", ())
            ),
            hardware=_device_of(system),
            usage=system.usage,
        )

    def _time_batches(
        self, label: str, system: System, reading: Reading
    ) -> tuple[LatencyBucket, ...]:
        timing = self.batch_timing
        with _stage(self.progress, label, "timing batches", timing.combinations(reading.spoken)):
            buckets, n_left_out = timing.measure(
                system.embed_batch, reading.spoken, self.progress.advance
            )
            self.progress.advance(n_left_out)
        if n_left_out:
            self.progress.note(
                f"{label}: {timing.seconds:g} s were too short to time "
                f"{counted(n_left_out, 'combination')} of batch size and length "
                "(latency_seconds, --latency-seconds)"
            )
        cold = () if system.cold is None else (cold_bucket(*system.cold),)
        return (*cold, *buckets)

    def _measurement_name(self, system: System) -> str:
        encoder = system.encoder_settings
        circumstances = {
            **self.place,
            "batch_size": encoder and encoder.batch_size,
            "data": self.data.hash,
            "device": encoder and encoder.device,
            "device_name": _device_of(system),
            "threads": self.threads,
        }
        digest = hashlib.sha256(to_json(circumstances).encode("utf-8")).hexdigest()
        return f"evaluation/2/{digest}"


def _device_of(system: System) -> str:
    encoder = system.encoder_settings
    return device_name(encoder.device if encoder else None)


@contextmanager
def _stage(progress: Progress, label: str, stage: str, total: int) -> Iterator[None]:
    """Tell that a stage starts, and that it is over however it ends."""
    progress.begin(label, stage, total)
    try:
        yield
    finally:
        progress.end()


def _told(system: System, reading: Reading) -> str:
    if system.dim is None:
        return f"indexed {counted(reading.n_embedded, 'text')}"
    text = f"embedded {counted(reading.n_embedded, 'text')}, {reading.n_cached:,} from cache"
    cut = reading.truncation
    if cut.documents or cut.queries:
        queries = counted(cut.queries, "query")
        limit = counted(cut.max_tokens or 0, "token")
        text += f"; cut at {limit}: {counted(cut.documents, 'document')}, {queries}"
    return text
