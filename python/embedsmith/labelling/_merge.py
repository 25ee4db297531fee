"""One grade for each pair, of what several annotators gave."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from embedsmith._phrases import counted
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedsmith._typing import Json

__all__ = ["Merge", "Merged", "Ties", "merged"]

Merge: TypeAlias = Literal["unanimous", "majority", "mean", "max"]
Ties: TypeAlias = Literal["error", "leave-out", "lower", "higher"]
Pair: TypeAlias = tuple[str, str]

_SHOWN = 3


@dataclass(frozen=True)
class Merged:
    """Grades by pair, and how they came about.

    Attributes
    ----------
    grades : mapping of tuple to int
        By query id and document id.
    merge, ties : str
        The rule, and what was done where it gives no grade.
    n_single, n_unanimous, n_disagreed : int
        Pairs of one annotator; of several that agree; of several that do not.
    n_adjudicated : int
        Pairs whose grade is a decision of the adjudication.
    n_rounded : int
        Pairs whose mean was no whole number and not halfway.
    tied : tuple of tuple
        Pairs for which the rule gave no grade.
    """

    grades: Mapping[Pair, int]
    merge: str
    ties: str
    n_single: int
    n_unanimous: int
    n_disagreed: int
    n_adjudicated: int
    n_rounded: int
    tied: tuple[Pair, ...]

    def to_dict(self) -> Json:
        """Return the counts as JSON-ready values.

        Returns
        -------
        dict
            All but the grades.
        """
        kept = {name: value for name, value in vars(self).items() if name != "grades"}
        return {**kept, "tied": [list(pair) for pair in self.tied]}


def merged(
    pairs: Mapping[Pair, Mapping[str, int]],
    *,
    merge: Merge = "unanimous",
    ties: Ties = "error",
    decisions: Mapping[Pair, int] | None = None,
) -> Merged:
    """Return one grade for each pair; a decision of the adjudication comes before any rule.

    Raises
    ------
    DataError
        If a rule does not exist, gives no grade and ``ties`` is "error", or annotators disagree
        under "unanimous".
    """
    _check_rules(merge, ties)
    decided = decisions or {}
    grades: dict[Pair, int] = {}
    tied: list[Pair] = []
    counts: Counter[str] = Counter()
    for pair, given in pairs.items():
        values = sorted(given.values())
        kind = "single" if len(values) == 1 else "unanimous" if len(set(values)) == 1 else "apart"
        counts[kind] += 1
        if pair in decided:
            counts["adjudicated"] += 1
            grades[pair] = decided[pair]
            continue
        if kind != "apart":
            grades[pair] = values[0]
            continue
        low, high, rounded = _of_rule(values, merge)
        counts["rounded"] += rounded
        if low != high:
            tied.append(pair)
        if low == high or ties in ("lower", "higher"):
            grades[pair] = high if ties == "higher" else low
    if tied and ties == "error":
        raise DataError((_disagreement if merge == "unanimous" else _tie)(tied, pairs, merge))
    if not grades:
        msg = "no pair has a grade once those without agreement are left out. Adjudicate them."
        raise DataError(msg)
    return Merged(
        grades,
        merge,
        ties,
        counts["single"],
        counts["unanimous"],
        counts["apart"],
        counts["adjudicated"],
        counts["rounded"],
        tuple(tied),
    )


def _check_rules(merge: str, ties: str) -> None:
    for argument, value, known in (
        ("merge", merge, get_args(Merge)),
        ("ties", ties, get_args(Ties)),
    ):
        if value not in known:
            msg = f"{argument}={value!r} is unknown. Choose {', '.join(map(repr, known))}."
            raise DataError(msg)
    if merge == "unanimous" and ties in ("lower", "higher"):
        msg = (
            f"ties={ties!r} goes with a rule that can tie. Pass merge='majority' or 'mean' "
            "(--merge majority)."
        )
        raise DataError(msg)


def _of_rule(values: list[int], merge: Merge) -> tuple[int, int, bool]:
    """Return the lowest and highest grade that the rule allows, and whether it was rounded."""
    if merge == "unanimous":
        return values[0], values[-1], False
    if merge == "max":
        return values[-1], values[-1], False
    if merge == "majority":
        times = Counter(values)
        most = max(times.values())
        best = [value for value, count in times.items() if count == most]
        return min(best), max(best), False
    mean = Fraction(sum(values), len(values))
    low = mean.numerator // mean.denominator
    part = mean - low
    if part == Fraction(1, 2):
        return low, low + 1, False
    near = low if part < Fraction(1, 2) else low + 1
    return near, near, part != 0


def _shown(some: list[Pair], pairs: Mapping[Pair, Mapping[str, int]]) -> str:
    parts = []
    for query_id, document_id in some[:_SHOWN]:
        given = ", ".join(f"{who} {grade}" for who, grade in pairs[query_id, document_id].items())
        parts.append(f"query {query_id!r} and document {document_id!r} ({given})")
    more = f" and {len(some) - _SHOWN:,} more" if len(some) > _SHOWN else ""
    return "; ".join(parts) + more


def _disagreement(some: list[Pair], pairs: Mapping[Pair, Mapping[str, int]], _: str) -> str:
    return (
        f"annotators disagree on {counted(len(some), 'pair')}: {_shown(some, pairs)}. Have them "
        "decided (embedsmith label adjudicate FILE --to open.xlsx, then --adjudicated open.xlsx), "
        "or choose a rule: merge='majority', 'mean' or 'max' (--merge majority)."
    )


def _tie(some: list[Pair], pairs: Mapping[Pair, Mapping[str, int]], merge: str) -> str:
    return (
        f"the {merge} gives no grade for {counted(len(some), 'pair')}: {_shown(some, pairs)}. Have "
        "them decided (embedsmith label adjudicate FILE --to open.xlsx, then --adjudicated "
        "open.xlsx), or say what a tie becomes: ties='leave-out', 'lower' or 'higher' "
        "(--ties leave-out)."
    )
