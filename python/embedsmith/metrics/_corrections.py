"""Corrections of p-values for the number of comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from embedsmith import _core
from embedsmith.exceptions import MeasureError, ShapeError
from embedsmith.metrics._inputs import check_choice

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from embedsmith._typing import F64Array

__all__ = ["Correction", "corrected", "corrected_p"]

Correction: TypeAlias = Literal["holm", "bonferroni", "bh", "none"]


def corrected_p(p: ArrayLike, *, correction: Correction = "holm") -> F64Array:
    """Return p-values corrected for their number.

    Parameters
    ----------
    p : array_like of shape (m,)
        The p-values of one family, in [0, 1]. NaN, of a comparison that could not be tested,
        stays NaN and counts as the largest.
    correction : {"holm", "bonferroni", "bh", "none"}, default "holm"
        ``"holm"`` [1]_ and ``"bonferroni"`` bound the chance of any false claim; Holm's finds all
        that Bonferroni's does and more. ``"bh"`` [2]_ bounds the expected share of false claims
        among the claims.

    Returns
    -------
    ndarray of shape (m,), float64
        At least as large as ``p``, at most 1, in the order of ``p``.

    Raises
    ------
    MeasureError
        If there is no such correction, or a value lies outside [0, 1].
    ShapeError
        If ``p`` has not one axis.

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
       Journal of Statistics 6(2), 1979.
    .. [2] Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", JRSS B 57(1), 1995.

    Examples
    --------
    >>> corrected_p([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    check_choice("correction", correction, get_args(Correction))
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1:
        msg = f"p has shape {values.shape}; pass the p-values of one family in a row."
        raise ShapeError(msg)
    outside = ~np.isnan(values) & ~((values >= 0.0) & (values <= 1.0))
    if outside.any():
        place = int(np.flatnonzero(outside)[0])
        msg = f"p[{place}] is {values[place]:g}; a p-value lies in [0, 1]."
        raise MeasureError(msg)
    return np.array(corrected(values.tolist(), correction), dtype=np.float64)


def corrected(p: list[float], correction: Correction) -> list[float]:
    """Return checked p-values corrected."""
    if correction == "none":
        return p
    by = {
        "holm": _core.holm,
        "bonferroni": _core.bonferroni,
        "bh": _core.benjamini_hochberg,
    }
    return by[correction](p)
