"""Encoder that runs in the extension."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from embedsmith import _core
from embedsmith.backends._batches import EncodesInBatches
from embedsmith.backends._protocol import Role, TokenizedTexts
from embedsmith.backends.native._precision import checked_precision, choose
from embedsmith.backends.native._source import NativeSource
from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from embedsmith._typing import F32Array, I64Array, Json, Metric
    from embedsmith.backends._fingerprint import Fingerprint
    from embedsmith.backends._packaged import PackagedModel
    from embedsmith.backends.native._choice import Choice
    from embedsmith.backends.native._kept_choices import KeptChoices

__all__ = ["NativeEncoder"]

# A transaction of the cache, and a step of the progress: nothing is padded, so speed does not
# depend on it.
_TEXTS, _TOKENS = 1024, 32_768


class NativeEncoder(EncodesInBatches):
    """Embeds texts with a sentence-transformers folder, in the extension alone.

    Runs BERT, RoBERTa, XLM-RoBERTa, CamemBERT, MPNet, DistilBERT and ModernBERT on the CPU, without
    padding: a text gives the same bits alone, in any batch and with any number of threads. The
    folder is checked at once; the weights are read when the first text has to be computed.

    Parameters
    ----------
    path : Path
        Folder with ``modules.json``.
    spec, name : str, optional
        What to show; the folder's name if None.
    batch_size : int, optional
        Texts computed between two transactions of a cache, and two steps of the progress; 1024 if
        None. Neither a vector nor the speed depends on it.
    precision : {"auto", "f32", "bf16", "int8"}, default "auto"
        Number format of the matrix products. ``"f32"`` agrees with torch to about 1e-6. ``"bf16"``
        needs AVX-512 BF16 or AMX. ``"int8"`` needs AVX-512 VNNI or AMX: codes of 8 bits with a
        scale for each row, or output, and block of 128 columns, evened out by what the model makes
        of the texts that come with embedsmith. ``"auto"`` takes the fastest here whose vectors
        stay near those of f32 on the same texts: a cosine of .9999 in the mean and .9995 at least
        for bf16, .999 and .997 for int8.
    max_tokens : int, optional
        Cut texts here rather than where the folder says.
    query_prompt, document_prompt : str, optional
        In place of the folder's; ``""`` for none.
    truncate_dim : int, optional
        Keep the first columns of each vector only. They are not scaled again.
    packaged : PackagedModel, optional
        The published model that the folder claims to be; its weights must have the known hash.
    kept : KeptChoices, optional
        Where the format that ``"auto"`` found, and the ranges of int8, are kept for the next start.

    Raises
    ------
    ModelError, UnsafeModelError
        If the folder is incomplete, damaged or unsafe, or its layers do not run natively.
    DeviceError
        If the processor lacks what the precision needs.
    """

    device = "cpu"
    # Why this backend runs the model, where its name left that open.
    chosen: str | None = None
    token_budget: int | None = _TOKENS
    batch_invariant = True
    in_flight = 1
    # The same threads do both.
    tokenize_ahead = False

    def __init__(
        self,
        path: Path,
        *,
        spec: str | None = None,
        name: str | None = None,
        batch_size: int | None = None,
        precision: str = "auto",
        max_tokens: int | None = None,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        truncate_dim: int | None = None,
        packaged: PackagedModel | None = None,
        kept: KeptChoices | None = None,
    ) -> None:
        self._asked = checked_precision(precision)
        self._source = NativeSource.read(
            path,
            max_tokens=max_tokens,
            query_prompt=query_prompt,
            document_prompt=document_prompt,
            truncate_dim=truncate_dim,
        )
        self.spec = spec or f"native:{path}"
        self.name = name or path.resolve().name
        self.batch_size = batch_size or _TEXTS
        self._packaged = packaged
        self._kept = kept
        self._loaded: tuple[_core.NativeModel, Choice] | None = None

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._source.source.space.dim

    @property
    def max_tokens(self) -> int | None:
        """Most tokens the model looks at."""
        return self._source.source.space.max_tokens

    @property
    def metric(self) -> Metric:
        """Similarity the model was trained for."""
        return self._source.source.space.metric

    @property
    def choice(self) -> Choice:
        """The number format that runs, and how near to f32 it was found; loads the weights."""
        return self._running()[1]

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Identity of the embedding space; hashes the weights on first use.

        Raises
        ------
        ModelError
            If the folder claims to be a published model and holds other weights.
        """
        precision = self._asked if self._asked != "auto" else self.choice.precision
        fingerprint = self._source.fingerprint(precision)
        if self._packaged is not None:
            weights = self._source.path / "model.safetensors"
            self._packaged.check(weights, fingerprint.fields["weights"].get(weights.name))
        return fingerprint

    @cached_property
    def producer(self) -> Json:
        """What decides the last bits of a vector: instruction set, number format and version.

        Neither batches nor threads do.
        """
        model = self._running()[0]
        return {
            "device": "cpu",
            "isa": model.isa,
            "precision": model.precision,
            "embedsmith": _core.__version__,
        }

    def prompt(self, role: Role) -> str:
        """Return the text that is put before each text of this role."""
        space = self._source.source.space
        return space.query_prompt if role == "query" else space.document_prompt

    def token_limit(self, role: Role) -> int | None:  # noqa: ARG002 - the same for both roles
        """Return how many tokens the model looks at."""
        return self.max_tokens

    @property
    def loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self._loaded is not None

    def load(self) -> None:
        """Read the weights now rather than with the first text."""
        self._running()

    def _running(self) -> tuple[_core.NativeModel, Choice]:
        if self._loaded is None:
            self._loaded = choose(self._source, self._asked, self._kept)
        return self._loaded

    def count_tokens(self, texts: Sequence[str], role: Role) -> I64Array:
        """Return the untruncated token count of prompt and text, special tokens included."""
        return self.tokenize(texts, role).n_tokens

    def tokenize(self, texts: Sequence[str], role: Role) -> TokenizedTexts:
        """Return the texts with their tokens."""
        prompt = self.prompt(role)
        whole = [prompt + text for text in texts] if prompt else list(texts)
        ids, offsets, counts = self._running()[0].tokenize(whole)
        return TokenizedTexts(texts, role, counts, (ids, offsets))

    def encode_tokenized(self, tokenized: TokenizedTexts, positions: I64Array) -> F32Array:
        """Return the vectors of some of the texts, in the order of ``positions``.

        Raises
        ------
        ModelError
            If the tokens are another model's.
        """
        if tokenized.inputs is None:
            msg = f"{self.name} needs what its own tokenize() returned."
            raise ModelError(msg)
        ids, offsets = tokenized.inputs
        parts = [ids[offsets[at] : offsets[at + 1]] for at in positions.tolist()]
        ends = np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)
        flat = np.concatenate(parts) if parts else ids[:0]
        return self._running()[0].encode(flat, ends)

    def encode_batch(self, texts: Sequence[str], role: Role) -> F32Array:
        """Return the vectors of texts that are not tokenised yet."""
        tokenized = self.tokenize(texts, role)
        return self.encode_tokenized(tokenized, np.arange(len(texts), dtype=np.int64))

    def close(self) -> None:
        """Drop the weights. They are read again if they are needed again."""
        self._loaded = None
