"""How much of a corpus training pairs speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedsmith.hygiene._finding import Coverage, Finding
from embedsmith.hygiene._same_text import Distinct
from embedsmith.hygiene._single_texts import example_of
from embedsmith.search import topk

if TYPE_CHECKING:
    from embedsmith.hygiene._embedded import Embeddings
    from embedsmith.hygiene._listed import Listed
    from embedsmith.hygiene._stages import Stages
    from embedsmith.hygiene._training_data import TrainingData

__all__ = ["coverage_of"]

# The farthest passages that are named; the share counts all.
_NAMED = 10


def coverage_of(
    data: TrainingData,
    listed: Listed,
    *,
    embeddings: Embeddings | None,
    cosine: float,
    stages: Stages,
) -> tuple[Coverage, list[Finding]]:
    """Return how many of the passages are in a pair, or near one, and the farthest of them.

    Parameters
    ----------
    data : TrainingData
    listed : Listed
        The passages.
    embeddings : Embeddings, optional
        Without them, nearness is not measured.
    cosine : float
        From which a passage is near a positive.
    stages : Stages
    """
    passages = Distinct.of(listed.texts)
    relevant = sorted({pair.passage for pair in data.pairs if pair.relevant})
    positives = Distinct.of(data.passage_texts, relevant)
    touched = Distinct.of(data.passage_texts, sorted({pair.passage for pair in data.pairs}))
    n_positive = len(passages.numbers.keys() & positives.numbers.keys())
    n_touched = len(passages.numbers.keys() & touched.numbers.keys())
    if embeddings is None or not len(passages) or not len(positives):
        return Coverage(len(passages), n_positive, n_touched), []
    asked, among = embeddings.distinct("document", passages, positives)
    progress = stages.pairs("coverage")
    best = topk(asked, among, k=1, metric="cosine", progress=progress).exact[:, 0]
    coverage = Coverage(
        len(passages),
        n_positive,
        n_touched,
        cosine,
        int((best >= cosine).sum()),
        float(np.median(best)),
    )
    farthest = np.argsort(best, kind="stable")[:_NAMED].tolist()
    return coverage, [
        Finding(
            "far from training",
            (listed.ids[passages.places[number][0]],),
            f"cosine {best[number]:.3f} to the nearest positive",
            example_of(passages.texts[number]),
            "ask something that it answers",
        )
        for number in farthest
        if best[number] < cosine
    ]
