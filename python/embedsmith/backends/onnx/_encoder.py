"""Encoder over an ONNX graph."""

from __future__ import annotations

import importlib.util
import queue
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._core import thread_count
from embedsmith._deps import require
from embedsmith.backends._batches import EncodesInBatches
from embedsmith.backends._protocol import (
    Role,
    TokenizedTexts,
)
from embedsmith.backends._token_rows import TokenReader, TokenRows
from embedsmith.backends.onnx._devices import gpu_count, parse_device
from embedsmith.backends.onnx._folder import OnnxFolder
from embedsmith.backends.onnx._graph import FEATURE
from embedsmith.backends.onnx._invariance import Alignment, aligned_width, find_alignment
from embedsmith.backends.onnx._pooling import normalized, pooled
from embedsmith.backends.onnx._reader import installed_version, token_reader
from embedsmith.backends.onnx._sessions import SessionMaker, translated
from embedsmith.backends.onnx._tensorrt import padded_width, provider_options
from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from embedsmith._typing import F32Array, I64Array, Json, Metric
    from embedsmith.backends._fingerprint import Fingerprint
    from embedsmith.backends.onnx._graph_session import GraphSession

__all__ = ["OnnxEncoder"]

# On a CPU small batches stay in its caches; a GPU wants to be filled. benches/test_encoders.py
# measures both.
CPU_TOKEN_BUDGET = 512
GPU_TOKEN_BUDGET = 16_384
_CPU_ROWS, _GPU_ROWS = 64, 512


