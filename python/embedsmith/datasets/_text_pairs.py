"""Pairs of texts: with a score, with a label, and translations of each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from embedsmith.datasets._rows import Row, as_grade, as_text, read_rows
from embedsmith.datasets._task_data import TaskData, check_lengths, check_texts
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from embedsmith._typing import Task

__all__ = ["LabelledPairs", "ParallelTexts", "ScoredPairs"]

# Below this a rank correlation is +1, 0 or -1 whatever the model does.
_FEWEST_SCORED = 3
_TRUE = frozenset({"1", "true", "yes"})
_FALSE = frozenset({"0", "false", "no"})


@dataclass(frozen=True, repr=False)
class ScoredPairs(TaskData):
    """Pairs of texts with a human score of their similarity: semantic textual similarity.

    Parameters
    ----------
    sentences1, sentences2 : sequence of str
        The two sides.
    scores : sequence of float
        Finite, larger is more similar; the scale does not matter.
    name, split, path, source, columns
        As for every data set; keyword only.

    Raises
    ------
    DataError
        If the lengths differ, a score is not finite, there are fewer than three pairs, or all
        scores are equal, so that no correlation is defined.

    Examples
    --------
    >>> ScoredPairs(["a", "b", "c"], ["a", "d", "e"], [5, 1, 0], name="tiny").scores
    (5.0, 1.0, 0.0)
    """

    task: ClassVar[Task] = "sts"
    unit: ClassVar[str] = "pair"

    sentences1: Sequence[str]
    sentences2: Sequence[str]
    scores: Sequence[float]

    def __post_init__(self) -> None:
        self._take(
            sentences1=self.sentences1,
            sentences2=self.sentences2,
            scores=self.scores,
        )
        kind = type(self).__name__
        check_lengths(
            kind, sentences1=self.sentences1, sentences2=self.sentences2, scores=self.scores
        )
        check_texts(kind, sentences1=self.sentences1, sentences2=self.sentences2)
        self._take(scores=[_finite(kind, *item) for item in enumerate(self.scores)])
        if len(self.scores) < _FEWEST_SCORED:
            msg = (
                f"{kind} has {len(self.scores)} pairs; a correlation needs at least "
                f"{_FEWEST_SCORED}, and a narrow interval some hundreds. Score more pairs."
            )
            raise DataError(msg)
        if len(set(self.scores)) == 1:
            msg = (
                f"{kind}: all {len(self.scores)} scores are {self.scores[0]:g}, so that no "
                "correlation is defined. Check the score column; for pairs that are alike or "
                "not, use the task pair_classification."
            )
            raise DataError(msg)

    def __len__(self) -> int:
        return len(self.scores)

    def _columns(self) -> Iterator[Sequence[str | float]]:
        yield from (self.sentences1, self.sentences2, self.scores)

    @classmethod
    def _read(cls, path: Path, columns: Mapping[str, str] | None) -> ScoredPairs:
        rows = read_rows(path, ("sentence1", "sentence2", "score"), columns=columns)
        return cls(*_sides(rows), tuple(as_grade(row, "score") for row in rows))


@dataclass(frozen=True, repr=False)
class LabelledPairs(TaskData):
    """Pairs of texts that mean the same or do not: pair classification.

    Parameters
    ----------
    sentences1, sentences2 : sequence of str
        The two sides.
    labels : sequence of bool or int
        1 (or True) for a pair that is alike, 0 for one that is not.
    name, split, path, source, columns
        As for every data set; keyword only.

    Raises
    ------
    DataError
        If the lengths differ, a label is neither 0 nor 1, or all labels are equal.

    Examples
    --------
    >>> LabelledPairs(["a", "b"], ["a", "c"], [True, 0]).labels
    (1, 0)
    """

    task: ClassVar[Task] = "pair_classification"
    unit: ClassVar[str] = "pair"

    sentences1: Sequence[str]
    sentences2: Sequence[str]
    labels: Sequence[int]

    def __post_init__(self) -> None:
        self._take(sentences1=self.sentences1, sentences2=self.sentences2, labels=self.labels)
        kind = type(self).__name__
        check_lengths(
            kind, sentences1=self.sentences1, sentences2=self.sentences2, labels=self.labels
        )
        check_texts(kind, sentences1=self.sentences1, sentences2=self.sentences2)
        for place, label in enumerate(self.labels):
            if label not in (0, 1):
                msg = (
                    f"{kind}: labels[{place}] is {label!r}. Pass 1 for a pair that is alike and 0 "
                    "for one that is not; for degrees of likeness, use the task sts."
                )
                raise DataError(msg)
        self._take(labels=map(int, self.labels))
        if len(set(self.labels)) == 1:
            msg = (
                f"{kind}: all {len(self.labels)} labels are {self.labels[0]}, so that there is "
                "nothing to tell apart. Add pairs of the other kind."
            )
            raise DataError(msg)

    def __len__(self) -> int:
        return len(self.labels)

    def _columns(self) -> Iterator[Sequence[str | float]]:
        yield from (self.sentences1, self.sentences2, self.labels)

    @classmethod
    def _read(cls, path: Path, columns: Mapping[str, str] | None) -> LabelledPairs:
        rows = read_rows(path, ("sentence1", "sentence2", "label"), columns=columns)
        return cls(*_sides(rows), tuple(_binary(row) for row in rows))


@dataclass(frozen=True, repr=False)
class ParallelTexts(TaskData):
    """Texts and their translations, one for one: bitext mining.

    Parameters
    ----------
    sources, targets : sequence of str
        ``targets[i]`` translates ``sources[i]``.
    name, split, path, source, columns
        As for every data set; keyword only.

    Raises
    ------
    DataError
        If the lengths differ, or there are fewer than two pairs.

    Examples
    --------
    >>> len(ParallelTexts(["one", "two"], ["eins", "zwei"]))
    2
    """

    task: ClassVar[Task] = "bitext"
    unit: ClassVar[str] = "pair"

    sources: Sequence[str]
    targets: Sequence[str]

    def __post_init__(self) -> None:
        self._take(sources=self.sources, targets=self.targets)
        kind = type(self).__name__
        check_lengths(kind, sources=self.sources, targets=self.targets)
        check_texts(kind, sources=self.sources, targets=self.targets)
        if len(self.sources) == 1:
            msg = f"{kind} has one pair, which every model finds. Pass at least two."
            raise DataError(msg)

    def __len__(self) -> int:
        return len(self.sources)

    def _columns(self) -> Iterator[Sequence[str | float]]:
        yield from (self.sources, self.targets)

    @classmethod
    def _read(cls, path: Path, columns: Mapping[str, str] | None) -> ParallelTexts:
        rows = read_rows(path, ("source", "target"), columns=columns)
        return cls(
            tuple(as_text(row, "source") for row in rows),
            tuple(as_text(row, "target") for row in rows),
        )


def _finite(kind: str, place: int, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]  # what is no number is said so
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        msg = f"{kind}: scores[{place}] is {value!r:.60}. Drop the pair, or score it."
        raise DataError(msg)
    return number


def _sides(rows: Sequence[Row]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return (
        tuple(as_text(row, "sentence1") for row in rows),
        tuple(as_text(row, "sentence2") for row in rows),
    )


def _binary(row: Row) -> int:
    value = row.values["label"]
    text = str(int(value) if isinstance(value, float) and value.is_integer() else value)
    word = text.strip().lower()
    if word in _TRUE or word in _FALSE:
        return int(word in _TRUE)
    msg = (
        f"{row.where}: label is {value!r:.60}. Write 1 (or true) for a pair that is alike and 0 "
        "(or false) for one that is not."
    )
    raise DataError(msg)
