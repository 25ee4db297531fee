"""Pair classification: whether similarities tell alike pairs from others."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from embedsmith.evaluation.tasks._family import Family, Measured, Texts, Vectors, WholeSet, tabulate
from embedsmith.evaluation.tasks._resampling import Resampling
from embedsmith.evaluation.tasks._similarities import (
    OWN,
    SIMILARITIES,
    Similarity,
    pair_similarities,
)
from embedsmith.evaluation.tasks._text_rows import distinct
from embedsmith.evaluation.tasks._thresholds import Separation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedsmith._typing import F64Array, I64Array, Json, Task
    from embedsmith.datasets import LabelledPairs

__all__ = ["PairClassification"]

_WHAT = {
    "ap": "Average precision of the {of}: over its distinct values from the top, precision times "
    "the share of the alike pairs that each adds",
    "f1": "F1 of the alike pairs at the threshold on the {of} that makes it largest",
    "accuracy": "Share of pairs told right at the threshold on the {of} that makes it largest",
    "precision": "Precision at the threshold on the {of} with the best F1",
    "recall": "Recall at the threshold on the {of} with the best F1",
}
_HOW = (
    "The threshold is chosen on these very pairs. Percentile interval of resampled pairs. As in "
    "mteb's pair classification."
)
_OWN = "similarity"
_MOST = "max"


class PairClassification(Family):
    """The pair classification task over labelled pairs.

    Parameters
    ----------
    data : LabelledPairs
        Pairs that are alike or not.
    seed : int
        Of the resampling.
    """

    task: ClassVar[Task] = "pair_classification"
    defaults: ClassVar[tuple[str, ...]] = ("max_ap", "cosine_ap", "cosine_f1", "cosine_accuracy")
    definitions: ClassVar[Mapping[str, str]] = {
        **{
            f"{similarity}_{kind}": f"{text.format(of=of)}. {_HOW}"
            for similarity, of in (
                *SIMILARITIES.items(),
                (_OWN, "similarity that the model was made for"),
            )
            for kind, text in _WHAT.items()
        },
        **{
            f"{_MOST}_{kind}": f"The largest {kind} of all similarities: "
            f"{', '.join(f'{name}_{kind}' for name in (*SIMILARITIES, _OWN))}. {_HOW}"
            for kind in _WHAT
        },
    }

    def __init__(self, data: LabelledPairs, *, seed: int) -> None:
        self._data = data
        self._texts, (self._rows1, self._rows2) = distinct(data.sentences1, data.sentences2)
        self._labels = np.array(data.labels, dtype=np.int64)
        self._resampling = Resampling(len(data), seed)

    @property
    def texts(self) -> Texts:
        """The distinct sentences."""
        return Texts(self._texts)

    @property
    def gold(self) -> tuple[float, ...]:
        """The labels."""
        return tuple(self._data.labels)

    @property
    def counts(self) -> Mapping[str, int]:
        """Pairs and labels."""
        n_pairs = len(self._data)
        return {"n_queries": n_pairs, "n_judgements": n_pairs, "n_labels": 2}

    def measure(
        self, vectors: Vectors, measures: Sequence[str], *, confidence: float, threads: int | None
    ) -> Measured:
        """Return the measures asked for, and all thresholds."""
        found = pair_similarities(vectors.queries, self._rows1, self._rows2)
        separations = {name: Separation(values, self._labels) for name, values in found.items()}
        own = OWN[vectors.metric]
        once = np.ones((1, len(self._data)), dtype=np.int64)
        values = _by_name(measures, {n: s.measure(once) for n, s in separations.items()}, own)
        needed = {
            name: separations[name]
            for name in separations
            for measure in measures
            if measure.partition("_")[0] in (name, _MOST)
            or (measure.startswith(_OWN) and name == own)
        }

        def drawn(counts: I64Array) -> F64Array:
            parts = {name: part.measure(counts) for name, part in needed.items()}
            return np.stack(list(_by_name(measures, parts, own).values()), axis=1)

        draws = self._resampling.draws(drawn)
        whole = {
            name: WholeSet(float(values[name][0]), draws[:, column])
            for column, name in enumerate(measures)
        }
        table = tabulate(
            measures,
            tuple(str(place) for place in range(1, len(self._data) + 1)),
            {},
            whole,
            confidence=confidence,
            resampling=self._resampling,
            threads=threads,
        )
        cuts = {name: part.thresholds() for name, part in separations.items()}
        thresholds: Json = {
            **{f"{name}_f1_threshold": cut.f1 for name, cut in cuts.items()},
            **{f"{name}_accuracy_threshold": cut.accuracy for name, cut in cuts.items()},
        }
        flat = [name for name, part in found.items() if np.ptp(part) == 0.0]
        notes = [_told(cuts["cosine"].f1, cuts["cosine"].accuracy)] if "cosine" not in flat else []
        if flat:
            notes.append(
                f"The {', '.join(flat)} similarity of every pair is the same: no threshold tells "
                "any apart, and F1 and accuracy are given as 0."
            )
        return Measured(
            table,
            draws={name: measured.draws for name, measured in whole.items()},
            details={
                "similarities": {name: part.tolist() for name, part in found.items()},
                "thresholds": thresholds,
            },
            notes=tuple(notes),
        )


def _told(f1: float | None, accuracy: float | None) -> str:
    at = f"F1 is best at {f1:.4f}, accuracy" if f1 is not None else "Accuracy is best"
    return f"Thresholds on the cosine: {at} at {accuracy:.4f}; chosen on these very pairs."


def _by_name(
    measures: Sequence[str], parts: Mapping[Similarity, Mapping[str, F64Array]], own: Similarity
) -> dict[str, F64Array]:
    """Return measures by their names from the measures of each similarity."""
    found = {}
    for measure in measures:
        prefix, _, kind = measure.partition("_")
        if prefix == _MOST:
            found[measure] = np.max([part[kind] for part in parts.values()], axis=0)
        else:
            similarity = next((s for s in SIMILARITIES if s == prefix), own)
            found[measure] = parts[similarity][kind]
    return found
