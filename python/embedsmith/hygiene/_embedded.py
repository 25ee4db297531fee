"""Texts as a model sees them: vectors, token counts, and what is cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import F32Array, F64Array, I64Array
    from embedsmith.backends import Encoder, Role
    from embedsmith.hygiene._same_text import Distinct
    from embedsmith.hygiene._stages import Stages

__all__ = ["Embeddings", "as_encoded", "cosines"]

_ROWS = 8192


class _Seen(NamedTuple):
    row_of: dict[str, int]
    vectors: F32Array
    n_tokens: I64Array
    truncated: Any


class Embeddings:
    """Vectors of queries and passages, each distinct text embedded once for each role.

    Parameters
    ----------
    encoder : Encoder
        Its own cache serves texts that it knows.
    queries, passages : sequences of lists of str
        Everything that will be asked for.
    stages : Stages
        Told how far it is.
    """

    def __init__(
        self,
        encoder: Encoder,
        queries: Sequence[Sequence[str]],
        passages: Sequence[Sequence[str]],
        stages: Stages,
    ) -> None:
        self.name, self.max_tokens = encoder.name, encoder.max_tokens
        self._of: dict[Role, _Seen] = {
            "query": _embedded(encoder, "query", queries, stages),
            "document": _embedded(encoder, "document", passages, stages),
        }

    def vectors(self, role: Role, texts: Sequence[str]) -> F32Array:
        """Return a row for each text."""
        seen = self._of[role]
        # A copy, but for the text that stands first in many lists.
        rows: F32Array = seen.vectors[self._rows(role, texts)]
        return rows

    def distinct(self, role: Role, left: Distinct, right: Distinct) -> tuple[F32Array, F32Array]:
        """Return a row for each text of two lists."""
        return self.vectors(role, left.texts), self.vectors(role, right.texts)

    def tokens(self, role: Role, texts: Sequence[str]) -> tuple[I64Array, Any]:
        """Return how many tokens each text has, and whether the model sees only a part of it."""
        rows = self._rows(role, texts)
        return self._of[role].n_tokens[rows], self._of[role].truncated[rows]

    def _rows(self, role: Role, texts: Sequence[str]) -> I64Array:
        row_of = self._of[role].row_of
        return np.fromiter((row_of[as_encoded(text)] for text in texts), np.int64, len(texts))


def as_encoded(text: str) -> str:
    """Return a text that an encoder takes: half a character, which is reported, becomes a mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _embedded(
    encoder: Encoder, role: Role, lists: Sequence[Sequence[str]], stages: Stages
) -> _Seen:
    row_of: dict[str, int] = {}
    for texts in lists:
        for text in texts:
            row_of.setdefault(as_encoded(text), len(row_of))
    what = "queries" if role == "query" else "passages"
    with stages.stage(f"{encoder.name}: embedding {what}", len(row_of)) as done:
        made = encoder.encode(list(row_of), role=role, progress=done)
    return _Seen(row_of, made.vectors, made.n_tokens, made.truncated)


def cosines(left: F32Array, right: F32Array, pairs: Sequence[tuple[int, int]]) -> F64Array:
    """Return the cosine of each pair of rows; a row of zeros has 0."""
    found = np.zeros(len(pairs))
    for start in range(0, len(pairs), _ROWS):
        part = np.array(pairs[start : start + _ROWS], dtype=np.int64)
        a, b = left[part[:, 0]].astype(np.float64), right[part[:, 1]].astype(np.float64)
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        products = np.einsum("ij,ij->i", a, b)
        np.divide(products, lengths, out=found[start : start + _ROWS], where=lengths > 0)
    return found
