"""Grades as numbers or words."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any

from embedsmith.exceptions import DataError
from embedsmith.labelling._table import Broken, is_blank

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["GradeScale", "is_number"]

# Words that can only mean one of two. "partly relevant" has no number until the user gives one.
_YES = ("relevant", "yes", "y", "true", "ja", "wahr", "oui", "correct")
_NO = (
    *("not relevant", "irrelevant", "non relevant", "nonrelevant", "no", "n", "false"),
    *("nein", "nicht relevant", "falsch", "non", "incorrect"),
)
_WORDS = {**dict.fromkeys(_YES, 1), **dict.fromkeys(_NO, 0)}
_LARGEST = 1000


@dataclass
class GradeScale:
    """How what stands in a cell becomes a whole number; keeps count of what it saw.

    Parameters
    ----------
    mapping : mapping of str to int, optional
        What each word or number stands for, capitals ignored. Then no other word is known.
    not_judged : iterable of str
        What means no judgement, beside an empty cell.
    """

    mapping: Mapping[str, int] = field(default_factory=dict)
    not_judged: Iterable[str] = ()
    seen: Counter[tuple[str, int]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._mapping: dict[str, int] = {}
        for word, grade in self.mapping.items():
            if isinstance(grade, bool) or not isinstance(grade, int):
                msg = f"grades maps {word!r} to {grade!r}; a grade is a whole number such as 2."
                raise DataError(msg)
            known = self._mapping.setdefault(_key(word), grade)
            if known != grade:
                msg = f"grades maps {word!r} to {known} and to {grade}. Leave one of them."
                raise DataError(msg)
        self._numbers_too = not any(_number(word) is not None for word in self._mapping)
        self._blank = {_key(word) for word in self.not_judged}
        both = sorted(self._blank & self._mapping.keys())
        if both:
            msg = f"{both[0]!r} is in grades and in not_judged. Leave one of them."
            raise DataError(msg)

    def of(self, value: Any, where: str) -> int | None:
        """Return the grade in a cell; None if it says that there is no judgement.

        Raises
        ------
        DataError
            If it is neither a known word nor a whole number; names the cell and what to pass.
        """
        if is_blank(value):
            return None
        if isinstance(value, Broken):
            msg = f"{where}: {value.why}"
            raise DataError(msg)
        if isinstance(value, (date, time, timedelta)):
            msg = (
                f"{where}: the grade is {value}, a date or time: a spreadsheet made it of what was "
                "typed. Mend the cell and format the column as text."
            )
            raise DataError(msg)
        word = _key(value)
        if word in self._blank:
            return None
        grade = self._grade(value, word)
        if grade is None:
            raise DataError(self._refusal(value, word, where))
        self.seen[word, grade] += 1
        return grade

    def _grade(self, value: Any, word: str) -> int | None:
        if word in self._mapping:
            return self._mapping[word]
        number = _number(value)
        if number is not None:
            whole = number.is_integer() and abs(number) <= _LARGEST and self._numbers_too
            return int(number) if whole else None
        return None if self._mapping else _WORDS.get(word)

    def _refusal(self, value: Any, word: str, where: str) -> str:
        number = _number(value)
        if number is None and word in ("nan", "#n/a", "na", "none", "null"):
            why = "which is no judgement"
        elif number is not None and not self._numbers_too:
            why = f"which grades does not name ({', '.join(self._mapping)})"
        elif number is not None and number.is_integer():
            why = f"and a grade lies between -{_LARGEST} and {_LARGEST}: is it the right column?"
        elif number is not None:
            why = "and a grade is a whole number"
        elif self._mapping:
            why = f"which grades does not name ({', '.join(self._mapping)})"
        else:
            why = "and what number it stands for is not known"
        shown = str(value).strip()
        shown = shown if len(shown) <= 40 else shown[:37] + "..."  # noqa: PLR2004 - a line's worth
        return (
            f"{where}: the grade is {shown!r}, {why}. Say what it stands for: "
            f"grades={{{shown!r}: 1}} (--grade '{shown}=1'), or that it is no judgement: "
            f"not_judged=[{shown!r}] (--not-judged '{shown}')."
        )

    def check(self) -> None:
        """Refuse words of two beside numbers of a longer scale: they are two scales.

        Raises
        ------
        DataError
            If "relevant" and 3 were both seen, say, without a mapping.
        """
        if self._mapping:
            return
        words = sorted({word for word, _ in self.seen if _number(word) is None})
        high = sorted({grade for word, grade in self.seen if _number(word) is not None} - {0, 1})
        if words and high:
            msg = (
                f"grades are words ({', '.join(words)}) and numbers beyond 0 and 1 "
                f"({', '.join(map(str, high))}): two scales. Say what each word stands for: "
                f"grades={{{words[0]!r}: {max(high)}, ...}} (--grade '{words[0]}={max(high)}')."
            )
            raise DataError(msg)

    def used(self) -> dict[str, int]:
        """Return each word or number that was seen, with the grade that was made of it."""
        return dict(sorted(self.seen.keys(), key=lambda one: (one[1], one[0])))

    def counts(self) -> dict[int, int]:
        """Return how often each grade was seen."""
        found: Counter[int] = Counter()
        for (_, grade), count in self.seen.items():
            found[grade] += count
        return dict(sorted(found.items()))


def is_number(value: Any) -> bool:
    """Return whether a value reads as a finite number."""
    return _number(value) is not None


def _key(value: Any) -> str:
    number = _number(value)
    if number is not None and number.is_integer():
        return str(int(number))
    return " ".join(str(value).replace("-", " ").replace("_", " ").casefold().split())


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        # A comma between digits is a German decimal point; a grade has no thousands.
        text = text.replace(",", ".") if text.count(",") == 1 else text
        if not text or text[0] not in "+-0123456789.":
            return None
        value = text
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
