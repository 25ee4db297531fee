"""The texts that are checked one by one and against each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from embedsmith.datasets import Corpus, stream_corpus
from embedsmith.hygiene._finding import Finding
from embedsmith.hygiene._same_text import Distinct
from embedsmith.hygiene._single_texts import example_of

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from embedsmith._typing import F32Array
    from embedsmith.backends import Role
    from embedsmith.hygiene._embedded import Embeddings
    from embedsmith.hygiene._training_data import TrainingData

__all__ = ["Listed", "passages_of", "queries_of"]


@dataclass(frozen=True)
class Listed:
    """Texts of one role.

    Attributes
    ----------
    role : {"query", "passage"}
    ids, texts : sequence of str
        As many ids as texts.
    """

    role: Literal["query", "passage"]
    ids: Sequence[str]
    texts: Sequence[str]

    @property
    def encoded_as(self) -> Role:
        """What an encoder calls the role."""
        return "query" if self.role == "query" else "document"

    def vectors(self, embeddings: Embeddings | None) -> F32Array | None:
        """Return a row for each text, if there is a model."""
        if embeddings is None or not self.texts:
            return None
        return embeddings.vectors(self.encoded_as, self.texts)


def queries_of(data: TrainingData) -> Listed:
    """Return the queries: all that have ids, and of lines each text once."""
    return Listed("query", *_once(data, data.query_ids, data.query_texts))


def passages_of(
    data: TrainingData, corpus: Corpus | str | os.PathLike[str] | None
) -> tuple[Listed, list[Finding]]:
    """Return the passages of a corpus and of the data, and what of the data it lacks."""
    if corpus is None:
        return Listed("passage", *_once(data, data.passage_ids, data.passage_texts)), []
    if not isinstance(corpus, Corpus):
        blocks = list(stream_corpus(corpus))
        corpus = Corpus(
            tuple(name for block in blocks for name in block.ids),
            tuple(text for block in blocks for text in block.texts),
        )
    known = Distinct.of(corpus.texts).numbers
    touched = Distinct.of(data.passage_texts, sorted({pair.passage for pair in data.pairs}))
    absent = [
        touched.places[number][0] for form, number in touched.numbers.items() if form not in known
    ]
    ids = [data.passage_ids[place] for place in absent]
    texts = [data.passage_texts[place] for place in absent]
    findings = [
        Finding(
            "passage not in corpus",
            (own,),
            "no passage of the corpus has this text",
            example_of(text),
            "add it to the corpus, or drop the pair",
        )
        for own, text in zip(ids, texts, strict=True)
    ]
    return Listed("passage", [*corpus.ids, *ids], [*corpus.texts, *texts]), findings


def _once(
    data: TrainingData, ids: Sequence[str], texts: Sequence[str]
) -> tuple[Sequence[str], Sequence[str]]:
    if data.named:
        return ids, texts
    # A query stands in a line for each of its positives, a passage in those of many queries: that
    # is how lines are, and no duplicate.
    first: dict[str, int] = {}
    for place, text in enumerate(texts):
        first.setdefault(text, place)
    return [ids[place] for place in first.values()], list(first)
