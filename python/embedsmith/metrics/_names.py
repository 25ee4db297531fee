"""Names of measures: written as in ir_measures, read with the field's dialects."""

from __future__ import annotations

import ast
import difflib
import math
import re
from typing import TYPE_CHECKING, Any

from embedsmith.exceptions import MeasureError
from embedsmith.metrics._kinds import ALIASES, KINDS, Kind
from embedsmith.metrics._measures import Measure

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["parse_measure", "parse_measures"]

_KNOWN = "nDCG@10, AP, RR@10, R@100, P@5, Success@1"

# Letters, digits, low lines and hyphens; parameters; the cutoff, or the level of recall.
_NAME = re.compile(r"([a-z0-9_-]+)\s*(?:\((.*)\))?\s*(?:@\s*(\d+(?:\.\d+)?))?", re.DOTALL)
# ndcg_cut_10, ndcg_at_10, iprec_at_recall_0.10, set_F_0.5, and trec_eval's way to ask: ndcg_cut.10.
_TAILED = re.compile(r"([a-z0-9_-]+?)(?:_at)?[_.](\d+(?:\.\d+)?)")
# Whose cutoff may follow without an at: the names that trec_eval gives them.
_TAIL_NAMES = frozenset(
    {"ndcg_cut", "map_cut", "p", "recall", "success", "iprec_at_recall", "set_f", "rbp"}
)
# A cutoff with something else before it than an at sign, or nothing.
_STUCK_CUTOFF = re.compile(r"([a-z_]+?)[-_:]?(\d+)")

# Parameters that ir_measures and others spell differently.
_PARAMETERS = {"gains": "gain", "dcg": "gain"}
_GAIN_NAMES = {"log2": "linear", "exp-log2": "exp2", "exp": "exp2", "exponential": "exp2"}


def parse_measure(name: str | Measure) -> Measure:
    """Return the measure that a name means.

    Case and blanks around do not count. Names are those of ir_measures, with parameters in
    parentheses: ``nDCG@10``, ``nDCG(gain="exp2")@10``, ``nDCG(gain={1:1,2:5})``, ``DCG@10``,
    ``AP``, ``AP(norm="min_k")@10``, ``gMAP``, ``RR@10``, ``R@100``, ``R(cap=True)@10``,
    ``P(rel=2)@5``, ``F(beta=2)@10``, ``Success@1``, ``Rprec``, ``Bpref``, ``infAP``,
    ``RBP(p=0.8)``, ``RBP(p=0.8,residual=True)``, ``ERR@20``, ``NERR(max_rel=3)@20``,
    ``IPrec@0.1``, ``11pt``, ``Judged@10``, ``Hole@10``, ``SetP``, ``SetR``, ``SetF``, ``SetAP``,
    ``NumRet``, ``NumRel``, ``NumRelRet``, ``NumQ``. Read as well: ``recall``, ``precision``,
    ``mrr``, ``map``, ``hit``, ``hit_rate``, ``accuracy``; trec_eval's (``ndcg_cut_10``,
    ``recip_rank``, ``P_5``, ``iprec_at_recall_0.10``, ``set_F``, ``11pt_avg``), mteb's
    (``ndcg_at_10``) and ranx's (``ndcg_burges@10``, ``rbp.95``).

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
        a parameter belongs to another measure.

    Examples
    --------
    >>> str(parse_measure("mrr@10")), str(parse_measure("ndcg_cut_5")), str(parse_measure("map"))
    ('RR@10', 'nDCG@5', 'AP')
    >>> str(parse_measure("ndcg(dcg='exp-log2')@10")), str(parse_measure("iprec_at_recall_0.10"))
    ('nDCG(gain="exp2")@10', 'IPrec@0.1')
    """
    if isinstance(name, Measure):
        return name
    text = str(name).strip().lower()
    read = _read(text)
    if read is None:
        raise MeasureError(_unknown(text))
    kind, given, tail = read
    if tail is not None:
        parameter = _tail_parameter(kind, tail, text)
        given[parameter] = _tail_value(kind, tail, p_follows=parameter == "p")
    try:
        return Measure(kind, **given)
    except TypeError as error:
        msg = f"{text!r} has a parameter that is no number or name: {error}. Write P(rel=2)@5, say."
        raise MeasureError(msg) from error


