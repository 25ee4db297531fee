"""Texts with labels: to classify, and to cluster."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from embedsmith._phrases import counted
from embedsmith.datasets._rows import as_label, as_text, read_rows
from embedsmith.datasets._task_data import TaskData, check_lengths, check_texts
from embedsmith.exceptions import DataError
from embedsmith.metrics._inputs import first_ids

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from embedsmith._typing import Task

__all__ = ["LabelledTexts", "TextClusters"]


@dataclass(frozen=True, repr=False)
class LabelledTexts(TaskData):
    """Texts with labels, some to train on and some to test: classification.

    Parameters
    ----------
    train_texts : sequence of str
        What classifiers learn from.
    train_labels : sequence of str or int
        Their labels.
    texts : sequence of str
        What classifiers are asked.
    labels : sequence of str or int
        The right answers.
    name, split, path, source, columns
        As for every data set; keyword only.

    Raises
    ------
    DataError
        If the lengths differ, a part is empty, there is only one label to learn, or a label of
        ``labels`` was not among those learnt from.

    Examples
    --------
    >>> data = LabelledTexts(["hi", "bye"], ["greet", "leave"], ["hello"], ["greet"])
    >>> data.known_labels
    ('greet', 'leave')
    """

    task: ClassVar[Task] = "classification"
    unit: ClassVar[str] = "text"

    train_texts: Sequence[str]
    train_labels: Sequence[str]
    texts: Sequence[str]
    labels: Sequence[str]

    def __post_init__(self) -> None:
        self._take(
            train_texts=self.train_texts,
            train_labels=self.train_labels,
            texts=self.texts,
            labels=self.labels,
        )
        kind = type(self).__name__
        check_lengths(kind, train_texts=self.train_texts, train_labels=self.train_labels)
        check_lengths(kind, texts=self.texts, labels=self.labels)
        check_texts(kind, train_texts=self.train_texts, texts=self.texts)
        self._take(
            train_labels=_labels(kind, "train_labels", self.train_labels),
            labels=_labels(kind, "labels", self.labels),
        )
        if len(self.known_labels) == 1:
            msg = (
                f"{kind}: all training texts have the label {self.train_labels[0]!r}. "
                "Add texts of at least one other label."
            )
            raise DataError(msg)
        unknown = sorted(set(self.labels) - set(self.train_labels))
        if unknown:
            count = sum(label in unknown for label in self.labels)
            msg = (
                f"{kind}: {counted(count, 'test text')} have labels that no training text has: "
                f"{first_ids(unknown)}. No classifier can answer them: add training texts, or "
                "leave these out."
            )
            raise DataError(msg)

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def known_labels(self) -> tuple[str, ...]:
        """The distinct training labels, sorted."""
        return tuple(sorted(set(self.train_labels)))

    @property
    def label_counts(self) -> dict[str, int]:
        """How many training texts each label has."""
        counts = Counter(self.train_labels)
        return {label: counts[label] for label in self.known_labels}

    def _columns(self) -> Iterator[Sequence[str | float]]:
        yield from (self.train_texts, self.train_labels, self.texts, self.labels)

    @classmethod
    def _read(cls, train: Path, test: Path, columns: Mapping[str, str] | None) -> LabelledTexts:
        return cls(*_texts_and_labels(train, columns), *_texts_and_labels(test, columns))


@dataclass(frozen=True, repr=False)
class TextClusters(TaskData):
    """Texts of known groups: clustering.

    Parameters
    ----------
    texts : sequence of str
        What is clustered.
    labels : sequence of str or int
        The group of each.
    name, split, path, source, columns
        As for every data set; keyword only.

    Raises
    ------
    DataError
        If the lengths differ, there is only one group, or every text is a group of its own.

    Examples
    --------
    >>> len(TextClusters(["cat", "dog", "oak"], ["animal", "animal", "tree"]))
    3
    """

    task: ClassVar[Task] = "clustering"
    unit: ClassVar[str] = "experiment"

    texts: Sequence[str]
    labels: Sequence[str]

    def __post_init__(self) -> None:
        self._take(texts=self.texts, labels=self.labels)
        kind = type(self).__name__
        check_lengths(kind, texts=self.texts, labels=self.labels)
        check_texts(kind, texts=self.texts)
        self._take(labels=_labels(kind, "labels", self.labels))
        n_groups = len(set(self.labels))
        if n_groups == 1:
            msg = (
                f"{kind}: all {len(self.labels)} texts have the label {self.labels[0]!r}, so that "
                "there is nothing to find. Add texts of other groups."
            )
            raise DataError(msg)
        if n_groups == len(self.labels):
            msg = (
                f"{kind}: each of the {n_groups} texts has a label of its own. A clustering is "
                "measured on groups of several texts: check the label column."
            )
            raise DataError(msg)

    def __len__(self) -> int:
        return len(self.texts)

    def _columns(self) -> Iterator[Sequence[str | float]]:
        yield from (self.texts, self.labels)

    @classmethod
    def _read(cls, path: Path, columns: Mapping[str, str] | None) -> TextClusters:
        return cls(*_texts_and_labels(path, columns))


def _labels(kind: str, column: str, values: Sequence[object]) -> list[str]:
    """Return labels as strings; a gap in a column, which frames fill with NaN, is none."""
    for place, value in enumerate(values):
        if value is None or value != value or not str(value).strip():  # noqa: PLR0124 - NaN
            msg = f"{kind}: {column}[{place}] is {value!r}. Label the text, or drop it."
            raise DataError(msg)
    return [str(value) for value in values]


def _texts_and_labels(
    path: Path, columns: Mapping[str, str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    rows = read_rows(path, ("text", "label"), columns=columns)
    return (
        tuple(as_text(row, "text") for row in rows),
        tuple(as_label(row, "label") for row in rows),
    )
