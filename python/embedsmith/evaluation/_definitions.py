"""What each measure means, in the words that a result carries with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embedsmith.metrics import Measure

__all__ = ["define"]


def define(measure: Measure) -> str:
    """Return the definition of a measure in one sentence.

    Parameters
    ----------
    measure : Measure
        With its cutoff and threshold.

    Returns
    -------
    str
        Complete enough to compute it again.

    Examples
    --------
    >>> from embedsmith.metrics import parse_measure
    >>> define(parse_measure("recall@10"))
    'Relevant documents (grade >= 1) among the first 10, divided by all relevant ones.'
    """
    return measure.definition
