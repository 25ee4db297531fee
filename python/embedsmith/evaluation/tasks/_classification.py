"""Classification: how well a few labelled embeddings teach a classifier."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from embedsmith._deps import require
from embedsmith._phrases import counted
from embedsmith.evaluation.tasks._confusion import CLASS_MEASURES, Predictions
from embedsmith.evaluation.tasks._family import (
    Family,
    Measured,
    Texts,
    Vectors,
    WholeSet,
    tabulate,
)
from embedsmith.evaluation.tasks._resampling import Resampling
from embedsmith.evaluation.tasks._text_rows import distinct
from embedsmith.exceptions import MeasureError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedsmith._typing import F64Array, I64Array, Task
    from embedsmith.datasets import LabelledTexts
    from embedsmith.evaluation.tasks._experiments import Experiments

__all__ = ["Classification", "few_shot_draws"]

_KNN = "knn_"
_MAX_ITER = 100
_LOGISTIC = (
    "a logistic regression (scikit-learn's, L2, at most 100 iterations) that learnt from the "
    "embeddings of a few texts per label"
)
_NEAREST = (
    "the vote of the nearest few-shot training embeddings (scikit-learn's k nearest neighbours, "
    "Euclidean)"
)
_HOW = (
    "mean over seeded experiments, each with its own draw of training texts, as in mteb's "
    "classification. Percentile interval over resampled test texts and resampled experiments."
)


class Classification(Family):
    """The classification task over labelled texts.

    Parameters
    ----------
    data : LabelledTexts
        Training and test texts.
    experiments : Experiments
        How many draws of how many texts.
    """

    task: ClassVar[Task] = "classification"
    defaults: ClassVar[tuple[str, ...]] = ("accuracy", "f1", "knn_accuracy", "knn_f1")
    definitions: ClassVar[Mapping[str, str]] = {
        f"{prefix}{name}": f"{what}, by {classifier}; {_HOW}"
        for prefix, classifier in (("", _LOGISTIC), (_KNN, _NEAREST))
        for name, what in CLASS_MEASURES.items()
    }

    def __init__(self, data: LabelledTexts, experiments: Experiments) -> None:
        self._data, self._experiments = data, experiments
        self._classes = data.known_labels
        place = {label: number for number, label in enumerate(self._classes)}
        train = np.array([place[label] for label in data.train_labels], dtype=np.int64)
        self._gold = np.array([place[label] for label in data.labels], dtype=np.int64)
        self._draws = few_shot_draws(
            data.train_labels,
            samples_per_label=experiments.samples_per_label,
            n_experiments=experiments.n_experiments,
            seed=experiments.draw_seed,
        )
        # Only what is drawn at all is embedded.
        drawn = sorted({row for draw in self._draws for row in draw})
        self._texts, (train_rows, self._test_rows) = distinct(
            [data.train_texts[row] for row in drawn], data.texts
        )
        row_of = dict(zip(drawn, train_rows.tolist(), strict=True))
        self._lessons = [
            (np.array([row_of[row] for row in draw], dtype=np.int64), train[draw])
            for draw in self._draws
        ]
        self._resampling = Resampling(len(data), experiments.seed)

    @property
    def texts(self) -> Texts:
        """The distinct training texts that are drawn, and test texts."""
        return Texts(self._texts)

    @property
    def gold(self) -> tuple[str | float, ...]:
        """The labels of the test texts."""
        return tuple(self._data.labels)

    @property
    def counts(self) -> Mapping[str, int]:
        """Texts and labels."""
        return {
            "n_queries": len(self._data),
            "n_judgements": len(self._data),
            "n_labels": len(self._classes),
            "n_train": len(self._data.train_texts),
        }

    @property
    def options(self) -> dict[str, Any]:
        """All that decides the draws."""
        return {
            "n_experiments": self._experiments.n_experiments,
            "samples_per_label": self._experiments.samples_per_label,
            "n_neighbors": self._experiments.n_neighbors,
        }

    def chosen(self, measures: str | Sequence[str] | None) -> tuple[str, ...]:
        """Return the measures asked for, after checking that there are neighbours enough."""
        names = super().chosen(measures)
        fewest, wanted = min(map(len, self._draws)), self._experiments.n_neighbors
        if wanted > fewest and any(name.startswith(_KNN) for name in names):
            msg = (
                f"n_neighbors is {wanted}, but an experiment trains on {fewest} texts. Raise "
                f"samples_per_label, lower n_neighbors to {fewest}, or leave the knn measures out."
            )
            raise MeasureError(msg)
        return names

    def measure(
        self, vectors: Vectors, measures: Sequence[str], *, confidence: float, threads: int | None
    ) -> Measured:
        """Return the measures asked for, of classifiers taught in each experiment."""
        # Converged further, and the same on more machines, than in float32.
        embeddings = vectors.queries.astype(np.float64)
        kinds = list(dict.fromkeys(_KNN if m.startswith(_KNN) else "" for m in measures))
        answers: dict[str, list[I64Array]] = {}
        n_stopped = 0
        for kind in kinds:
            answers[kind] = []
            for rows, classes in self._lessons:
                model = self._classifier(kind)
                n_stopped += _fit(model, embeddings[rows], classes)
                answers[kind].append(model.predict(embeddings[self._test_rows]))
        parts = {
            kind: [Predictions(self._gold, found, len(self._classes)) for found in of_kind]
            for kind, of_kind in answers.items()
        }
        per_experiment = {
            name: _each(parts, name, np.ones((1, len(self._gold)), np.int64))[0]
            for name in measures
        }
        whole = self._resampled(measures, parts, per_experiment)
        table = tabulate(
            measures,
            tuple(str(place) for place in range(1, len(self._gold) + 1)),
            {},
            whole,
            confidence=confidence,
            resampling=self._resampling,
            threads=threads,
        )
        names = {"": "logistic", _KNN: "knn"}
        return Measured(
            table,
            draws={name: measured.draws for name, measured in whole.items()},
            details={
                "labels": list(self._classes),
                "training_rows": [[int(row) for row in draw] for draw in self._draws],
                "predictions": {
                    names[kind]: [found.tolist() for found in of_kind]
                    for kind, of_kind in answers.items()
                },
                "per_experiment": {name: v.tolist() for name, v in per_experiment.items()},
            },
            notes=tuple(self._notes(n_stopped)),
        )

    def _classifier(self, kind: str) -> Any:
        feature = "The task classification"
        if kind == _KNN:
            neighbors: Any = require("sklearn.neighbors", extra="tasks", feature=feature)
            return neighbors.KNeighborsClassifier(n_neighbors=self._experiments.n_neighbors)
        linear: Any = require("sklearn.linear_model", extra="tasks", feature=feature)
        return linear.LogisticRegression(
            max_iter=_MAX_ITER, random_state=self._experiments.draw_seed
        )

    def _resampled(
        self,
        measures: Sequence[str],
        parts: Mapping[str, Sequence[Predictions]],
        per_experiment: Mapping[str, F64Array],
    ) -> dict[str, WholeSet]:
        """Return each measure over resampled test texts and, with them, resampled experiments."""
        n_experiments = len(self._lessons)
        blocks = Resampling(
            n_experiments, self._resampling.seed, stream=1, most=self._resampling.n_resamples
        ).blocks()
        weights = np.concatenate(list(blocks)) / n_experiments
        values = self._resampling.draws(
            lambda counts: np.stack([_each(parts, name, counts) for name in measures], axis=1)
        )
        draws = np.einsum("bme,be->bm", values, weights)
        return {
            name: WholeSet(float(per_experiment[name].mean()), draws[:, column])
            for column, name in enumerate(measures)
        }

    def _notes(self, n_stopped: int) -> list[str]:
        notes = []
        wanted = self._experiments.samples_per_label
        short = [n for n in self._data.label_counts.values() if n < wanted]
        if short:
            have = "has" if len(short) == 1 else "have"
            notes.append(
                f"{counted(len(short), 'label')} of {len(self._classes)} {have} fewer than "
                f"{wanted} training texts, the least {min(short)}: all of them were used."
            )
        if n_stopped:
            notes.append(
                f"{counted(n_stopped, 'logistic regression')} of {len(self._lessons)} stopped at "
                f"{_MAX_ITER} iterations before converging, as mteb's may."
            )
        return notes


def few_shot_draws(
    labels: Sequence[str], *, samples_per_label: int, n_experiments: int, seed: int
) -> list[list[int]]:
    """Return the training rows of each experiment, in mteb's way.

    Parameters
    ----------
    labels : sequence of str
        Of all training texts.
    samples_per_label : int
        Texts of each label; all of them where there are fewer.
    n_experiments : int
        Draws.
    seed : int
        Each experiment shuffles the order that the one before it left, always with this seed.

    Returns
    -------
    list of list of int
        Rows in the order in which they were met.

    Examples
    --------
    >>> few_shot_draws(["a", "b", "a"], samples_per_label=1, n_experiments=2, seed=42)
    [[0, 1], [0, 1]]
    """
    order = list(range(len(labels)))
    draws = []
    for _ in range(n_experiments):
        # mteb's generator: its draws are to be repeated.
        np.random.RandomState(seed).shuffle(order)
        taken: Counter[str] = Counter()
        draw = []
        for row in order:
            if taken[labels[row]] < samples_per_label:
                taken[labels[row]] += 1
                draw.append(row)
        draws.append(draw)
    return draws


def _fit(model: Any, embeddings: F64Array, classes: I64Array) -> bool:
    """Train a classifier, and tell whether it stopped before it converged."""
    errors: Any = require("sklearn.exceptions", extra="tasks", feature="The task classification")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", errors.ConvergenceWarning)
        model.fit(embeddings, classes)
    stopped = False
    for warning in caught:
        if issubclass(warning.category, errors.ConvergenceWarning):
            stopped = True
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    return stopped


def _each(parts: Mapping[str, Sequence[Predictions]], name: str, counts: I64Array) -> F64Array:
    """Return a measure of each resample and experiment."""
    kind = _KNN if name.startswith(_KNN) else ""
    measure = name.removeprefix(_KNN)
    return np.stack([part.measure(measure, counts) for part in parts[kind]], axis=1)
