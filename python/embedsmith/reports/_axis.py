"""Where a value stands on a plot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedsmith.reports._numbers import MINUS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Axis", "Tick"]

# A whole number of ten, or a half or a fifth of it, is read without thinking.
_STEPS = (1.0, 2.0, 5.0, 10.0)
# Values that are all equal still need a width to be drawn on.
_LEAST_SPAN = 1e-6


@dataclass(frozen=True)
class Tick:
    """A mark on an axis.

    Attributes
    ----------
    at : float
        Where it stands, in units of the plot.
    label : str
        What is written beside it.
    """

    at: float
    label: str


@dataclass(frozen=True)
class Axis:
    """A range of values on a stretch of a plot.

    Attributes
    ----------
    low, high : float
        Values at its ends; above 0 if ``log``.
    start, end : float
        Where these stand, in units of the plot; ``start`` above ``end`` draws upwards.
    log : bool
        Whether equal steps are equal ratios.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return where a value stands; one beyond an end stands at that end.

        Examples
        --------
        >>> Axis(0, 10, 0, 200).at(5), Axis(1, 100, 0, 200, log=True).at(10)
        (100.0, 100.0)
        """
        low, high, value = (self._on(one) for one in (self.low, self.high, value))
        share = min(max((value - low) / (high - low), 0.0), 1.0)
        return round(self.start + share * (self.end - self.start), 1)

    def _on(self, value: float) -> float:
        return math.log(max(value, self.low)) if self.log else value

    def ticks(self, count: int = 5) -> tuple[Tick, ...]:
        """Return about ``count`` marks at round values.

        Examples
        --------
        >>> [tick.label for tick in Axis(0, 1, 0, 100).ticks()]
        ['0.0', '0.2', '0.4', '0.6', '0.8', '1.0']
        >>> [tick.label for tick in Axis(1, 100, 0, 100, log=True).ticks()]
        ['1', '10', '100']
        """
        values = self._decades(count) if self.log else None
        if not values:
            step = _step(self.high - self.low, count)
            first = math.ceil(self.low / step - 1e-9)
            last = math.floor(self.high / step + 1e-9)
            digits = max(0, -math.floor(math.log10(step) + 1e-9))
            return tuple(
                Tick(self.at(place * step), f"{place * step:,.{digits}f}".replace("-", MINUS))
                for place in range(first, last + 1)
            )
        return tuple(Tick(self.at(value), f"{value:,g}") for value in values)

    def ticks_at(self, values: Iterable[float], *, gap: float) -> tuple[Tick, ...]:
        """Return marks at these very values, those left out that stand nearer than ``gap``.

        Examples
        --------
        >>> axis = Axis(64, 1024, 0, 100, log=True)
        >>> [tick.label for tick in axis.ticks_at([64, 256, 384, 1024], gap=20)]
        ['64', '256', '1,024']
        """
        found: list[Tick] = []
        for value in sorted(set(values)):
            at = self.at(value)
            if not found or abs(at - found[-1].at) >= gap:
                found.append(Tick(at, f"{value:,g}"))
        return tuple(found)

    def _decades(self, count: int) -> list[float]:
        exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for steps in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0)):
            found = [
                float(f"{step * 10.0**exponent:.6g}")
                for exponent in exponents
                for step in steps
                if self.low <= float(f"{step * 10.0**exponent:.6g}") <= self.high
            ]
            # Fewer than three marks do not show that the steps are ratios.
            if len(found) >= min(3, count):
                return found[:: math.ceil(len(found) / (2 * count))]
        return []

    @classmethod
    def around(
        cls, values: list[float], *, start: float, end: float, anchor: float | None = None
    ) -> Axis:
        """Return an axis with room for all values, ending at round ones.

        Parameters
        ----------
        values : list of float
            One or more.
        start, end : float
            As of the axis.
        anchor : float, optional
            A value that has to be on it.

        Returns
        -------
        Axis
            Linear.

        Examples
        --------
        >>> axis = Axis.around([0.41, 0.73], start=0, end=100)
        >>> axis.low, axis.high
        (0.4, 0.8)
        """
        held = values if anchor is None else [*values, anchor]
        low, high = min(held), max(held)
        if high - low < _LEAST_SPAN:
            low, high = low - 0.05, high + 0.05
        step = _step(high - low, 5)
        return cls(
            float(f"{math.floor(low / step + 1e-9) * step:.12g}"),
            float(f"{math.ceil(high / step - 1e-9) * step:.12g}"),
            start,
            end,
        )

    @classmethod
    def ratios(cls, values: list[float], *, start: float, end: float) -> Axis:
        """Return an axis of equal ratios with some room around all values, all above 0.

        Examples
        --------
        >>> axis = Axis.ratios([1.0, 8.0], start=0, end=100)
        >>> axis.low < 1.0, axis.high > 8.0, axis.log
        (True, True, True)
        """
        low, high = min(values), max(values)
        room = max((high / low) ** 0.08, 1.25)
        return cls(low / room, high * room, start, end, log=True)


def _step(span: float, count: int) -> float:
    """Return the round step that divides a span into at most about ``count`` parts."""
    rough = span / count
    ten = 10.0 ** math.floor(math.log10(rough))
    return next(step * ten for step in _STEPS if rough <= step * ten * (1 + 1e-9))
