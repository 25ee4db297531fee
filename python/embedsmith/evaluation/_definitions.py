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
    first = "retrieved" if measure.cutoff is None else f"among the first {measure.cutoff}"
    relevant = f"grade >= {measure.rel}"
    if measure.kind == "nDCG":
        return (
            f"Sum over the documents {first} of grade / log2(rank + 1), negative grades as 0, "
            "divided by that sum for the best possible order of all judged documents."
        )
    if measure.kind == "AP":
        return (
            f"Sum of the precision at the rank of each relevant document ({relevant}) {first}, "
            "divided by the number of all relevant ones."
        )
    if measure.kind == "RR":
        return f"1 / rank of the first relevant document ({relevant}) {first}; 0 without one."
    if measure.kind == "R":
        return f"Relevant documents ({relevant}) {first}, divided by all relevant ones."
    if measure.kind == "P":
        return f"Relevant documents ({relevant}) {first}, divided by {measure.cutoff}."
    return f"1 if a relevant document ({relevant}) is {first}, else 0."
