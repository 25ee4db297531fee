"""Measures as trec_eval names, orders and prints them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from embedsmith.metrics import Measure, parse_measures

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from embedsmith._typing import F64Array
    from embedsmith.reports._measured import MeasuredRun

__all__ = ["LEFT_OUT", "asks_runid", "named_measures", "trec_eval_text"]

_CUTOFFS = (5, 10, 15, 20, 30, 100, 200, 500, 1000)
_LEVELS = tuple(f"{tenth / 10:.2f}" for tenth in range(11))
_FAMILIES: dict[str, tuple[str, ...]] = {
    "iprec_at_recall": tuple(f"iprec_at_recall_{level}" for level in _LEVELS),
    "P": tuple(f"P_{k}" for k in _CUTOFFS),
    "recall": tuple(f"recall_{k}" for k in _CUTOFFS),
    "ndcg_cut": tuple(f"ndcg_cut_{k}" for k in _CUTOFFS),
    "map_cut": tuple(f"map_cut_{k}" for k in _CUTOFFS),
    "success": ("success_1", "success_5", "success_10"),
}
_COUNTS = ("num_q", "num_ret", "num_rel", "num_rel_ret")
# In the order in which trec_eval prints them; families by name.
_ORDER = (
    *_COUNTS, "map", "gm_map", "Rprec", "bpref", "recip_rank", "iprec_at_recall", "P", "recall",
    "infAP", "11pt_avg", "ndcg", "ndcg_cut", "map_cut", "success", "set_P", "set_recall", "set_map",
    "set_F",
)  # fmt: skip
_SETS: dict[str, tuple[str, ...]] = {
    "official": _ORDER[: _ORDER.index("recall")],
    "set": (*_COUNTS, "set_P", "set_recall", "set_map", "set_F"),
    "all_trec": _ORDER,
}
# What the sets of trec_eval hold beside those, for a note to the reader.
LEFT_OUT: dict[str, tuple[str, ...]] = {
    "official": (),
    "set": ("utility", "set_relative_P"),
    "all_trec": (
        "relstring", "gm_bpref", "Rprec_mult", "utility", "binG", "G", "ndcg_rel", "Rndcg",
        "relative_P", "set_relative_P", "num_nonrel_judged_ret",
    ),
}  # fmt: skip
_NAMES = {
    "NumQ": "num_q",
    "NumRet": "num_ret",
    "NumRel": "num_rel",
    "NumRelRet": "num_rel_ret",
    "AP": "map",
    "gMAP": "gm_map",
    "Rprec": "Rprec",
    "Bpref": "bpref",
    "RR": "recip_rank",
    "infAP": "infAP",
    "11pt": "11pt_avg",
    "nDCG": "ndcg",
    "SetP": "set_P",
    "SetR": "set_recall",
    "SetAP": "set_map",
    "SetF": "set_F",
}
_NAMES_AT = {"P": "P", "R": "recall", "nDCG": "ndcg_cut", "AP": "map_cut", "Success": "success"}
# Printed for the whole run only.
_NOT_PER_QUERY = frozenset({"num_q", "gm_map"})
_AT_LEVEL = frozenset({"nDCG", "DCG", "ERR", "NERR", "Judged", "Hole", "NumRet", "NumQ"})
_WIDTH = 22


def named_measures(names: Iterable[str], *, level: float = 1) -> tuple[Measure, ...]:
    """Return the measures that a command line names, each once.

    Takes what :func:`embedsmith.metrics.parse_measures` takes, and trec_eval's sets (``official``,
    ``set``, ``all_trec``), its families without a cutoff (``P``, ``ndcg_cut``) and with several
    (``P.5,10``).

    Parameters
    ----------
    names : iterable of str
        Each one measure, or several with commas.
    level : float, default 1
        Lowest relevant grade of all measures that do not name one.

    Returns
    -------
    tuple of Measure
        In the order named.

    Raises
    ------
    MeasureError
        If a name is wrong.

    Examples
    --------
    >>> [str(m) for m in named_measures(["P.5,10", "map"], level=2)]
    ['P(rel=2)@5', 'P(rel=2)@10', 'AP(rel=2)']
    """
    spelled: list[str] = []
    for name in names:
        for part in _parts(name):
            spelled += _expanded(part) if part != "runid" else ()
    measures = parse_measures(spelled)
    if level != 1:
        measures = tuple(
            replace(m, rel=level) if m.rel == 1 and m.kind not in _AT_LEVEL else m for m in measures
        )
    return tuple(dict.fromkeys(measures))


def asks_runid(names: Iterable[str]) -> bool:
    """Return whether trec_eval would print the name of the run: by its own name, or in a set.

    Parameters
    ----------
    names : iterable of str
        As for :func:`named_measures`.

    Returns
    -------
    bool
        True if one of them is "runid" or a set.

    Examples
    --------
    >>> asks_runid(["official"]), asks_runid(["map,runid"]), asks_runid(["map"])
    (True, True, False)
    """
    parts = [part for name in names for part in _parts(name)]
    return any(part == "runid" or part in _SETS for part in parts)


def _parts(text: str) -> list[str]:
    """Return the names between commas outside of brackets; a bare number repeats the name."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "({[") - (character in ")}]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    named: list[str] = []
    for part in filter(None, map(str.strip, parts)):
        family, dot, _ = named[-1].partition(".") if named else ("", "", "")
        again = dot and family in _FAMILIES and part.replace(".", "", 1).isdigit()
        named.append(f"{family}.{part}" if again else part)
    return named


