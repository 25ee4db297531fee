"""Names of measures: written as in ir_measures, read with the field's aliases."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from embedsmith.exceptions import MeasureError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Kind", "Measure", "parse_measure", "parse_measures"]

Kind: TypeAlias = Literal["nDCG", "AP", "RR", "R", "P", "Success"]

_KINDS: dict[str, Kind] = {
    "ndcg": "nDCG",
    "ap": "AP",
    "map": "AP",
    "rr": "RR",
    "mrr": "RR",
    "r": "R",
    "recall": "R",
    "p": "P",
    "precision": "P",
    "success": "Success",
    "hit": "Success",
    "hits": "Success",
    "hit_rate": "Success",
    "hitrate": "Success",
}

# How trec_eval writes them: the cutoff after an underscore.
_TREC_EVAL: dict[str, Kind] = {
    "ndcg_cut": "nDCG",
    "map_cut": "AP",
    "recip_rank": "RR",
    "recall": "R",
    "p": "P",
    "success": "Success",
}

# Without a cutoff these would measure how long the list is.
_NEEDS_CUTOFF: frozenset[Kind] = frozenset({"R", "P", "Success"})

_NAME = re.compile(r"([a-z_]+?)(?:\(\s*rel\s*=\s*(\d+)\s*\))?(?:@(\d+))?")
_TREC_EVAL_NAME = re.compile(r"([a-z_]+)_(\d+)")

# A cutoff with something else before it than an at sign, or nothing.
_STUCK_CUTOFF = re.compile(r"([a-z_]+?)[-_:]?(\d+)")

_KNOWN = "nDCG@10, AP, RR@10, R@100, P@5, Success@1"


@dataclass(frozen=True)
class Measure:
    """A measure with its parameters.

    Attributes
    ----------
    kind : {"nDCG", "AP", "RR", "R", "P", "Success"}
        The quantity.
    cutoff : int or None
        Only the first ``cutoff`` ranks count; ``None`` counts the whole list.
    rel : int
        Lowest grade that counts as relevant, 1 or more. nDCG takes none: its gains are the grades.

    Examples
    --------
    >>> str(Measure("P", 5, rel=2))
    'P(rel=2)@5'
    """

    kind: Kind
    cutoff: int | None = None
    rel: int = 1

    def __post_init__(self) -> None:
        if self.cutoff is not None and self.cutoff < 1:
            msg = f"{self} has cutoff {self.cutoff}; the first rank is 1: write {self.kind}@10."
            raise MeasureError(msg)
        if self.cutoff is None and self.kind in _NEEDS_CUTOFF:
            msg = f"{self} needs a cutoff; write {self}@10."
            raise MeasureError(msg)
        if self.rel < 1:
            msg = f"{self} counts grade {self.rel} as relevant; write rel=1 or more."
            raise MeasureError(msg)
        if self.kind == "nDCG" and self.rel != 1:
            msg = (
                f"{self}: nDCG gains are the grades themselves, which no threshold changes. "
                f"Write {Measure('nDCG', self.cutoff)}."
            )
            raise MeasureError(msg)

    def __str__(self) -> str:
        threshold = "" if self.rel == 1 else f"(rel={self.rel})"
        return f"{self.kind}{threshold}" + ("" if self.cutoff is None else f"@{self.cutoff}")


def parse_measure(name: str | Measure) -> Measure:
    """Return the measure that a name means.

    Case and blanks around do not count. Names are those of ir_measures (``nDCG@10``, ``R@100``,
    ``RR@10``, ``AP``, ``P(rel=2)@5``, ``Success@1``), the aliases ``recall``, ``precision``,
    ``mrr``, ``map``, ``hit`` and ``hit_rate``, and trec_eval's (``ndcg_cut_10``, ``recip_rank``).

    Parameters
    ----------
    name : str or Measure
        A measure is returned as it is.

    Returns
    -------
    Measure
        ``str()`` of it is the canonical name.

    Raises
    ------
    MeasureError
        If there is no such measure (the nearest name is offered), the cutoff is 0 or missing, or
        a threshold is given to nDCG.

    Examples
    --------
    >>> str(parse_measure("mrr@10")), str(parse_measure("ndcg_cut_5")), str(parse_measure("map"))
    ('RR@10', 'nDCG@5', 'AP')
    """
    if isinstance(name, Measure):
        return name
    text = str(name).strip().lower()
    if text == "recip_rank":
        return Measure("RR")
    trec_eval = _TREC_EVAL_NAME.fullmatch(text)
    if trec_eval and trec_eval[1] in _TREC_EVAL:
        return Measure(_TREC_EVAL[trec_eval[1]], int(trec_eval[2]))
    match = _NAME.fullmatch(text)
    if match is None or match[1] not in _KINDS:
        raise MeasureError(_unknown(text))
    rel, cutoff = match[2], match[3]
    return Measure(
        _KINDS[match[1]],
        None if cutoff is None else int(cutoff),
        1 if rel is None else int(rel),
    )


def _is_named(text: str) -> bool:
    match = _NAME.fullmatch(text)
    trec_eval = _TREC_EVAL_NAME.fullmatch(text)
    return bool(
        (match and match[1] in _KINDS)
        or (trec_eval and trec_eval[1] in _TREC_EVAL)
        or text == "recip_rank"
    )


def _unknown(text: str) -> str:
    pieces = re.split(r"[\s;|+/]+", text)
    if len(pieces) > 1 and all(map(_is_named, pieces)):
        return f"there is no measure {text!r}; put commas between measures: {','.join(pieces)!r}."
    word, at, cutoff = text.partition("@")
    stuck = _STUCK_CUTOFF.fullmatch(text)
    if stuck:
        word, at, cutoff = stuck[1], "@", stuck[2]
    near = difflib.get_close_matches(word, [*_KINDS, "recip_rank"], n=1, cutoff=0.5)
    if not near:
        return f"there is no measure {text!r}; choose among {_KNOWN}."
    if near[0] == "recip_rank":
        return f"there is no measure {text!r}; did you mean 'recip_rank'?"
    kind = _KINDS[near[0]]
    number = cutoff if cutoff.isdigit() and int(cutoff) > 0 else "10"
    right = f"{kind}@{number}" if at or kind in _NEEDS_CUTOFF else kind
    return f"there is no measure {text!r}; did you mean {right!r}?"


def parse_measures(names: str | Measure | Iterable[str | Measure]) -> tuple[Measure, ...]:
    """Return the measures that a list of names, or one text with commas, means.

    The order is kept; a measure named twice, by aliases too, is returned once.

    Parameters
    ----------
    names : str, Measure or iterable of them
        ``"ndcg@10,recall@10"`` or ``["ndcg@10", "recall@10"]``.

    Returns
    -------
    tuple of Measure
        At least one.

    Raises
    ------
    MeasureError
        If a name is wrong, or there is none.

    Examples
    --------
    >>> [str(m) for m in parse_measures("ndcg@10, recall@10, R@10")]
    ['nDCG@10', 'R@10']
    """
    if isinstance(names, str):
        names = [part for part in names.split(",") if part.strip()]
    elif isinstance(names, Measure):
        names = [names]
    measures = tuple(dict.fromkeys(parse_measure(name) for name in names))
    if not measures:
        msg = f"no measure is named; choose among {_KNOWN}."
        raise MeasureError(msg)
    return measures
