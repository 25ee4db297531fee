"""Krippendorff's alpha with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from embedsmith._deps import require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import F64Array, I64Array

__all__ = ["LEVELS", "Alpha", "Level", "alphas"]

Level: TypeAlias = Literal["nominal", "ordinal", "interval"]
LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval")

_AT_ONCE = 256
# A share of draws without an alpha above this leaves no interval worth the name.
_MOST_UNDEFINED = 0.05


class Alpha(NamedTuple):
    """Krippendorff's alpha at one level of measurement.

    Attributes
    ----------
    value : float or None
        1 is perfect agreement, 0 what chance gives; None where all grades are one.
    low, high : float or None
        Ends of the percentile interval; None where too many draws have no alpha.
    n_undefined : int
        Draws in which all grades are one, so that they have no alpha.
    """

    value: float | None
    low: float | None
    high: float | None
    n_undefined: int


def alphas(
    counts: I64Array,
    units: I64Array,
    grades: Sequence[int],
    *,
    confidence: float,
    draws: int,
    seed: int,
) -> dict[Level, Alpha]:
    """Return alpha at each level of measurement.

    The value is that of the package krippendorff. The interval is a bootstrap's, whose draws use
    that the matrix of coincidences is a sum over pairs; each is equal to the package's own value.

    Parameters
    ----------
    counts : ndarray of shape (n_pairs, n_grades), int64
        How many annotators gave each grade; at least two in each row.
    units : ndarray of shape (n_pairs,), int64
        What is drawn as one: the number of the pair or of its query.
    grades : sequence of int
        Ascending.
    confidence : float
    draws : int
    seed : int
    """
    if len(grades) < 2:  # noqa: PLR2004 - agreement needs something to differ in
        return dict.fromkeys(LEVELS, Alpha(None, None, None, draws))
    package = require("krippendorff", extra="label", feature="Krippendorff's alpha")
    values: dict[Level, float] = {
        level: float(
            package.alpha(
                value_counts=counts, value_domain=list(grades), level_of_measurement=level
            )
        )
        for level in LEVELS
    }
    of_draws = _of_draws(_coincidences(counts, units), grades, draws, seed)
    edges = [50 * (1 - confidence), 50 * (1 + confidence)]
    found: dict[Level, Alpha] = {}
    for level in LEVELS:
        known = of_draws[level][~np.isnan(of_draws[level])]
        undefined = draws - len(known)
        low = high = None
        if undefined <= _MOST_UNDEFINED * draws:
            low, high = (float(edge) for edge in np.percentile(known, edges))
        found[level] = Alpha(values[level], low, high, undefined)
    return found


def _coincidences(counts: I64Array, units: I64Array) -> F64Array:
    """Return each unit's matrix of coincidences, shape (n_units, n_grades, n_grades)."""
    given = counts.astype(np.float64)
    own = given[:, :, None] * given[:, None, :]
    own -= given[:, :, None] * np.eye(counts.shape[1])
    own /= (given.sum(axis=1) - 1)[:, None, None]
    summed = np.zeros((int(units.max()) + 1, *own.shape[1:]))
    np.add.at(summed, units, own)
    return summed


def _of_draws(
    coincidences: F64Array, grades: Sequence[int], draws: int, seed: int
) -> dict[Level, F64Array]:
    generator = np.random.default_rng(seed)
    n_units, size = coincidences.shape[:2]
    flat = coincidences.reshape(n_units, size * size)
    parts: dict[Level, list[F64Array]] = {level: [] for level in LEVELS}
    for start in range(0, draws, _AT_ONCE):
        count = min(_AT_ONCE, draws - start)
        weights = generator.multinomial(n_units, np.full(n_units, 1 / n_units), size=count)
        drawn = (weights @ flat).reshape(count, size, size)
        for level in LEVELS:
            parts[level].append(_alpha_of(drawn, grades, level))
    return {level: np.concatenate(parts[level]) for level in LEVELS}


def _alpha_of(coincidences: F64Array, grades: Sequence[int], level: Level) -> F64Array:
    """Return alpha of each matrix of coincidences; NaN where all grades are one."""
    totals = coincidences.sum(axis=2)
    expected = totals[:, :, None] * totals[:, None, :]
    expected /= (totals.sum(axis=1) - 1)[:, None, None]
    size = len(grades)
    if level == "nominal":
        distance = np.broadcast_to(1 - np.eye(size), coincidences.shape)
    elif level == "interval":
        values = np.asarray(grades, np.float64)
        distance = np.broadcast_to((values[:, None] - values) ** 2, coincidences.shape)
    else:
        # Between two grades lie all those in between, and half of each of the two.
        middle = np.cumsum(totals, axis=1) - totals / 2
        distance = (middle[:, :, None] - middle[:, None, :]) ** 2
    by_chance = (expected * distance).sum(axis=(1, 2))
    observed = (coincidences * distance).sum(axis=(1, 2))
    defined = by_chance > 0
    found = np.full(len(coincidences), np.nan)
    found[defined] = 1 - observed[defined] / by_chance[defined]
    return found