def _read(text: str) -> tuple[Kind, dict[str, Any], str | None] | None:
    """Return the kind, its parameters and what follows it, or ``None`` for an unknown name."""
    match = _NAME.fullmatch(text)
    if match and match[1] in ALIASES:
        kind, fixed = ALIASES[match[1]]
        given = {**fixed, **_parameters(text, match[2])}
        # ir_measures counts the relevant documents retrieved as NumRet(rel=1).
        return "NumRelRet" if kind == "NumRet" and "rel" in given else kind, given, match[3]
    match = _TAILED.fullmatch(text)
    if not match or match[1] not in ALIASES:
        return None
    at = text[len(match[1]) :].startswith("_at_")
    if not at and match[1] not in _TAIL_NAMES:
        return None
    kind, fixed = ALIASES[match[1]]
    return kind, dict(fixed), match[2]


def _parameters(text: str, inside: str | None) -> dict[str, Any]:
    if not inside or not inside.strip():
        return {}
    given: dict[str, Any] = {}
    for part in _split(inside):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        name = _PARAMETERS.get(name, name)
        if not equals or name not in Measure.__dataclass_fields__ or name in ("kind", "cutoff"):
            known = sorted({p for facts in KINDS.values() for p in facts.parameters})
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"choose among {', '.join(known)}."
            msg = f"{text!r}: {part.strip()!r} is no parameter of a measure; {hint}"
            raise MeasureError(msg)
        given[name] = _value(name, value)
    return given


def _value(name: str, value: str) -> Any:
    if value in ("true", "false"):
        return value == "true"
    try:
        read = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        read = value
    return _GAIN_NAMES.get(read, read) if name == "gain" and isinstance(read, str) else read


def _tail_parameter(kind: Kind, tail: str, text: str) -> str:
    if kind == "IPrec":
        return "recall"
    if kind == "SetF":
        return "beta"
    if kind == "RBP" and "@" not in text:
        return "p"
    if not tail.isdigit():
        msg = f"{text!r} has the cutoff {tail}; ranks are whole numbers: write {kind}@10."
        raise MeasureError(msg)
    return "cutoff"


def _tail_value(kind: Kind, tail: str, *, p_follows: bool) -> float:
    if kind == "IPrec":
        return float(tail)
    if kind == "SetF":
        # trec_eval's parameter is the square.
        return math.sqrt(float(tail))
    if kind == "RBP" and p_follows:
        # ranx writes rbp.95
        return float(tail if "." in tail else f"0.{tail}")
    return int(tail) if tail.isdigit() else float(tail)


def _split(text: str) -> list[str]:
    """Return the parts between commas that stand in no bracket and no quotes."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        depth += (character in "({[") - (character in ")}]") if not quote else 0
        if character == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _unknown(text: str) -> str:
    pieces = re.split(r"[\s;|+/]+", text)
    if len(pieces) > 1 and all(_read(piece) for piece in pieces):
        return f"there is no measure {text!r}; put commas between measures: {','.join(pieces)!r}."
    word, at, cutoff = text.partition("@")
    stuck = _STUCK_CUTOFF.fullmatch(text)
    if stuck:
        word, at, cutoff = stuck[1], "@", stuck[2]
    near = difflib.get_close_matches(word.partition("(")[0], list(ALIASES), n=1, cutoff=0.5)
    if not near:
        return f"there is no measure {text!r}; choose among {_KNOWN}."
    kind, _ = ALIASES[near[0]]
    if near[0].startswith("recip"):
        return f"there is no measure {text!r}; did you mean {near[0]!r}?"
    number = cutoff if cutoff.isdigit() and int(cutoff) > 0 else "10"
    if kind == "IPrec":
        right = "IPrec@0.1"
    elif KINDS[kind].cutoff == "needed" or (at and KINDS[kind].cutoff == "allowed"):
        right = f"{kind}@{number}"
    else:
        right = kind
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
        names = [part for part in _split(names) if part.strip()]
    elif isinstance(names, Measure):
        names = [names]
    measures = tuple(dict.fromkeys(parse_measure(name) for name in names))
    if not measures:
        msg = f"no measure is named; choose among {_KNOWN}."
        raise MeasureError(msg)
    return measures
