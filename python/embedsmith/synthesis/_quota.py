"""No passage and no document may have too many queries."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from embedsmith.synthesis._candidate import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith.synthesis._candidate import Candidate

__all__ = ["QuotaFilter"]


class QuotaFilter:
    """Keeps the first queries of each passage and document.

    The first of every passage comes before the second of any, so that a document's quota is spread
    over its passages.

    Parameters
    ----------
    documents : sequence of str
        The document of each row of the corpus.
    per_passage, per_document : int or None
        None: no limit.
    """

    name = "quota"

    def __init__(
        self, documents: Sequence[str], per_passage: int | None, per_document: int | None
    ) -> None:
        self._documents = documents
        self._per_passage, self._per_document = per_passage, per_document

    def look(self, candidates: Sequence[Candidate]) -> list[Finding]:
        """Return which are too many."""
        turns: Counter[int] = Counter()
        order = []
        for place, one in enumerate(candidates):
            order.append((turns[one.passage], place))
            turns[one.passage] += 1
        passages: Counter[int] = Counter()
        documents: Counter[str] = Counter()
        found: dict[int, Finding] = {}
        for _, place in sorted(order):
            passage = candidates[place].passage
            document = self._documents[passage]
            if self._per_passage is not None and passages[passage] >= self._per_passage:
                found[place] = Finding("of its passage")
            elif self._per_document is not None and documents[document] >= self._per_document:
                found[place] = Finding("of its document")
            else:
                found[place] = Finding()
                passages[passage] += 1
                documents[document] += 1
        return [found[place] for place in range(len(candidates))]
