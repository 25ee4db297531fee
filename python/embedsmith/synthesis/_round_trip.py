"""Whether a query finds the passage that it was written for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith.backends import Bm25
from embedsmith.search import topk
from embedsmith.synthesis._candidate import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embedsmith._typing import I64Array
    from embedsmith.backends import Encoder
    from embedsmith.synthesis._candidate import Candidate

__all__ = ["RoundTripFilter"]


class RoundTripFilter:
    """Drops queries whose passage is not among the best of the whole corpus.

    A passage with the very text of the source is as good as the source.

    Parameters
    ----------
    model : Encoder or Bm25
        What searches.
    texts : sequence of str
        The corpus.
    rank : int
        The last rank that is good enough, from 1.
    note : callable, optional
        Hears what is being done.
    """

    name = "round trip"

    def __init__(
        self,
        model: Encoder | Bm25,
        texts: Sequence[str],
        rank: int,
        note: Callable[[str], object] | None = None,
    ) -> None:
        self._model, self._texts, self._rank = model, list(texts), rank
        self._note = note or (lambda _: None)

    def look(self, candidates: Sequence[Candidate]) -> list[Finding]:
        """Return the rank of each query's passage."""
        if not candidates:
            return []
        rows = self._best([one.text for one in candidates])
        texts = np.unique(np.asarray(self._texts, dtype=object), return_inverse=True)[1]
        findings = []
        for one, found in zip(candidates, rows, strict=True):
            same = np.flatnonzero((found >= 0) & (texts[found] == texts[one.passage]))
            if same.size:
                findings.append(Finding(value=int(same[0]) + 1))
            else:
                findings.append(Finding(f"source not within rank {self._rank}"))
        return findings

    def _best(self, queries: list[str]) -> I64Array:
        model: Any = self._model
        self._note(f"round trip: {len(queries):,} queries, {len(self._texts):,} passages")
        if isinstance(model, Bm25):
            model.build(self._texts)
            return model.search(queries, self._rank).rows
        documents = model.encode(self._texts, role="document").vectors
        asked = model.encode(queries, role="query").vectors
        return topk(asked, documents, k=self._rank, metric=model.metric).rows
