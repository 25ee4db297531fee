"""Semantic textual similarity: whether similarities order pairs as people do."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from embedsmith.evaluation.tasks._correlation import (
    Ranking,
    weighted_pearson,
    weighted_spearman,
)
from embedsmith.evaluation.tasks._family import Family, Measured, Texts, Vectors, WholeSet, tabulate
from embedsmith.evaluation.tasks._resampling import Resampling
from embedsmith.evaluation.tasks._similarities import OWN, SIMILARITIES, pair_similarities
from embedsmith.evaluation.tasks._text_rows import distinct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedsmith._typing import F64Array, I64Array, Task
    from embedsmith.datasets import ScoredPairs

__all__ = ["TextSimilarity"]

_WHAT = {
    "pearson": "Pearson's correlation of the gold scores with the {of} of the two embeddings",
    "spearman": "Spearman's rank correlation (ties at their mean rank) of the gold scores with "
    "the {of} of the two embeddings",
}
_HOW = "over all pairs; percentile interval of resampled pairs. As in mteb's STS tasks."


class TextSimilarity(Family):
    """The STS task over scored pairs.

    Parameters
    ----------
    data : ScoredPairs
        Pairs with their gold scores.
    seed : int
        Of the resampling.
    """

    task: ClassVar[Task] = "sts"
    defaults: ClassVar[tuple[str, ...]] = ("cosine_spearman", "cosine_pearson")
    definitions: ClassVar[Mapping[str, str]] = {
        **{
            f"{similarity}_{kind}": f"{text.format(of=of)}, {_HOW}"
            for similarity, of in SIMILARITIES.items()
            for kind, text in _WHAT.items()
        },
        **{
            kind: f"{text.format(of='similarity that the model was made for')}, {_HOW}"
            for kind, text in _WHAT.items()
        },
    }

    def __init__(self, data: ScoredPairs, *, seed: int) -> None:
        self._data = data
        self._texts, (self._rows1, self._rows2) = distinct(data.sentences1, data.sentences2)
        self._gold = np.array(data.scores, dtype=np.float64)
        self._resampling = Resampling(len(data), seed)

    @property
    def texts(self) -> Texts:
        """The distinct sentences."""
        return Texts(self._texts)

    @property
    def gold(self) -> tuple[float, ...]:
        """The scores."""
        return tuple(self._data.scores)

    @property
    def counts(self) -> Mapping[str, int]:
        """Pairs."""
        return {"n_queries": len(self._data), "n_judgements": len(self._data)}

    @cached_property
    def _ranked_gold(self) -> Ranking:
        return Ranking(self._gold)

    def measure(
        self, vectors: Vectors, measures: Sequence[str], *, confidence: float, threads: int | None
    ) -> Measured:
        """Return the correlations asked for."""
        found = pair_similarities(vectors.queries, self._rows1, self._rows2)
        once = np.ones((1, len(self._data)), dtype=np.int64)
        whole: dict[str, WholeSet] = {}
        known: dict[tuple[str, str], WholeSet] = {}
        undefined = []
        for measure in measures:
            prefix, _, kind = measure.rpartition("_")
            similarity = next((s for s in SIMILARITIES if s == prefix), OWN[vectors.metric])
            if (kind, similarity) not in known:
                correlate = _Correlation(kind, self._gold, self._ranked_gold, found[similarity])
                value = float(correlate(once)[0])
                known[kind, similarity] = WholeSet(
                    value, np.empty(0) if np.isnan(value) else self._resampling.draws(correlate)
                )
            whole[measure] = known[kind, similarity]
            if np.isnan(whole[measure].value):
                undefined.append(measure)
                whole[measure] = WholeSet(0.0, np.zeros(1))
        table = tabulate(
            measures,
            tuple(str(place) for place in range(1, len(self._data) + 1)),
            {},
            whole,
            confidence=confidence,
            resampling=self._resampling,
            threads=threads,
        )
        note = (
            f"{', '.join(undefined)} undefined, and given as 0: the model finds every pair "
            "equally alike."
        )
        return Measured(
            table,
            draws={name: measured.draws for name, measured in whole.items()},
            details={
                "similarities": {name: values.tolist() for name, values in found.items()},
                "undefined": undefined,
            },
            notes=(note,) if undefined else (),
        )


class _Correlation:
    """One correlation with the gold scores, as a function of how often each pair was drawn."""

    def __init__(self, kind: str, gold: F64Array, ranked_gold: Ranking, values: F64Array) -> None:
        self._gold, self._values = gold, values
        self._ranks = (ranked_gold, Ranking(values)) if kind == "spearman" else None

    def __call__(self, counts: I64Array) -> F64Array:
        if self._ranks is not None:
            return weighted_spearman(*self._ranks, counts)
        return weighted_pearson(self._gold, self._values, counts)
