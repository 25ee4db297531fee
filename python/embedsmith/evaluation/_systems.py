"""The two kinds of retrieval system that an evaluation runs, behind one face."""

from __future__ import annotations

import inspect
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from embedsmith.backends import CachedEncoder, Embedded
from embedsmith.evaluation._buckets import Spoken
from embedsmith.evaluation._encoder_settings import EncoderSettings
from embedsmith.evaluation._timed import TimedModel
from embedsmith.evaluation._timing import Throughput
from embedsmith.evaluation._token_meter import TokenMeter
from embedsmith.search import Index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import F32Array, I64Array, Json, Metric
    from embedsmith.backends import BatchModel, Bm25, Encoder, Fingerprint, Role
    from embedsmith.evaluation._progress import Progress
    from embedsmith.search import TopK

__all__ = ["DenseSystem", "LexicalSystem", "Reading", "System", "Truncation"]


@dataclass(frozen=True)
class Truncation:
    """Texts of which the model saw only a part.

    Attributes
    ----------
    max_tokens : int or None
        The model's limit; None: it has none.
    n_documents, documents : int
        Documents read, and how many of them were cut.
    n_queries, queries : int
        The same of the queries.
    tokens_documents, tokens_queries : int or None
        Tokens of all texts, prompts and special tokens included, before anything was cut; a
        repeated text counts each time. None: the model has no tokens.
    tokens_cut_documents, tokens_cut_queries : int
        Those of them that lie beyond the limit, and so were not looked at.
    """

    max_tokens: int | None
    n_documents: int
    documents: int
    n_queries: int
    queries: int
    tokens_documents: int | None = None
    tokens_queries: int | None = None
    tokens_cut_documents: int = 0
    tokens_cut_queries: int = 0

    @property
    def share(self) -> float:
        """Cut texts of all texts, in [0, 1]."""
        total = self.n_documents + self.n_queries
        return (self.documents + self.queries) / total if total else 0.0

    def to_dict(self) -> Json:
        """Return plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Reading:
    """What it took to read all texts.

    Attributes
    ----------
    truncation : Truncation
        What was cut.
    n_embedded, n_cached : int
        Texts worked on now, and texts taken from the cache; a repeated text counts each time.
    throughput : Throughput or None
        None if a text came from the cache: the few that are left tell no rate.
        spoken : tuple of Spoken
        The texts with their tokens; empty for a model of words.
    """

    truncation: Truncation
    n_embedded: int
    n_cached: int
    throughput: Throughput | None
    spoken: tuple[Spoken, ...] = ()


class System(Protocol):
    """A model that can be asked for its best documents."""

    @property
    def spec(self) -> str:
        """How the model is named on the command line."""

    @property
    def dim(self) -> int | None:
        """Width of the embeddings; None for a lexical model."""

    @property
    def metric(self) -> Metric:
        """What its scores are; only those of "l2" are better when smaller."""

    @property
    def fingerprint(self) -> Fingerprint:
        """Identity of the model."""

    @property
    def encoder_settings(self) -> EncoderSettings | None:
        """How the encoder runs; None for a lexical model."""

    @property
    def load_s(self) -> float:
        """Seconds that it took to load the model; 0 while it was not needed."""

    @property
    def embeddings(self) -> tuple[F32Array, F32Array] | None:
        """Vectors of the documents and of the queries that were read; None without any."""

    @property
    def cold(self) -> tuple[float, int] | None:
        """Seconds of the first call after loading, and its tokens; None if it was not seen."""

    @property
    def paid(self) -> bool:
        """Whether a text may cost something."""

    @property
    def usage(self) -> Json | None:
        """What was used of a service since this was made; None for a model that runs here."""

    def read(self, documents: Sequence[str], queries: Sequence[str], progress: Progress) -> Reading:
        """Embed or index all texts."""

    def search(self, depth: int, places: I64Array | None = None) -> TopK:
        """Return the best ``depth`` texts of each query that was read, or of those at places."""

    def answer(self, query: str, k: int) -> TopK:
        """Answer one query alone, from its text, without any cache."""

    def embed_batch(self, texts: Sequence[str], role: Role) -> object:
        """Embed one batch, without any cache."""

    def recall(self, name: str) -> Json | None:
        """Return what ``remember`` kept under a name, if anything."""

    def remember(self, name: str, value: Json) -> None:
        """Keep a measurement beside the cached embeddings, if there is a cache."""

    def close(self) -> None:
        """Release what ``read`` made."""


class DenseSystem:
    """An encoder, and exact search over its embeddings.

    Parameters
    ----------
    encoder : Encoder
        The model; left open by ``close``.
    label : str
        Name shown in progress.
    threads : int or None
        Of the search.
    """

    def __init__(self, encoder: Encoder, *, label: str, threads: int | None) -> None:
        self._cached: CachedEncoder | None = None
        if isinstance(encoder, CachedEncoder):
            self._timed = TimedModel(encoder.encoder)
            self._cached = CachedEncoder(cast("BatchModel", self._timed), encoder.cache)
        else:
            # One that is no BatchModel is asked for whole lists only.
            self._timed = TimedModel(cast("BatchModel", encoder))
        model = encoder.encoder if isinstance(encoder, CachedEncoder) else encoder
        self._in_batches = hasattr(model, "encode_batch")
        self._tells_tokens = "token_progress" in inspect.signature(encoder.encode).parameters
        self.paid = bool(getattr(model, "paid", False))
        # Before the width is asked for: a service may have to be paid for that.
        self._meter = getattr(model, "meter", None)
        self._used = self._meter and self._meter.to_dict()
        self._label = label
        self._threads = threads
        self._index: Index | None = None
        self._documents: F32Array | None = None
        self._queries: F32Array | None = None
        self.spec = encoder.spec
        self._dim = encoder.dim
        self.dim: int | None = encoder.dim
        self.metric: Metric = encoder.metric
        self.fingerprint = encoder.fingerprint
        self.encoder_settings = EncoderSettings.of(encoder)

    @property
    def usage(self) -> Json | None:
        """What was used of a service since this was made; None for a model that runs here."""
        return None if self._meter is None else dict(self._meter.to_dict(since=self._used))

    @property
    def load_s(self) -> float:
        """Seconds that it took to load the model; 0 while it was not needed."""
        return self._timed.load_s

    @property
    def cold(self) -> tuple[float, int] | None:
        """Seconds of the first call after loading, and its tokens; None if it was not seen."""
        return self._timed.cold

    @property
    def embeddings(self) -> tuple[F32Array, F32Array] | None:
        """Vectors of the documents and of the queries that were read."""
        if self._documents is None or self._queries is None:
            return None
        return self._documents, self._queries

    def read(self, documents: Sequence[str], queries: Sequence[str], progress: Progress) -> Reading:
        """Embed all documents, then all queries."""
        self._documents, self._queries, reading = self.embed(documents, queries, progress)
        self._index = Index(self._documents, metric=self.metric, threads=self._threads)
        return reading

    def embed(
        self, documents: Sequence[str], queries: Sequence[str], progress: Progress
    ) -> tuple[F32Array, F32Array, Reading]:
        """Return the vectors of all documents and all queries, and what they took.

        Without documents the queries are texts of no special role.
        """
        document_part = self._embed(documents, "document", "embedding documents", progress)
        stage = "embedding queries" if documents else "embedding texts"
        query_part = self._embed(queries, "query", stage, progress)
        n_cached = document_part.n_cached + query_part.n_cached
        # Equal texts of one role are computed once, with and without a cache.
        n_computed = len(set(documents)) + len(set(queries))
        reading = Reading(
            truncation=Truncation(
                max_tokens=self.encoder_settings.max_tokens,
                n_documents=len(documents),
                documents=document_part.n_truncated,
                n_queries=len(queries),
                queries=query_part.n_truncated,
                tokens_documents=int(document_part.n_tokens.sum()),
                tokens_queries=int(query_part.n_tokens.sum()),
                tokens_cut_documents=self._tokens_cut(document_part),
                tokens_cut_queries=self._tokens_cut(query_part),
            ),
            n_embedded=len(documents) + len(queries) - n_cached,
            n_cached=n_cached,
            throughput=None if n_cached else Throughput(n_computed, self._timed.seconds),
            spoken=(
                self._spoken("document", documents, document_part),
                self._spoken("query", queries, query_part),
            ),
        )
        return document_part.vectors, query_part.vectors, reading

    def _spoken(self, role: Role, texts: Sequence[str], part: Embedded) -> Spoken:
        limit = self.encoder_settings.max_tokens
        seen = part.n_tokens if limit is None else np.minimum(part.n_tokens, limit)
        return Spoken(role, texts, seen)

    def _tokens_cut(self, part: Embedded) -> int:
        limit = self.encoder_settings.max_tokens
        return 0 if limit is None else int((part.n_tokens[part.truncated] - limit).sum())

    def _embed(self, texts: Sequence[str], role: Role, stage: str, progress: Progress) -> Embedded:
        if not texts:
            none = np.empty(0, np.int64)
            return Embedded(np.empty((0, self._dim), np.float32), none, none.astype(np.bool_), 0)
        progress.begin(self._label, stage, len(texts))
        meter = TokenMeter(texts, self.encoder_settings.max_tokens, progress)
        told: Any = {"token_progress": meter.tokens} if self._tells_tokens else {}
        try:
            return (self._cached or self._timed).encode(texts, role=role, progress=meter, **told)
        finally:
            progress.end()

    def embed_alone(self, text: str) -> None:
        """Embed one text, without any cache."""
        self._timed.encode([text], role="query")

    def embed_batch(self, texts: Sequence[str], role: Role) -> object:
        """Embed one batch, without any cache."""
        if self._in_batches:
            return self._timed.encode_batch(texts, role)
        return self._timed.encode(texts, role=role)

    def search(self, depth: int, places: I64Array | None = None) -> TopK:
        """Compare every query, or those at some places, with every document."""
        queries = self._queries
        return self._search(
            queries if queries is None or places is None else queries[places], depth
        )

    def answer(self, query: str, k: int) -> TopK:
        """Embed one query and compare it with every document."""
        # Past the cache, which would answer for the model.
        return self._search(self._timed.encode([query], role="query").vectors, k)

    def _search(self, vectors: F32Array | None, k: int) -> TopK:
        if self._index is None or vectors is None:
            msg = "nothing was read yet; call read() first"
            raise RuntimeError(msg)
        return self._index.search(vectors, k, threads=self._threads)

    def recall(self, name: str) -> Json | None:
        """Return what is kept in the cache under a name."""
        found = self._cached.get_measurement(name) if self._cached else None
        return None if found is None else dict(found)

    def remember(self, name: str, value: Json) -> None:
        """Keep a measurement in the cache."""
        if self._cached is not None:
            self._cached.put_measurement(name, value)

    def close(self) -> None:
        """Release the vectors and the connection to the cache."""
        self._index = self._documents = self._queries = None
        if self._cached is not None:
            self._cached.close_store()


class LexicalSystem:
    """BM25: the baseline that needs no model.

    Parameters
    ----------
    model : Bm25
        Built by ``read``.
    label : str
        Name shown in progress.
    """

    def __init__(self, model: Bm25, *, label: str) -> None:
        self._model = model
        self._label = label
        self._queries: Sequence[str] = ()
        self.spec = model.spec
        self.dim: int | None = None
        self.metric: Metric = "dot"
        self.fingerprint = model.fingerprint
        self.encoder_settings = None
        self.embeddings = None
        self.cold = None
        self.load_s = 0.0
        self.paid = False
        self.usage = None

    def read(self, documents: Sequence[str], queries: Sequence[str], progress: Progress) -> Reading:
        """Index all documents; queries are read when they are searched."""
        self._queries = queries
        progress.begin(self._label, "indexing documents", len(documents))
        start = time.perf_counter()
        try:
            self._model.build(documents)
            progress.advance(len(documents))
        finally:
            progress.end()
        seconds = time.perf_counter() - start
        return Reading(
            truncation=Truncation(None, len(documents), 0, len(queries), 0),
            n_embedded=len(documents),
            n_cached=0,
            throughput=Throughput(len(documents), seconds),
        )

    def search(self, depth: int, places: I64Array | None = None) -> TopK:
        """Score every document that shares a word with the query."""
        queries = self._queries if places is None else [self._queries[place] for place in places]
        return self._model.search(queries, depth)

    def answer(self, query: str, k: int) -> TopK:
        """Search one query."""
        return self._model.search([query], k)

    def embed_batch(self, texts: Sequence[str], role: Role) -> object:
        """Refuse: words have no vectors."""
        msg = f"{self.spec} embeds neither {role} nor anything else ({len(texts)} texts)"
        raise TypeError(msg)

    def recall(self, name: str) -> None:  # noqa: ARG002  nothing is cached
        """Return None: an index is built anew each time, and timed anew."""
        return

    def remember(self, name: str, value: Json) -> None:
        """Keep nothing."""

    def close(self) -> None:
        """Release the index."""
        self._model.close()
