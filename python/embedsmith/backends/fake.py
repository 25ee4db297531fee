"""A tiny encoder without weights, for tests: hashed bags of words."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import numpy as np

from embedsmith.backends._batches import EncodesInBatches
from embedsmith.backends._fingerprint import Fingerprint
from embedsmith.backends._protocol import (
    DEFAULT_BATCH_SIZE,
    Role,
    TokenizedTexts,
)
from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import F32Array, I64Array, Json, Metric

__all__ = ["FakeEncoder"]

_WORD = re.compile(r"\w+")


class FakeEncoder(EncodesInBatches):
    """Counts hashed words. For tests: deterministic everywhere, fast, and of no quality at all.

    Parameters
    ----------
    dim : int
        Width of a vector, at least 2.
    max_tokens : int, optional
        Words looked at; None means all.
    query_prompt, document_prompt : str, default ""
        Put before each text.
    batch_size : int
        Texts per batch.
    """

    token_budget: int | None = None
    # It could claim more, but is here to try what a model with weights needs.
    batch_invariant = False
    in_flight = 1
    tokenize_ahead = False
    chosen: str | None = None

    def __init__(
        self,
        dim: int,
        *,
        max_tokens: int | None = None,
        query_prompt: str = "",
        document_prompt: str = "",
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> None:
        if dim < 2:  # noqa: PLR2004 - one column is the bias
            msg = f"fake:{dim} has too few dimensions; use at least fake:2."
            raise ModelError(msg)
        self.spec = self.name = f"fake:{dim}"
        self.dim = dim
        self.max_tokens = max_tokens
        self.metric: Metric = "cosine"
        self.batch_size = batch_size
        self.producer: Json = {"device": "cpu", "batch_size": batch_size}
        self._prompts = {"query": query_prompt, "document": document_prompt}
        self.fingerprint = Fingerprint(
            {
                "schema": "embedsmith.fingerprint/1",
                "backend": "fake",
                "dim": dim,
                "max_tokens": max_tokens,
                "query_prompt": query_prompt,
                "document_prompt": document_prompt,
                "similarity": "cosine",
            }
        )

    def prompt(self, role: Role) -> str:
        """Return the text that is put before each text of this role."""
        return self._prompts[role]

    def token_limit(self, role: Role) -> int | None:  # noqa: ARG002 - the same for both roles
        """Return how many words are looked at."""
        return self.max_tokens

    def count_tokens(self, texts: Sequence[str], role: Role) -> I64Array:
        """Return the number of words of prompt and text."""
        counts = [len(self._words(text, role)) for text in texts]
        return np.asarray(counts, dtype=np.int64)

    def tokenize(self, texts: Sequence[str], role: Role) -> TokenizedTexts:
        """Return the texts with the number of their words."""
        return TokenizedTexts(texts, role, self.count_tokens(texts, role))

    def encode_tokenized(self, tokenized: TokenizedTexts, positions: I64Array) -> F32Array:
        """Return the word counts of some of the texts."""
        return self.encode_batch([tokenized.texts[at] for at in positions], tokenized.role)

    def encode_batch(self, texts: Sequence[str], role: Role) -> F32Array:
        """Return the word counts; column 0 is always 1, so that no vector is zero."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        vectors[:, 0] = 1.0
        for row, text in enumerate(texts):
            for word in self._words(text, role)[: self.max_tokens]:
                digest = hashlib.blake2b(word.encode("utf-8"), digest_size=8).digest()
                vectors[row, 1 + int.from_bytes(digest, "little") % (self.dim - 1)] += 1.0
        return vectors

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""

    def _words(self, text: str, role: Role) -> list[str]:
        return _WORD.findall((self._prompts[role] + text).casefold())
