"""What counts as the same text in one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedsmith.hygiene._alike import Alike, alike

if TYPE_CHECKING:
    from embedsmith.backends import Role
    from embedsmith.hygiene._embedded import Embeddings
    from embedsmith.hygiene._same_text import Distinct
    from embedsmith.hygiene._stages import Stages

__all__ = ["Likeness"]


@dataclass(frozen=True)
class Likeness:
    """Limits from which texts are alike, and the model that sees paraphrases.

    Attributes
    ----------
    near : float
        Jaccard similarity of the shingles.
    cosine : float
        Of the embeddings.
    seed : int
        For the near-duplicates.
    embeddings : Embeddings or None
        None: texts are compared by letters only.
    stages : Stages
        Told how far a search is.
    """

    near: float
    cosine: float
    seed: int
    embeddings: Embeddings | None
    stages: Stages

    def between(
        self, role: Role, left: Distinct, right: Distinct, stage: str
    ) -> dict[int, dict[int, Alike]]:
        """Return for each text of ``right`` that is like some of ``left``: which, and how."""
        vectors = None if self.embeddings is None else self.embeddings.distinct(role, left, right)
        pairs = alike(
            left,
            right,
            near=self.near,
            seed=self.seed,
            vectors=vectors,
            cosine=self.cosine,
            progress=self.stages.pairs(stage),
        )
        found: dict[int, dict[int, Alike]] = {}
        for (first, second), how in pairs.items():
            found.setdefault(second, {})[first] = how
        return found