class OnnxEncoder(EncodesInBatches):
    """Embeds texts with an ONNX graph: an export of embedsmith, or a sentence-transformers folder.

    The folder is checked at once: the graph loads no code and no file outside its folder, and an
    export's files have the hashes of its manifest. The runtime is loaded when the first text has to
    be computed.

    On a CPU every thread runs batches of its own, which is faster than sharing each one; a call
    with a single batch is shared by all threads, for which a second session with its own copy of
    the weights is made on first use. On GPUs, each has one session; vectors are bound to its
    memory and copied back once, and its allocator takes at most nine tenths of that memory, so
    that a batch which does not fit is halved and not the end of the process.

    Parameters
    ----------
    path : Path
        The folder.
    spec, name : str, optional
        What to show; the folder's name if None.
    device : str, default "cpu"
        ``"cpu"``, ``"cuda"`` (all GPUs), ``"cuda:N"``, ``"tensorrt"`` or ``"tensorrt:N"``. There is
        no fallback.
    batch_size : int, optional
        Most texts per forward pass; 64 on a CPU and 512 on a GPU if None.
    token_budget : int, optional
        Most tokens per forward pass, padding included; one that suits the device if None.
    max_tokens : int, optional
        Cut texts here rather than where the folder says.
    query_prompt, document_prompt : str, optional
        In place of the folder's; ``""`` for none.
    truncate_dim : int, optional
        Keep the first columns of each vector only. They are not scaled again.
    threads : int, optional
        Of the CPU; what the container grants if None.

    Raises
    ------
    ModelError, UnsafeModelError
        If the folder is incomplete, damaged, or unsafe.
    DeviceError
        If the device cannot be named so.
    MissingDependencyError
        If onnxruntime or onnx is not installed.
    """

    # Why this backend runs the model, where its name left that open.
    chosen: str | None = None

    def __init__(
        self,
        path: Path,
        *,
        spec: str | None = None,
        name: str | None = None,
        device: str = "cpu",
        batch_size: int | None = None,
        token_budget: int | None = None,
        max_tokens: int | None = None,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        truncate_dim: int | None = None,
        threads: int | None = None,
    ) -> None:
        self._device = parse_device(device)
        if importlib.util.find_spec("onnxruntime") is None:
            require("onnxruntime", extra=self._device.extra, feature=FEATURE)
        self._changes: dict[str, Any] = {
            "max_tokens": max_tokens,
            "query_prompt": query_prompt,
            "document_prompt": document_prompt,
            "truncate_dim": truncate_dim,
        }
        self._path = path
        self._folder = OnnxFolder.read(path, **self._changes)
        self.name = name or path.resolve().name
        self.spec = spec or f"onnx:{path}"
        self.device = device
        on_cpu = self._device.kind == "cpu"
        self.batch_size = batch_size or (_CPU_ROWS if on_cpu else _GPU_ROWS)
        self.token_budget: int | None = token_budget or (
            CPU_TOKEN_BUDGET if on_cpu else GPU_TOKEN_BUDGET
        )
        self.threads = thread_count(threads)
        self._lock = threading.Lock()
        self._maker: SessionMaker | None = None
        self._reader: TokenReader | None = None
        # Sessions that no batch is running on.
        self._free: queue.SimpleQueue[GraphSession] | None = None
        self._wide: GraphSession | None = None

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._folder.space.dim

    @property
    def max_tokens(self) -> int | None:
        """Most tokens the model looks at; None means all."""
        return self._folder.space.max_tokens

    @property
    def metric(self) -> Metric:
        """Similarity the model was trained for."""
        return self._folder.space.metric

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the graph's inputs."""
        return self._folder.facts.inputs

    @property
    def precision(self) -> str:
        """Of the weights: ``"fp32"``, ``"fp16"``, ``"bf16"`` or ``"int8"``, if that is known."""
        return self._folder.precision

    @property
    def fingerprint(self) -> Fingerprint:
        """Identity of the embedding space."""
        return self._folder.fingerprint

    @cached_property
    def producer(self) -> Json:
        """What decides the last bits of a vector: device, libraries, and batches if they do."""
        runtime = "onnxruntime" if self._device.kind == "cpu" else "onnxruntime-gpu"
        batches = (
            {}
            if self.batch_invariant
            else {"batch_size": self.batch_size, "token_budget": self.token_budget}
        )
        return {
            "device": self._device.kind,
            **batches,
            "onnxruntime": installed_version(runtime),
            "tokenizers": installed_version("tokenizers"),
        }

    @cached_property
    def batch_invariant(self) -> bool:
        """Whether a text gives the same bits in every batch, as found here with this very graph.

        Computes a few made-up texts alone and in batches, which loads the model. Never on a GPU,
        whose kernels depend on the size of a batch.
        """
        return self._device.kind == "cpu" and self.batch_difference == 0.0

    @property
    def batch_difference(self) -> float:
        """The largest difference of a component between a text alone and in batches, as found here.

        Loads the model.
        """
        return self._alignment.difference

    @cached_property
    def _alignment(self) -> Alignment:
        """How wide batches have to be for the same bits, as found with this very graph."""
        self.load()
        longest = self.max_tokens or max(self.token_budget or 0, CPU_TOKEN_BUDGET)
        # Where the graph does not show its table, the tokenizer's ids are those it knows.
        known = None if self._reader is None else self._reader.largest_id + 1
        return find_alignment(
            self._compute,
            self._folder.facts.vocabulary or known,
            longest,
            padding_helps=self._device.kind == "cpu",
        )

    @property
    def in_flight(self) -> int:
        """How many batches run at once: one for each thread, or for each GPU."""
        if self._device.kind == "cpu":
            return self.threads
        return 1 if self._device.index is not None else (gpu_count() or 1)

    @property
    def tokenize_ahead(self) -> bool:
        """Whether tokenising beside a running batch pays: on a GPU."""
        return self._device.kind != "cpu"

    def prompt(self, role: Role) -> str:
        """Return the text that is put before each text of this role."""
        space = self._folder.space
        return space.query_prompt if role == "query" else space.document_prompt

    def token_limit(self, role: Role) -> int | None:  # noqa: ARG002 - the same for both roles
        """Return how many tokens the model looks at."""
        return self._folder.space.max_tokens

    @property
    def loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self._free is not None

    def load(self) -> None:
        """Load tokenizer and weights now rather than with the first text.

        Raises
        ------
        ModelError
            If the files were changed since the folder was opened, or do not fit each other.
        DeviceError
            If the device cannot be used; says why, and which command mends it.
        """
        with self._lock:
            if self._free is None:
                self._load()

    def _load(self) -> None:
        folder = OnnxFolder.read(self._path, **self._changes)
        changed = folder.fingerprint.differences(self._folder.fingerprint)
        content = folder.graph_file.read_bytes()
        if changed or not folder.is_graph(content):
            msg = (
                f"{self._path} was changed ({', '.join(changed) or 'graph'}) since it was opened. "
                "Open the model again, once whoever writes to the folder is done."
            )
            raise ModelError(msg)
        self._reader = token_reader(folder)
        self._maker = SessionMaker(folder.graph_file, content)
        free: queue.SimpleQueue[GraphSession] = queue.SimpleQueue()
        if self._device.kind == "cpu":
            # Of one thread, and safe to be run by many: all of them share it.
            narrow = self._maker.on_cpu(1)
            self._check_width(narrow)
            for _ in range(self.in_flight):
                free.put(narrow)
        else:
            indices = range(self.in_flight) if self._device.index is None else (self._device.index,)
            for index in indices:
                options = provider_options(self._device, index, self)
                session = self._maker.on_gpu(self._device, index, options)
                self._check_width(session)
                free.put(session)
        self._free = free

    def _check_width(self, session: GraphSession) -> None:
        """Run one text, so that a graph that does not fit its folder is refused at once."""
        if self._reader is None:
            return
        rows, _ = self._reader.read(["a"])
        if self._folder.facts.vocabulary is None:
            # How many ids the graph knows was not found: it has to know the largest.
            last = np.asarray([self._reader.largest_id], dtype=np.int32)
            rows = TokenRows(last, np.asarray([0, 1], dtype=np.int64))
        vectors = self._vectors(session, rows, np.zeros(1, np.int64), int(rows.starts[1]))
        if vectors.shape != (1, self.dim):
            msg = (
                f"{self._folder.graph_file} gives vectors of {vectors.shape[-1]} columns, the "
                f"folder's files say {self.dim}. Copy or download the whole folder again."
            )
            raise ModelError(msg)

    def count_tokens(self, texts: Sequence[str], role: Role) -> I64Array:
        """Return the untruncated token count of prompt and text, special tokens included."""
        return self.tokenize(texts, role).n_tokens

    def tokenize(self, texts: Sequence[str], role: Role) -> TokenizedTexts:
        """Return the texts as token ids."""
        self.load()
        if self._reader is None:
            msg = "the model was closed while it was in use"
            raise RuntimeError(msg)
        rows, n_tokens = self._reader.read(texts, self.prompt(role))
        return TokenizedTexts(texts, role, n_tokens, rows)

    def encode_tokenized(self, tokenized: TokenizedTexts, positions: I64Array) -> F32Array:
        """Return the vectors of one forward pass over some of the texts."""
        # All in one batch: nothing else runs beside it.
        return self._run(tokenized.inputs, positions, alone=len(positions) == len(tokenized))

    def encode_batch(self, texts: Sequence[str], role: Role) -> F32Array:
        """Return the vectors of one forward pass, in the order of ``texts``."""
        tokenized = self.tokenize(texts, role)
        return self.encode_tokenized(tokenized, np.arange(len(texts), dtype=np.int64))

    def _run(self, rows: TokenRows, positions: I64Array, *, alone: bool) -> F32Array:
        grid = self._alignment.multiple if self._device.kind == "cpu" else 1
        return self._compute(rows, positions, alone=alone, grid=grid)

    def _compute(self, rows: TokenRows, positions: I64Array, *, alone: bool, grid: int) -> F32Array:
        """Compute some rows, padded to a multiple of ``grid``."""
        width = aligned_width(int(rows.lengths(positions).max(initial=1)), grid, self.max_tokens)
        return self._on_a_session(rows, positions, width, alone=alone)

    def _on_a_session(
        self, rows: TokenRows, positions: I64Array, width: int, *, alone: bool
    ) -> F32Array:
        self.load()
        if self._free is None:
            msg = "the model was closed while it was in use"
            raise RuntimeError(msg)
        if alone and self._device.kind == "cpu" and self.threads > 1:
            return self._vectors(self._wide_session(), rows, positions, width)
        session = self._free.get()
        try:
            return self._vectors(session, rows, positions, width)
        finally:
            self._free.put(session)

    def _wide_session(self) -> GraphSession:
        with self._lock:
            if self._maker is None:
                msg = "the model was closed while it was in use"
                raise RuntimeError(msg)
            if self._wide is None:
                self._wide = self._maker.on_cpu(self.threads)
            return self._wide

    def _vectors(
        self, session: GraphSession, rows: TokenRows, positions: I64Array, width: int
    ) -> F32Array:
        folder = self._folder
        width = padded_width(self._device, width, self)
        ids, mask = rows.padded(positions, folder.space.pad_token_id, width)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        feed = {
            name: given[name].astype(np.int32 if kind == "tensor(int32)" else np.int64, copy=False)
            for name, kind in session.inputs.items()
        }
        with translated(folder.graph_file, self.device):
            computed = session.compute(folder.output, feed)
        vectors: F32Array = np.asarray(computed, dtype=np.float32)
        texts, columns = len(positions), ids.shape[1]
        if vectors.shape[:-1] != ((texts, columns) if folder.pooling else (texts,)):
            msg = (
                f"{folder.graph_file} answers {folder.output!r} of shape {vectors.shape} for "
                f"{texts} texts of {columns} tokens. Export the model again, or use another."
            )
            raise ModelError(msg)
        if folder.pooling:
            vectors = pooled(vectors, rows.lengths(positions), folder.pooling[0])
        if folder.normalize:
            vectors = normalized(vectors)
        if folder.truncate_dim is not None:
            vectors = vectors[:, : folder.truncate_dim]
        return np.ascontiguousarray(vectors)

    def close(self) -> None:
        """Drop the sessions. They are made again if they are needed again."""
        with self._lock:
            self._free = self._wide = self._maker = self._reader = None
