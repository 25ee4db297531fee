"""Texts of one list that say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith.hygiene._finding import Finding
from embedsmith.hygiene._single_texts import example_of
from embedsmith.search import pairs_above
from embedsmith.text import near_duplicates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedsmith.hygiene._likeness import Likeness
    from embedsmith.hygiene._listed import Listed

__all__ = ["duplicate_findings"]


def duplicate_findings(listed: Listed, likeness: Likeness) -> Iterator[Finding]:
    """Yield links between texts that are equal, near-duplicates, or near in embedding.

    No more than one for each text: those of a group of n are n - 1. A pair that its letters link
    already is not named again by its vectors.
    """
    role, ids, texts = listed.role, listed.ids, listed.texts
    groups = _Groups(len(texts))
    letters = near_duplicates(
        texts,
        likeness.near,
        links=True,
        seed=likeness.seed,
        progress=likeness.stages.pairs(f"near-duplicates, {role}"),
    )
    for first, second, similarity in letters:
        groups.join(first, second)
        kind = f"duplicate {role}" if texts[first] == texts[second] else f"near-duplicate {role}"
        detail = f"similarity {similarity:.2f}"
        yield Finding(
            kind, (ids[second], ids[first]), detail, example_of(texts[second]), "drop one"
        )
    vectors = listed.vectors(likeness.embeddings)
    if vectors is None:
        return
    progress = likeness.stages.pairs(f"near-duplicates by embedding, {role}")
    for first, second, score in pairs_above(vectors, likeness.cosine, progress=progress):
        if texts[first].strip() and texts[second].strip() and groups.join(first, second):
            yield Finding(
                f"paraphrased {role}",
                (ids[second], ids[first]),
                f"cosine {score:.3f}",
                example_of(texts[second]),
                "look at both",
            )


class _Groups:
    """Disjoint sets of places."""

    def __init__(self, size: int) -> None:
        self._above = list(range(size))

    def _root(self, of: int) -> int:
        above = self._above
        while above[of] != of:
            above[of] = above[above[of]]
            of = above[of]
        return of

    def join(self, one: int, other: int) -> bool:
        """Join two sets; tell whether they were two."""
        one, other = self._root(one), self._root(other)
        self._above[max(one, other)] = min(one, other)
        return one != other
