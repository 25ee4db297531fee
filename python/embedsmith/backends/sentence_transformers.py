"""Encoder over a sentence-transformers model folder."""

from __future__ import annotations

import importlib.util
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._deps import require
from embedsmith.backends._batches import EncodesInBatches
from embedsmith.backends._devices import check_device
from embedsmith.backends._fingerprint import Fingerprint
from embedsmith.backends._load_report import quiet_loading, refuse_missing_weights
from embedsmith.backends._model_folder import ModelFolder
from embedsmith.backends._protocol import (
    DEFAULT_BATCH_SIZE,
    Role,
    TokenizedTexts,
)
from embedsmith.backends._st_config import NO_TOKEN_LIMIT, SpaceConfig, read_space
from embedsmith.backends._torch_forward import (
    TorchForward,
    check_precision,
    out_of_memory,
    reads_ids,
    table_rows,
)
from embedsmith.backends._torch_products import may_be_slow
from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from embedsmith._typing import F32Array, I64Array, Json, Metric
    from embedsmith.backends._packaged import PackagedModel

__all__ = ["SentenceTransformerEncoder"]

_FEATURE = "The sentence-transformers backend"
# Beyond so many tokens a batch no longer gains on a CPU, and falls out of its caches;
# benches/test_encoders.py measures it. Matrix units for bfloat16 are fed with more.
_TOKEN_BUDGETS = {("cpu", "fp32"): 2048, ("cpu", "bf16"): 4096}
_GPU_TOKEN_BUDGET = 32_768
_LOW_PRECISION_ROWS, _GPU_ROWS = 128, 256
_LIBRARIES = ("torch", "transformers", "sentence-transformers")


