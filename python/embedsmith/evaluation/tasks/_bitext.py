"""Bitext mining: whether a text's translation is its nearest neighbour."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from embedsmith._phrases import counted
from embedsmith.evaluation.tasks._family import Family, Measured, Texts, Vectors, tabulate
from embedsmith.evaluation.tasks._resampling import Resampling
from embedsmith.evaluation.tasks._text_rows import distinct
from embedsmith.search import topk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedsmith._typing import F64Array, I64Array, Task
    from embedsmith.datasets import ParallelTexts

__all__ = ["BitextMining"]

_REVERSE = "reverse_"
_WHAT = {
    "f1": "F1 of each pair (2 if it was found, divided by 1 and the number of texts whose nearest "
    "neighbour it is), averaged over the pairs",
    "accuracy": "Share of texts whose nearest neighbour is their translation",
    "precision": "1 divided by the number of texts whose nearest neighbour it is, for each pair "
    "that was found, averaged over the pairs",
    "recall": "The same as accuracy, under mteb's name",
}
_HOW = (
    "Nearest by the similarity that the model was made for, exactly; of equally near texts, the "
    "first. As in mteb's bitext mining. BCa interval over the pairs."
)


class BitextMining(Family):
    """The bitext mining task over texts and their translations.

    Parameters
    ----------
    data : ParallelTexts
        Pairs.
    seed : int
        Of the resampling.
    """

    task: ClassVar[Task] = "bitext"
    defaults: ClassVar[tuple[str, ...]] = ("f1", "accuracy", "reverse_f1", "reverse_accuracy")
    definitions: ClassVar[Mapping[str, str]] = {
        f"{prefix}{name}": f"{what}, looking for {way}. {_HOW}"
        for prefix, way in (
            ("", "each source among all targets"),
            (_REVERSE, "each target among all sources"),
        )
        for name, what in _WHAT.items()
    }

    def __init__(self, data: ParallelTexts, *, seed: int) -> None:
        self._data = data
        self._texts, (self._sources, self._targets) = distinct(data.sources, data.targets)
        self._resampling = Resampling(len(data), seed)

    @property
    def texts(self) -> Texts:
        """The distinct texts of both sides."""
        return Texts(self._texts)

    @property
    def gold(self) -> tuple[str | float, ...]:
        """Nothing: the gold answer of a pair is the pair."""
        return ()

    @property
    def counts(self) -> Mapping[str, int]:
        """Pairs."""
        return {"n_queries": len(self._data), "n_judgements": len(self._data)}

    def measure(
        self, vectors: Vectors, measures: Sequence[str], *, confidence: float, threads: int | None
    ) -> Measured:
        """Return the measures asked for, and what was found for each text."""
        found = {
            "": self._nearest(vectors, self._sources, self._targets, threads),
            _REVERSE: self._nearest(vectors, self._targets, self._sources, threads),
        }
        items: dict[str, F64Array] = {}
        for name in measures:
            way = _REVERSE if name.startswith(_REVERSE) else ""
            items[name] = _per_pair(name.removeprefix(way), found[way])
        table = tabulate(
            measures,
            tuple(str(place) for place in range(1, len(self._data) + 1)),
            items,
            {},
            confidence=confidence,
            resampling=self._resampling,
            threads=threads,
        )
        notes = [
            f"{counted(n_repeated, side)} {'repeats' if n_repeated == 1 else 'repeat'} another's "
            "text; only the first of equal texts can be found."
            for side, rows in (("source", self._sources), ("target", self._targets))
            if (n_repeated := len(rows) - len(np.unique(rows)))
        ]
        return Measured(
            table,
            details={
                "nearest_target": found[""].tolist(),
                "nearest_source": found[_REVERSE].tolist(),
            },
            notes=tuple(notes),
        )

    @staticmethod
    def _nearest(
        vectors: Vectors, asked: I64Array, among: I64Array, threads: int | None
    ) -> I64Array:
        """Return the position of each text's nearest neighbour among the other side."""
        # Equal texts are searched once; the first of them stands for all.
        there, first = np.unique(among, return_index=True)
        order = np.argsort(first)
        there, first = there[order], first[order]
        hits = topk(
            vectors.queries[asked],
            vectors.queries[there],
            k=1,
            metric=vectors.metric,
            threads=threads,
        )
        nearest: I64Array = first[hits.rows[:, 0]]
        return nearest


def _per_pair(name: str, nearest: I64Array) -> F64Array:
    """Return a measure of each pair; position i is the right answer for text i."""
    right: F64Array = (nearest == np.arange(len(nearest))).astype(np.float64)
    given = np.bincount(nearest, minlength=len(nearest))
    if name == "precision":
        right /= np.maximum(given, 1)
    elif name == "f1":
        right *= 2.0 / (1 + given)
    return right
