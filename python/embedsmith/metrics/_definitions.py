"""What each measure means, in one sentence that a result carries with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["definition"]


class _Described(Protocol):
    """The parameters of a measure, as :class:`embedsmith.metrics.Measure` documents them."""

    @property
    def kind(self) -> str: ...
    @property
    def cutoff(self) -> int | None: ...
    @property
    def rel(self) -> float: ...
    @property
    def gain(self) -> str | tuple[tuple[float, float], ...]: ...
    @property
    def norm(self) -> str: ...
    @property
    def cap(self) -> bool: ...
    @property
    def p(self) -> float: ...
    @property
    def residual(self) -> bool: ...
    @property
    def beta(self) -> float: ...
    @property
    def recall(self) -> float | None: ...
    @property
    def max_rel(self) -> float | None: ...
    @property
    def judged_only(self) -> bool: ...


def definition(measure: _Described) -> str:
    """Return the definition of a measure, complete enough to compute it again."""
    text = _SENTENCES[measure.kind](measure)
    if measure.judged_only:
        return f"{text} Documents without a judgement are taken out of the list first."
    return text


def _first(measure: _Described) -> str:
    return "retrieved" if measure.cutoff is None else f"among the first {measure.cutoff}"


def _relevant(measure: _Described) -> str:
    return f"grade >= {measure.rel:g}"


def _gained(measure: _Described) -> str:
    discount = "log2(rank + 1)"
    if measure.gain == "linear":
        term = f"grade / {discount}, negative grades as 0"
    elif measure.gain == "exp2":
        term = f"(2^grade - 1) / {discount}, negative grades as 0"
    elif measure.gain == "binary":
        term = f"1 / {discount} for each of {_relevant(measure)}"
    elif isinstance(measure.gain, str):
        term = f"{measure.gain} gain / {discount}"
    else:
        gains = ", ".join(f"{grade:g}: {gain:g}" for grade, gain in measure.gain)
        term = f"gain / {discount} with the gains {gains}"
    text = f"Sum over the documents {_first(measure)} of {term}"
    if measure.kind == "DCG":
        return f"{text}."
    return f"{text}, divided by that sum for the best possible order of all judged documents."


def _average_precision(measure: _Described) -> str:
    divisor = "the number of all relevant ones"
    if measure.norm == "min_k":
        divisor = f"the smaller of {measure.cutoff} and {divisor}"
    return (
        f"Sum of the precision at the rank of each relevant document ({_relevant(measure)}) "
        f"{_first(measure)}, divided by {divisor}."
    )


def _geometric(measure: _Described) -> str:
    return (
        f"{_average_precision(measure)} Queries are averaged by their geometric mean, none below "
        "0.00001."
    )


def _reciprocal_rank(measure: _Described) -> str:
    return (
        f"1 / rank of the first relevant document ({_relevant(measure)}) {_first(measure)}; "
        "0 without one."
    )


def _recall(measure: _Described) -> str:
    divisor = "all relevant ones"
    if measure.cap:
        divisor = f"the smaller of their number and {measure.cutoff}"
    return f"Relevant documents ({_relevant(measure)}) {_first(measure)}, divided by {divisor}."


def _precision(measure: _Described) -> str:
    depth = "the number of documents retrieved" if measure.cutoff is None else str(measure.cutoff)
    return f"Relevant documents ({_relevant(measure)}) {_first(measure)}, divided by {depth}."


def _f(measure: _Described) -> str:
    weight = "" if measure.beta == 1 else f", recall weighing {measure.beta:g} times as much"
    return (
        f"Harmonic mean of precision and recall of the documents {_first(measure)} "
        f"(relevant: {_relevant(measure)}){weight}."
    )


def _success(measure: _Described) -> str:
    return f"1 if a relevant document ({_relevant(measure)}) is {_first(measure)}, else 0."


def _r_precision(measure: _Described) -> str:
    return f"Precision at R, the number of relevant documents ({_relevant(measure)})."


def _bpref(measure: _Described) -> str:
    return (
        f"Mean over the R relevant documents ({_relevant(measure)}) of the share of the first R "
        "judged irrelevant ones (grade >= 0) that do not stand before it; 0 if not found."
    )


def _inferred(measure: _Described) -> str:
    return (
        f"Average precision ({_relevant(measure)}) estimated from a judged sample of the pool; "
        "negative grades are in the pool but not judged."
    )


def _rank_biased(measure: _Described) -> str:
    if measure.residual:
        return (
            f"What documents without a judgement {_first(measure)}, and all further ones, could "
            f"add to rank-biased precision: (1 - {measure.p:g}) * sum of {measure.p:g}^(rank - 1)."
        )
    return (
        f"(1 - {measure.p:g}) * sum of {measure.p:g}^(rank - 1) over the relevant documents "
        f"({_relevant(measure)}) {_first(measure)}."
    )


def _expected_rank(measure: _Described) -> str:
    top = "the largest grade" if measure.max_rel is None else f"{measure.max_rel:g}"
    over = "" if measure.kind == "ERR" else ", divided by that of the best possible order"
    return (
        f"Expected 1 / rank where a reader of the documents {_first(measure)} stops, who stops at "
        f"grade g with probability (2^g - 1) / 2^gmax, gmax {top}{over}."
    )


def _interpolated(measure: _Described) -> str:
    return (
        f"Largest precision at any rank where a share of {measure.recall or 0:g} of the relevant "
        f"documents ({_relevant(measure)}) or more has been found."
    )


def _eleven_points(measure: _Described) -> str:
    return (
        "Mean, over recall 0.0, 0.1, ..., 1.0, of the largest precision at any rank with that "
        f"recall or more (relevant: {_relevant(measure)})."
    )


def _judged(measure: _Described) -> str:
    return f"Share of the documents {_first(measure)} that have a judgement."


def _hole(measure: _Described) -> str:
    divisor = "their number" if measure.cutoff is None else str(measure.cutoff)
    return f"Documents {_first(measure)} without a judgement, divided by {divisor}."


def _set_average(measure: _Described) -> str:
    return f"Precision times recall of all documents retrieved (relevant: {_relevant(measure)})."


_SENTENCES: dict[str, Callable[[_Described], str]] = {
    "nDCG": _gained,
    "DCG": _gained,
    "AP": _average_precision,
    "gMAP": _geometric,
    "RR": _reciprocal_rank,
    "R": _recall,
    "P": _precision,
    "F": _f,
    "Success": _success,
    "Rprec": _r_precision,
    "Bpref": _bpref,
    "infAP": _inferred,
    "RBP": _rank_biased,
    "ERR": _expected_rank,
    "NERR": _expected_rank,
    "IPrec": _interpolated,
    "11pt": _eleven_points,
    "Judged": _judged,
    "Hole": _hole,
    "SetP": _precision,
    "SetR": _recall,
    "SetF": _f,
    "SetAP": _set_average,
    "NumRet": lambda _: "Documents retrieved, summed over queries.",
    "NumRel": lambda m: f"Relevant documents ({_relevant(m)}), summed over queries.",
    "NumRelRet": lambda m: f"Relevant documents ({_relevant(m)}) retrieved, summed over queries.",
    "NumQ": lambda _: "Number of queries.",
}
