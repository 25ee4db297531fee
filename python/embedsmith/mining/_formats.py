"""Training examples in the forms that losses take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from embedsmith._typing import Json

__all__ = ["FORMATS", "Unit", "rows_of"]

FORMATS = ("triplet", "n-tuple", "n-tuple-scores", "labeled-pair", "labeled-list")


@dataclass(frozen=True)
class Unit:
    """One query with its positives and negatives, as texts or as rows.

    Attributes
    ----------
    names : tuple of two str
        Columns of anchors and positives.
    positives : list of (text, score)
    scores : list of float
        Of the negatives.
    is_full : bool
        Whether there are as many negatives as were wanted.
    """

    names: tuple[str, str]
    anchor: object
    positives: list[tuple[object, float]]
    negatives: list[object]
    scores: list[float]
    is_full: bool


def rows_of(units: Iterable[Unit], output_format: str, *, scores: bool) -> Iterator[Json]:
    """Return the examples of one form."""
    make = {
        "triplet": _triplets,
        "n-tuple": _tuples,
        "labeled-pair": _pairs,
        "labeled-list": _lists,
    }[output_format]
    for unit in units:
        yield from make(unit, scores=scores)


def _triplets(unit: Unit, *, scores: bool) -> Iterator[Json]:
    anchor, positive = unit.names
    for text, positive_score in unit.positives:
        for negative, score in zip(unit.negatives, unit.scores, strict=True):
            example: Json = {anchor: unit.anchor, positive: text, "negative": negative}
            if scores:
                example["scores"] = [positive_score, score]
            yield example


def _tuples(unit: Unit, *, scores: bool) -> Iterator[Json]:
    anchor, positive = unit.names
    if not unit.is_full:
        return
    for text, positive_score in unit.positives:
        example: Json = {anchor: unit.anchor, positive: text}
        example.update({f"negative_{at}": one for at, one in enumerate(unit.negatives, 1)})
        if scores:
            example["scores"] = [positive_score, *unit.scores]
        yield example


def _pairs(unit: Unit, *, scores: bool) -> Iterator[Json]:
    anchor, positive = unit.names
    labelled: list[tuple[object, int, float]] = [(text, 1, score) for text, score in unit.positives]
    labelled += [(text, 0, score) for text, score in zip(unit.negatives, unit.scores, strict=True)]
    for text, label, score in labelled:
        example: Json = {anchor: unit.anchor, positive: text}
        example.update({"score": score} if scores else {"label": label})
        yield example


def _lists(unit: Unit, *, scores: bool) -> Iterator[Json]:
    anchor, positive = unit.names
    if not unit.negatives:
        return
    for text, positive_score in unit.positives:
        example: Json = {anchor: unit.anchor, positive: [text, *unit.negatives]}
        if scores:
            example["scores"] = [positive_score, *unit.scores]
        else:
            example["labels"] = [1] + [0] * len(unit.negatives)
        yield example