class SentenceTransformerEncoder(EncodesInBatches):
    """Embeds texts with a sentence-transformers model, on this machine and offline.

    The folder is checked at once: complete, safetensors only, no code. torch and the weights are
    loaded when the first text has to be computed, so a run served by the cache needs neither.

    Parameters
    ----------
    path : Path
        Folder with ``modules.json``.
    spec, name : str, optional
        What to show; the folder's name if None.
    device : str, default "cpu"
        ``"cpu"``, ``"cuda"`` or ``"cuda:N"``. There is no fallback.
    batch_size : int, optional
        Most texts per forward pass; if None, 32 on a CPU, 128 there in bfloat16, 256 on a GPU.
    token_budget : int, optional
        Most tokens per forward pass, padding included; one that suits device and precision if None.
    precision : {"fp32", "bf16", "fp16"}, default "fp32"
        Of the products of matrices; sums, norms and pooling stay in float32. ``"bf16"`` needs a
        CPU with AVX-512 BF16 or AMX, or a GPU; ``"fp16"`` a GPU. It is part of the fingerprint.
    max_tokens : int, optional
        Cut texts here rather than where the folder says.
    query_prompt, document_prompt : str, optional
        In place of the folder's; ``""`` for none. The folder's are those named ``query``, and
        ``document``, ``passage`` or ``corpus``, else its default prompt.
    truncate_dim : int, optional
        Keep the first columns of each vector only. They are not scaled again.
    trust_remote_code : bool, default False
        Run code that comes with the model.
    packaged : PackagedModel, optional
        The published model that the folder claims to be; its weights must have the known hash.

    Raises
    ------
    ModelError, UnsafeModelError
        If the folder is incomplete, damaged, or unsafe.
    DeviceError
        If the device cannot be used.
    MissingDependencyError
        If sentence-transformers is not installed.
    """

    # The kernels of a matrix product depend on its shape.
    batch_invariant = False
    in_flight = 1
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
        precision: str = "fp32",
        max_tokens: int | None = None,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        truncate_dim: int | None = None,
        trust_remote_code: bool = False,
        packaged: PackagedModel | None = None,
    ) -> None:
        self._path = path
        self._trust_remote_code = trust_remote_code
        self._changes: dict[str, Any] = {
            "max_tokens": max_tokens,
            "query_prompt": query_prompt,
            "document_prompt": document_prompt,
            "truncate_dim": truncate_dim,
        }
        self._packaged = packaged
        check_precision(precision, device)
        self.precision = precision
        self._folder, self._space = self._read()
        if importlib.util.find_spec("sentence_transformers") is None:
            require("sentence_transformers", extra="st", feature=_FEATURE)
        check_device(device)
        self.name = name or path.resolve().name
        self.spec = spec or f"st:{path}"
        self.device = device
        on_cpu = device == "cpu"
        usual = DEFAULT_BATCH_SIZE if precision == "fp32" else _LOW_PRECISION_ROWS
        self.batch_size = batch_size or (usual if on_cpu else _GPU_ROWS)
        self.token_budget: int | None = token_budget or (
            _TOKEN_BUDGETS[device, precision] if on_cpu else _GPU_TOKEN_BUDGET
        )
        self._loaded: Any = None
        self._forward: TorchForward | None = None
        self._fed_with_ids = False

    def _read(self) -> tuple[ModelFolder, SpaceConfig]:
        folder = ModelFolder.read(self._path, trust_remote_code=self._trust_remote_code)
        return folder, read_space(folder, **self._changes)

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._space.dim

    @property
    def max_tokens(self) -> int | None:
        """Most tokens the model looks at; None means all."""
        return self._space.max_tokens

    @property
    def metric(self) -> Metric:
        """Similarity the model was trained for."""
        return self._space.metric

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Identity of the embedding space; hashes the weights on first use.

        Raises
        ------
        ModelError
            If the folder claims to be a published model and holds other weights.
        """
        fingerprint = self._identity(self._space, self._folder)
        if self._packaged is not None:
            file = self._path / "model.safetensors"
            self._packaged.check(file, fingerprint.fields["weights"].get(file.name))
        return fingerprint

    def _identity(self, space: SpaceConfig, folder: ModelFolder) -> Fingerprint:
        fingerprint = space.fingerprint(folder)
        if self.precision == "fp32":
            return fingerprint
        # Rounded on the way: not the same space to the last promise, and never mixed with it.
        return Fingerprint({**fingerprint.fields, "computed_in": self.precision})

    @cached_property
    def producer(self) -> Json:
        """What decides the last bits of a vector: device, batch size, versions of libraries."""
        # Measured only with the model: what a cache answers needs no torch.
        measured = self.device == "cpu" and self.precision == "fp32" and may_be_slow()
        setting = {"float32_matmul_precision": "medium where exact and faster"}
        return {
            "device": self.device.split(":")[0],
            **(setting if measured else {}),
            "batch_size": self.batch_size,
            "token_budget": self.token_budget,
            **{name: metadata.version(name) for name in _LIBRARIES},
        }

    def prompt(self, role: Role) -> str:
        """Return the text that is put before each text of this role."""
        return self._space.query_prompt if role == "query" else self._space.document_prompt

    def token_limit(self, role: Role) -> int | None:  # noqa: ARG002 - the same for both roles
        """Return how many tokens the model looks at."""
        return self._space.max_tokens

    @property
    def tokenize_ahead(self) -> bool:
        """Whether tokenising beside a running batch pays: on a GPU."""
        return self.device != "cpu"

    @property
    def model(self) -> Any:
        """The ``SentenceTransformer``; loaded on first use."""
        if self._loaded is None:
            model = self._load()
            self._forward = TorchForward(
                model,
                self._space,
                device=self.device,
                precision=self.precision,
                where=str(self._folder.path),
            )
            self._fed_with_ids = reads_ids(model, self._folder.modules)
            self._loaded = model
        return self._loaded

    @property
    def _runner(self) -> TorchForward:
        """What runs the model; it is loaded on first use."""
        if self._loaded is None or self._forward is None:
            self.load()
        if self._forward is None:
            msg = "the model was closed while it was in use"
            raise RuntimeError(msg)
        return self._forward

    @property
    def loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self._loaded is not None

    def load(self) -> None:
        """Load the weights now rather than with the first text.

        Raises
        ------
        ModelError
            If the folder cannot be loaded, or was changed since it was opened.
        DeviceMemoryError
            If the device has no room for it.
        """
        self._loaded = self.model

    def _load(self) -> Any:
        library = require("sentence_transformers", extra="st", feature=_FEATURE)
        path = str(self._path)
        identity = self.fingerprint
        with quiet_loading():
            try:
                model = library.SentenceTransformer(
                    path,
                    device=self.device,
                    trust_remote_code=self._trust_remote_code,
                    local_files_only=True,
                    truncate_dim=self._changes["truncate_dim"],
                    model_kwargs={"use_safetensors": True},
                )
            # Its libraries check settings with classes of their own, or stumble over them.
            except Exception as error:
                full = out_of_memory(error, path, self.device)
                if full is not None:
                    raise full from error
                msg = (
                    f"{path} cannot be loaded: {error}. Copy or download the whole model folder, "
                    "or save it anew with this release of sentence-transformers."
                )
                raise ModelError(msg) from error
            if self._folder.modules[0].kind == "Transformer":
                refuse_missing_weights(model[0], self._folder.modules[0].folder)
        if self._changes["max_tokens"] is not None:
            model.max_seq_length = self._space.max_tokens
        self._check_unchanged(identity)
        self._check_declared(model)
        self._check_runs(model)
        return model

    def _check_unchanged(self, identity: Fingerprint) -> None:
        """Refuse a model that was saved anew since its identity was taken.

        Its vectors would be kept, and served from then on, under the name of the earlier one.
        """
        folder, space = self._read()
        changed = self._identity(space, folder).differences(identity)
        if changed:
            msg = (
                f"{self._path} was changed ({', '.join(changed)}) since it was opened. "
                "Open the model again, once whoever writes to the folder is done."
            )
            raise ModelError(msg)

    def _check_declared(self, model: Any) -> None:
        """Compare what was read from JSON with the loaded model: the fingerprint rests on it."""
        limit = getattr(model[0], "max_seq_length", None)
        side = getattr(model.tokenizer, "truncation_side", self._space.truncation_side)
        if limit is not None and limit >= NO_TOKEN_LIMIT:
            limit = None
        for what, declared, actual in (
            ("columns", self._space.dim, model.get_embedding_dimension()),
            ("tokens at most", self._space.max_tokens, limit),
            ("truncation side", self._space.truncation_side, side),
        ):
            if declared != actual:
                msg = (
                    f"{self._folder.path}: its files say {declared} ({what}), the loaded model "
                    f"says {actual}. Save it anew with this release of sentence-transformers."
                )
                raise ModelError(msg)

    def _check_runs(self, model: Any) -> None:
        """Run one text, so that parts that do not fit each other are refused at once."""
        known = table_rows(model[0])
        largest = max(model.tokenizer.get_vocab().values(), default=0) if known else 0
        if known is not None and largest >= known:
            msg = (
                f"{self._path}: its tokenizer has ids up to {largest}, its table of words only "
                f"{known} rows. Copy both from the same model."
            )
            raise ModelError(msg)
        try:
            model.encode_document(["a"], prompt="", show_progress_bar=False)
        except Exception as error:
            full = out_of_memory(error, self._path, self.device)
            if full is not None:
                raise full from error
            msg = (
                f"{self._path} was loaded and does not run: {type(error).__name__}: {error}. Copy "
                "or download the whole model folder, or save it anew with this release of "
                "sentence-transformers."
            )
            raise ModelError(msg) from error

    def count_tokens(self, texts: Sequence[str], role: Role) -> I64Array:
        """Return the untruncated token count of prompt and text, special tokens included."""
        return self.tokenize(texts, role).n_tokens

    def tokenize(self, texts: Sequence[str], role: Role) -> TokenizedTexts:
        """Return the texts as token ids."""
        rows, n_tokens = self._runner.read(texts, self.prompt(role))
        return TokenizedTexts(texts, role, n_tokens, rows)

    def encode_tokenized(self, tokenized: TokenizedTexts, positions: I64Array) -> F32Array:
        """Return the vectors of one forward pass over some of the texts."""
        runner = self._runner
        if self._fed_with_ids:
            return runner.run(tokenized.inputs, positions)
        return self._encode_texts([tokenized.texts[at] for at in positions], tokenized.role)

    def encode_batch(self, texts: Sequence[str], role: Role) -> F32Array:
        """Return the vectors of one forward pass, in the order of ``texts``."""
        tokenized = self.tokenize(texts, role)
        return self.encode_tokenized(tokenized, np.arange(len(texts), dtype=np.int64))

    def _encode_texts(self, texts: list[str], role: Role) -> F32Array:
        """Let the library read the texts itself: for models that need more than token ids."""
        encode = self.model.encode_query if role == "query" else self.model.encode_document
        with self._runner.precision():
            vectors = encode(
                texts,
                # Given even when empty: otherwise the model's default prompt would step in.
                prompt=self.prompt(role),
                batch_size=max(1, len(texts)),
                show_progress_bar=False,
                convert_to_numpy=True,
            )
        return np.ascontiguousarray(vectors, dtype=np.float32)

    def close(self) -> None:
        """Drop the model. It is loaded again if it is needed again."""
        self._loaded = self._forward = None
