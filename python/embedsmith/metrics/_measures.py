"""A measure and its parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

from embedsmith.exceptions import MeasureError
from embedsmith.metrics._definitions import definition
from embedsmith.metrics._kinds import KINDS, Aggregate, Kind, KindFacts

__all__ = ["Gain", "Kind", "Measure", "Spec"]

# By name, or pairs of grade and gain by rising grade.
Gain: TypeAlias = Literal["linear", "exp2", "binary"] | tuple[tuple[float, float], ...]

# As the core reads it: kind, cutoff, lowest relevant grade, whether only judged documents count,
# name of the gain, custom gains, the kind's own number.
Spec: TypeAlias = tuple[str, int | None, float, bool, str, list[tuple[float, float]], float | None]

_DEFAULT_CUTOFF = 10
_LARGEST_EXACT = 2.0**53


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


@dataclass(frozen=True)
class Measure:
    """A measure with its parameters.

    Attributes
    ----------
    kind : str
        The quantity: one of the names in :func:`parse_measure`.
    cutoff : int or None
        Only the first ``cutoff`` ranks count; ``None`` counts the whole list.
    rel : float
        Lowest grade that counts as relevant, above 0. nDCG, DCG, ERR and NERR take none: they
        value the grades themselves.
    gain : {"linear", "exp2", "binary"} or tuple of (grade, gain)
        nDCG and DCG: the grade itself, ``2**grade - 1``, 1 from grade ``rel`` on, or a gain for
        each grade; a mapping of grades to gains is taken too. Negative grades gain 0.
    norm : {"all", "min_k"}
        AP: divide by all relevant documents, or by the cutoff where it is smaller.
    cap : bool
        R: divide by the cutoff where it is smaller than the number of relevant documents.
    p : float
        RBP: the probability that a reader goes on to the next document, in (0, 1).
    residual : bool
        RBP: measure what unjudged documents could still add.
    beta : float
        F and SetF: how much more recall weighs than precision.
    recall : float or None
        IPrec: the level of recall, in [0, 1].
    rounding : {"trec_eval-9", "trec_eval-10"}
        IPrec and 11pt: how a level of recall becomes a number of documents: the whole part of
        ``level * relevant + 0.9``, or the nearest.
    max_rel : float or None
        ERR and NERR: the largest grade of the scale. ``None`` takes the largest among the
        measured queries; name it where runs on different queries are to be compared.
    judged_only : bool
        Take documents without a judgement, or with a negative grade, out of the list first.

    Examples
    --------
    >>> str(Measure("P", 5, rel=2))
    'P(rel=2)@5'
    >>> str(Measure("nDCG", 10, gain={1: 1, 2: 5}))
    'nDCG(gain={1:1,2:5})@10'
    >>> Measure("RR", 10).definition
    '1 / rank of the first relevant document (grade >= 1) among the first 10; 0 without one.'
    """

    kind: Kind
    cutoff: int | None = None
    rel: float = 1
    gain: Gain = field(default="linear")
    norm: Literal["all", "min_k"] = "all"
    cap: bool = False
    p: float = 0.8
    residual: bool = False
    beta: float = 1
    recall: float | None = None
    rounding: Literal["trec_eval-9", "trec_eval-10"] = "trec_eval-9"
    max_rel: float | None = None
    judged_only: bool = False

    def __post_init__(self) -> None:
        gains: Any = self.gain
        if isinstance(gains, Mapping):
            gains = gains.items()
        if not isinstance(gains, str):
            object.__setattr__(self, "gain", tuple(sorted((float(g), float(v)) for g, v in gains)))
        self._check_cutoff()
        self._check_parameters()
        self._check_values()

    def _check_cutoff(self) -> None:
        if self.cutoff is not None and self.cutoff < 1:
            msg = f"{self} has cutoff {self.cutoff}; the first rank is 1: write {self.kind}@10."
            raise MeasureError(msg)
        if self.cutoff is None and self._facts.cutoff == "needed":
            msg = f"{self} needs a cutoff; write {self}@{_DEFAULT_CUTOFF}."
            raise MeasureError(msg)
        if self.cutoff is not None and self._facts.cutoff == "none":
            msg = f"{self} takes no cutoff: it measures the whole list. Write {self.kind}."
            raise MeasureError(msg)

    def _check_parameters(self) -> None:
        takes = self._facts.parameters
        # A threshold makes gains binary, so it belongs to them there.
        takes = takes | {"rel"} if self.gain == "binary" else takes
        foreign = [name for name in self._own_parameters() if name not in takes]
        if "rel" in foreign and self.kind in ("nDCG", "DCG"):
            msg = (
                f"{self}: {self.kind} gains are the grades themselves, which no threshold changes. "
                f'Write {self.kind}{self._at()}, or gain="binary" for gains of 0 and 1.'
            )
            raise MeasureError(msg)
        if foreign:
            names = ", ".join(sorted(takes)) or "none"
            msg = f"{self}: {self.kind} takes no {foreign[0]}; its parameters are: {names}."
            raise MeasureError(msg)

    def _check_values(self) -> None:
        if not 0 < self.rel <= _LARGEST_EXACT:
            msg = f"{self} counts grade {_number(self.rel)} as relevant; write rel=1 or more."
            raise MeasureError(msg)
        self._check_gain()
        if self.norm not in ("all", "min_k"):
            msg = f'{self}: norm={self.norm!r} is not known; write "all" or "min_k".'
            raise MeasureError(msg)
        if self.rounding not in ("trec_eval-9", "trec_eval-10"):
            msg = f"{self}: rounding={self.rounding!r} is not known; write trec_eval-9 or -10."
            raise MeasureError(msg)
        if not 0 < self.p < 1:
            msg = f"{self}: p={self.p!r} is no probability between 0 and 1; write p=0.8."
            raise MeasureError(msg)
        if not 0 < self.beta < math.inf:
            msg = f"{self}: beta={self.beta!r} is not above 0; write beta=1 for equal weights."
            raise MeasureError(msg)
        if self.kind == "IPrec" and (self.recall is None or not 0 <= self.recall <= 1):
            msg = f"{self} needs a level of recall from 0 to 1; write IPrec@0.1."
            raise MeasureError(msg)
        if self.max_rel is not None and not 0 < self.max_rel <= _LARGEST_EXACT:
            msg = f"{self}: max_rel={self.max_rel!r} is no largest grade; write max_rel=3, say."
            raise MeasureError(msg)

    def _check_gain(self) -> None:
        if isinstance(self.gain, str):
            if self.gain in ("linear", "exp2", "binary"):
                return
            msg = (
                f"{self}: gain={self.gain!r} is not known; "
                'write "linear", "exp2", "binary" or {grade: gain, ...}.'
            )
            raise MeasureError(msg)
        grades = [grade for grade, _ in self.gain]
        fine = all(math.isfinite(g) and 0 <= v < math.inf for g, v in self.gain)
        if not fine or len(set(grades)) != len(grades) or not grades:
            msg = f"{self}: give each grade one gain, from 0 on: gain={{1: 1, 2: 3}}."
            raise MeasureError(msg)

    @property
    def _facts(self) -> KindFacts:
        return KINDS[self.kind]

    def _own_parameters(self) -> dict[str, Any]:
        """Return the parameters that are not at their default; ``kind`` and ``cutoff`` aside."""
        return {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name not in ("kind", "cutoff") and getattr(self, f.name) != f.default
        }

    def _at(self) -> str:
        return "" if self.cutoff is None else f"@{self.cutoff}"

    def __str__(self) -> str:
        shown = {name: _shown(value) for name, value in self._own_parameters().items()}
        recall = shown.pop("recall", None)
        inside = ",".join(f"{name}={text}" for name, text in shown.items())
        at = self._at() if recall is None else f"@{recall}"
        return f"{self.kind}{f'({inside})' if inside else ''}{at}"

    @property
    def definition(self) -> str:
        """What is measured, in a sentence complete enough to compute it again."""
        return definition(self)

    @property
    def aggregate(self) -> Aggregate:
        """How the values of queries become one number: "mean", "geometric mean" or "sum"."""
        return self._facts.aggregate

    @property
    def bounded(self) -> bool:
        """Whether values lie in [0, 1]."""
        return self._facts.bounded

    @property
    def has_expectation(self) -> bool:
        """Whether ``ties="expected"`` can be asked for."""
        return self._facts.has_expectation

    def spec(self) -> Spec:
        """Return the measure as the core reads it."""
        variant: str = self.kind
        if self.norm == "min_k":
            variant += "/min_k"
        if self.cap:
            variant += "/cap"
        if self.residual:
            variant += "/residual"
        if self.rounding == "trec_eval-10":
            variant += "/nearest"
        numbers = {
            "RBP": self.p,
            "F": self.beta,
            "SetF": self.beta,
            "IPrec": self.recall,
            "ERR": self.max_rel,
            "NERR": self.max_rel,
        }
        number = numbers.get(self.kind)
        named = self.gain if isinstance(self.gain, str) else "custom"
        gains = [] if isinstance(self.gain, str) else list(self.gain)
        return (
            variant,
            self.cutoff,
            float(self.rel),
            self.judged_only,
            named,
            gains,
            None if number is None else float(number),
        )


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "{" + ",".join(f"{_number(grade)}:{_number(gain)}" for grade, gain in value) + "}"
    return _number(value) if isinstance(value, (int, float)) else repr(value)
