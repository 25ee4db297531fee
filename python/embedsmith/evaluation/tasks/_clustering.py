"""Clustering: whether k-means over the embeddings finds the groups that people see."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from embedsmith._deps import require
from embedsmith.evaluation.tasks._family import Family, Measured, Texts, Vectors, tabulate
from embedsmith.evaluation.tasks._resampling import Resampling
from embedsmith.evaluation.tasks._text_rows import distinct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedsmith._typing import Task
    from embedsmith.datasets import TextClusters
    from embedsmith.evaluation.tasks._experiments import Experiments

__all__ = ["Clustering"]

# mteb's: texts drawn per experiment, with replacement, and k-means' batch.
_SAMPLE = 16_384
_BATCH = 512
_FEATURE = "The task clustering"
_FUNCTIONS = {
    "v_measure": "v_measure_score",
    "ami": "adjusted_mutual_info_score",
    "ari": "adjusted_rand_score",
}
_HOW = (
    "the labels and the clusters of scikit-learn's mini-batch k-means (k-means++, one start, "
    "batches of 512, as many clusters as labels) over 16,384 texts drawn with replacement; mean "
    "over seeded experiments, as in mteb's clustering. BCa interval over the experiments, "
    "and so for these texts."
)


class Clustering(Family):
    """The clustering task over texts of known groups.

    Parameters
    ----------
    data : TextClusters
        Texts and their groups.
    experiments : Experiments
        How many draws.
    """

    task: ClassVar[Task] = "clustering"
    defaults: ClassVar[tuple[str, ...]] = ("v_measure", "ami", "ari")
    definitions: ClassVar[Mapping[str, str]] = {
        "v_measure": f"V-measure, the harmonic mean of homogeneity and completeness, of {_HOW}",
        "ami": f"Mutual information, adjusted for chance, of {_HOW}",
        "ari": f"Rand index, adjusted for chance, of {_HOW}",
    }

    def __init__(self, data: TextClusters, experiments: Experiments) -> None:
        self._data, self._experiments = data, experiments
        self._texts, (self._rows,) = distinct(data.texts)
        self._classes, self._labels = np.unique(np.array(data.labels), return_inverse=True)
        generator = random.Random(experiments.draw_seed)  # noqa: S311 - mteb's draws, no secret
        rows = range(len(data))
        self._draws = [
            np.array(generator.choices(rows, k=_SAMPLE), dtype=np.int64)
            for _ in range(experiments.n_experiments)
        ]

    @property
    def texts(self) -> Texts:
        """The distinct texts."""
        return Texts(self._texts)

    @property
    def gold(self) -> tuple[str | float, ...]:
        """The group of each text, in the order of the data."""
        return tuple(self._data.labels)

    @property
    def counts(self) -> Mapping[str, int]:
        """Experiments, texts and groups."""
        return {
            "n_queries": self._experiments.n_experiments,
            "n_judgements": len(self._data),
            "n_labels": len(self._classes),
        }

    @property
    def options(self) -> dict[str, Any]:
        """How many draws there are."""
        return {"n_experiments": self._experiments.n_experiments}

    def measure(
        self, vectors: Vectors, measures: Sequence[str], *, confidence: float, threads: int | None
    ) -> Measured:
        """Return the measures asked for, of the clusters found in each experiment."""
        cluster: Any = require("sklearn.cluster", extra="tasks", feature=_FEATURE)
        scores: Any = require("sklearn.metrics.cluster", extra="tasks", feature=_FEATURE)
        embeddings = vectors.queries.astype(np.float64)[self._rows]
        values: dict[str, list[float]] = {name: [] for name in measures}
        for draw in self._draws:
            found = cluster.MiniBatchKMeans(
                n_clusters=len(np.unique(self._labels)),
                batch_size=_BATCH,
                init="k-means++",
                n_init=1,
                random_state=self._experiments.draw_seed,
            ).fit_predict(embeddings[draw])
            for name in measures:
                function = getattr(scores, _FUNCTIONS[name])
                values[name].append(float(function(self._labels[draw], found)))
        table = tabulate(
            measures,
            tuple(f"experiment {number}" for number in range(1, len(self._draws) + 1)),
            {name: np.array(column) for name, column in values.items()},
            {},
            confidence=confidence,
            resampling=Resampling(len(self._draws), self._experiments.seed),
            threads=threads,
        )
        return Measured(table, details={"per_experiment": values})
