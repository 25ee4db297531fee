"""Texts that are too long for a passage, or for a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith.hygiene._finding import Finding
from embedsmith.hygiene._single_texts import example_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedsmith.hygiene._embedded import Embeddings
    from embedsmith.hygiene._listed import Listed

__all__ = ["long_findings"]


def long_findings(
    listed: Listed, *, max_words: int, embeddings: Embeddings | None
) -> Iterator[Finding]:
    """Yield the texts of more than ``max_words``, or with a model those it sees only a part of."""
    kind = f"long {listed.role}"
    if embeddings is None:
        for own, text in zip(listed.ids, listed.texts, strict=True):
            words = len(text.split())
            if words > max_words:
                detail = f"{words:,} words; the limit is {max_words:,}"
                yield Finding(kind, (own,), detail, example_of(text), "split into passages")
        return
    counts, truncated = embeddings.tokens(listed.encoded_as, listed.texts)
    most = embeddings.max_tokens
    for place in truncated.nonzero()[0].tolist():
        limit = "less" if most is None else f"{most:,}"
        detail = f"{int(counts[place]):,} tokens; {embeddings.name} reads {limit}"
        example = example_of(listed.texts[place])
        yield Finding(kind, (listed.ids[place],), detail, example, "split into passages")