def _expanded(name: str) -> Sequence[str]:
    if name in _SETS:
        return [one for family in _SETS[name] for one in _FAMILIES.get(family, (family,))]
    if name in _FAMILIES:
        return _FAMILIES[name]
    family, dot, cutoff = name.partition(".")
    return (f"{family}_{cutoff}",) if dot and family in _FAMILIES else (name,)


def _name(measure: Measure, level: float) -> str | None:
    """Return trec_eval's name of a measure, or ``None`` if it has no such measure."""
    plain = measure if measure.rel == 1 else replace(measure, rel=1)
    if measure.kind not in _AT_LEVEL and measure.rel != level:
        return None
    if measure.kind == "IPrec" and measure.recall is not None:
        found = f"iprec_at_recall_{measure.recall:.2f}"
    elif measure.cutoff is None:
        found = _NAMES.get(measure.kind, "")
    else:
        found = f"{_NAMES_AT.get(measure.kind, '')}_{measure.cutoff}"
    # Whatever other parameters it has, trec_eval has not.
    bare = replace(Measure("AP"), kind=measure.kind, cutoff=measure.cutoff, recall=measure.recall)
    bare = replace(bare, rounding=measure.rounding) if measure.kind in ("IPrec", "11pt") else bare
    return found if found.strip("_0123456789") and plain == bare else None


def _place(name: str) -> tuple[int, float]:
    family, _, number = name.rpartition("_")
    if family in _FAMILIES:
        return _ORDER.index(family), float(number)
    return _ORDER.index(name), 0.0


def trec_eval_text(
    run: MeasuredRun,
    measures: Sequence[Measure],
    *,
    level: float = 1,
    per_query: bool = False,
    runid: bool = True,
) -> str:
    """Return what trec_eval would print, byte for byte, for the measures that it has.

    They come in its order and with its names, whatever the order asked for; measures that it lacks
    follow under their own names.

    Parameters
    ----------
    run : MeasuredRun
        Measured with these measures.
    measures : sequence of Measure
        What to print.
    level : float, default 1
        The relevance level (trec_eval's ``-l``): measures of that level carry its names.
    per_query : bool, default False
        Print each query of the run first, as ``-q`` does, by the bytes of its id.
    runid : bool, default True
        Print the name of the run, which belongs to trec_eval's sets; see :func:`asks_runid`.

    Returns
    -------
    str
        Lines of name, query id or "all", and value, each with its end.
    """
    named = [(_name(measure, level), measure) for measure in measures]
    known = sorted(((n, m) for n, m in named if n is not None), key=lambda pair: _place(pair[0]))
    rows = known + [(str(m), m) for n, m in named if n is None]
    table = run.table
    searched = [i for i, query in enumerate(table.query_ids) if query in run.searched]
    searched.sort(key=lambda i: table.query_ids[i].encode())
    lines = []
    if per_query:
        for i in searched:
            lines += [
                _line(name, table.query_ids[i], table.per_query[str(m)][i], m)
                for name, m in rows
                if name not in _NOT_PER_QUERY
            ]
    if runid:
        lines.append(f"{'runid':<{_WIDTH}}\tall\t{run.tag}\n")
    for name, m in rows:
        values = table.per_query[str(m)]
        total = _total(m, values if m.aggregate == "sum" else values[searched], len(values))
        lines.append(_line(name, "all", total, m))
    return "".join(lines)


def _total(measure: Measure, values: F64Array, n_queries: int) -> float:
    """Return the number of all queries, added up in the order in which trec_eval does."""
    if measure.aggregate == "sum":
        return float(values.sum())
    if measure.aggregate == "geometric mean":
        missing = n_queries - len(values)
        logs = float(np.cumsum(np.log(values))[-1]) + missing * float(np.log(1e-5))
        return float(np.exp(logs / n_queries))
    # Those that are missing add nothing. A running sum, since the last bit may decide a digit.
    return float(np.cumsum(values)[-1]) / n_queries


def _line(name: str, query: str, value: float, measure: Measure) -> str:
    shown = f"{int(value)}" if measure.kind.startswith("Num") else f"{value:6.4f}"
    return f"{name:<{_WIDTH}}\t{query}\t{shown}\n"
