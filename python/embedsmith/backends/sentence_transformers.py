"""Encoder over a sentence-transformers model folder."""

from __future__ import annotations

import importlib.util
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._deps import require
from embedsmith.backends._batches import encode_texts
from embedsmith.backends._devices import check_device
from embedsmith.backends._load_report import quiet_loading, refuse_missing_weights
from embedsmith.backends._model_folder import ModelFolder
from embedsmith.backends._protocol import (
    DEFAULT_BATCH_SIZE,
    Embedded,
    Progress,
    Role,
    TokenizedTexts,
)
from embedsmith.backends._st_config import NO_TOKEN_LIMIT, SpaceConfig, read_space
from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from embedsmith._typing import F32Array, I64Array, Json, Metric
    from embedsmith.backends._fingerprint import Fingerprint
    from embedsmith.backends._packaged import PackagedModel

__all__ = ["SentenceTransformerEncoder"]

_FEATURE = "The sentence-transformers backend"
_LIBRARIES = ("torch", "transformers", "sentence-transformers")


class SentenceTransformerEncoder:
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
    batch_size : int, default 32
        Texts per forward pass.
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

    token_budget: int | None = None
    # The kernels of a matrix product depend on its shape.
    batch_invariant = False
    in_flight = 1

    def __init__(
        self,
        path: Path,
        *,
        spec: str | None = None,
        name: str | None = None,
        device: str = "cpu",
        batch_size: int = DEFAULT_BATCH_SIZE,
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
        self._folder, self._space = self._read()
        if importlib.util.find_spec("sentence_transformers") is None:
            require("sentence_transformers", extra="st", feature=_FEATURE)
        check_device(device)
        self.name = name or path.resolve().name
        self.spec = spec or f"st:{path}"
        self.device = device
        self.batch_size = batch_size
        self._loaded: Any = None
        self._counter: Any = None

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
        fingerprint = self._space.fingerprint(self._folder)
        if self._packaged is not None:
            file = self._path / "model.safetensors"
            self._packaged.check(file, fingerprint.fields["weights"].get(file.name))
        return fingerprint

    @cached_property
    def producer(self) -> Json:
        """What decides the last bits of a vector: device, batch size, versions of libraries."""
        return {
            "device": self.device.split(":")[0],
            "batch_size": self.batch_size,
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
            self._loaded = self._load()
        return self._loaded

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
            except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
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
        return model

    def _check_unchanged(self, identity: Fingerprint) -> None:
        """Refuse a model that was saved anew since its identity was taken.

        Its vectors would be kept, and served from then on, under the name of the earlier one.
        """
        folder, space = self._read()
        changed = space.fingerprint(folder).differences(identity)
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

    def count_tokens(self, texts: Sequence[str], role: Role) -> I64Array:
        """Return the untruncated token count of prompt and text, special tokens included."""
        if self._counter is None:
            self._counter = _own_tokenizer(self.model.tokenizer, self._folder.path)
        prompt = self.prompt(role)
        counts = np.empty(len(texts), dtype=np.int64)
        step = 32 * self.batch_size
        for start in range(0, len(texts), step):
            part = [prompt + text for text in texts[start : start + step]]
            encodings = self._counter.encode_batch_fast(part)
            counts[start : start + len(part)] = [len(encoding) for encoding in encodings]
        return counts

    def tokenize(self, texts: Sequence[str], role: Role) -> TokenizedTexts:
        """Return the texts with their token counts."""
        return TokenizedTexts(texts, role, self.count_tokens(texts, role))

    def encode_tokenized(self, tokenized: TokenizedTexts, positions: I64Array) -> F32Array:
        """Return the vectors of one forward pass over some of the texts."""
        return self.encode_batch([tokenized.texts[at] for at in positions], tokenized.role)

    def encode_batch(self, texts: Sequence[str], role: Role) -> F32Array:
        """Return the vectors of one forward pass, in the order of ``texts``."""
        encode = self.model.encode_query if role == "query" else self.model.encode_document
        vectors = encode(
            list(texts),
            # Given even when empty: otherwise the model's default prompt would step in.
            prompt=self.prompt(role),
            batch_size=max(1, len(texts)),
            show_progress_bar=False,
            convert_to_numpy=True,
        )
        return np.ascontiguousarray(vectors, dtype=np.float32)

    def encode(
        self,
        texts: Sequence[str],
        *,
        role: Role,
        batch_size: int | None = None,
        progress: Progress | None = None,
        token_progress: Progress | None = None,
    ) -> Embedded:
        """Embed texts; see `BatchModel.encode`."""
        return encode_texts(
            self,
            texts,
            role=role,
            batch_size=batch_size,
            progress=progress,
            token_progress=token_progress,
        )

    def close(self) -> None:
        """Drop the model. It is loaded again if it is needed again."""
        self._loaded = self._counter = None


def _own_tokenizer(tokenizer: Any, folder: Path) -> Any:
    """Return a copy of the model's tokenizer that cuts and pads nothing.

    A copy, because truncation and padding are states of a fast tokenizer, and the model relies on
    its own.
    """
    tokenizers = require("tokenizers", extra="st", feature=_FEATURE)
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not isinstance(backend, tokenizers.Tokenizer):
        msg = (
            f"{folder} has no fast tokenizer ({type(tokenizer).__name__}), so what is cut off "
            "cannot be counted. Save it with a tokenizer.json."
        )
        raise ModelError(msg)
    copy = tokenizers.Tokenizer.from_str(backend.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy
