"""What measures there are: their parameters, their names in other tools, what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

__all__ = ["ALIASES", "KINDS", "Aggregate", "Kind", "KindFacts"]

Kind: TypeAlias = Literal[
    "nDCG",
    "DCG",
    "AP",
    "gMAP",
    "RR",
    "R",
    "P",
    "F",
    "Success",
    "Rprec",
    "Bpref",
    "infAP",
    "RBP",
    "ERR",
    "NERR",
    "IPrec",
    "11pt",
    "Judged",
    "Hole",
    "SetP",
    "SetR",
    "SetF",
    "SetAP",
    "NumRet",
    "NumRel",
    "NumRelRet",
    "NumQ",
]

# How the values of queries become one number.
Aggregate: TypeAlias = Literal["mean", "geometric mean", "sum"]


@dataclass(frozen=True)
class KindFacts:
    """What holds for every measure of a kind.

    Attributes
    ----------
    parameters : frozenset of str
        Those it takes, the cutoff not among them.
    cutoff : {"needed", "allowed", "none"}
        Whether it takes one.
    aggregate : {"mean", "geometric mean", "sum"}
        How queries become one number.
    bounded : bool
        Whether values lie in [0, 1].
    has_expectation : bool
        Whether its expected value over the orders of tied documents has a closed form.
    """

    parameters: frozenset[str]
    cutoff: Literal["needed", "allowed", "none"]
    aggregate: Aggregate = "mean"
    bounded: bool = True
    has_expectation: bool = True


def _takes(*parameters: str) -> frozenset[str]:
    return frozenset(parameters)


_BINARY = _takes("rel", "judged_only")

KINDS: dict[Kind, KindFacts] = {
    "nDCG": KindFacts(_takes("gain", "judged_only"), "allowed"),
    "DCG": KindFacts(_takes("gain", "judged_only"), "allowed", bounded=False),
    "AP": KindFacts(_BINARY | {"norm"}, "allowed"),
    "gMAP": KindFacts(_BINARY, "allowed", "geometric mean"),
    "RR": KindFacts(_BINARY, "allowed"),
    "R": KindFacts(_BINARY | {"cap"}, "needed"),
    "P": KindFacts(_BINARY, "needed"),
    "F": KindFacts(_BINARY | {"beta"}, "needed"),
    "Success": KindFacts(_BINARY, "needed"),
    "Rprec": KindFacts(_BINARY, "none"),
    "Bpref": KindFacts(_takes("rel"), "none"),
    "infAP": KindFacts(_takes("rel"), "none", has_expectation=False),
    "RBP": KindFacts(_BINARY | {"p", "residual"}, "allowed"),
    "ERR": KindFacts(_takes("max_rel", "judged_only"), "allowed"),
    "NERR": KindFacts(_takes("max_rel", "judged_only"), "allowed"),
    "IPrec": KindFacts(_BINARY | {"recall", "rounding"}, "none", has_expectation=False),
    "11pt": KindFacts(_BINARY | {"rounding"}, "none", has_expectation=False),
    "Judged": KindFacts(_takes(), "allowed"),
    "Hole": KindFacts(_takes(), "allowed"),
    "SetP": KindFacts(_BINARY, "none"),
    "SetR": KindFacts(_BINARY, "none"),
    "SetF": KindFacts(_BINARY | {"beta"}, "none"),
    "SetAP": KindFacts(_BINARY, "none"),
    "NumRet": KindFacts(_takes(), "none", "sum", bounded=False),
    "NumRel": KindFacts(_takes("rel"), "none", "sum", bounded=False),
    "NumRelRet": KindFacts(_takes("rel"), "none", "sum", bounded=False),
    "NumQ": KindFacts(_takes(), "none", "sum", bounded=False),
}

# Other names, in lower case: trec_eval's, ir_measures', ranx', mteb's, BEIR's and
# sentence-transformers'. Each with what it fixes beside the kind.
ALIASES: dict[str, tuple[Kind, dict[str, str | bool]]] = {
    **{kind.lower(): (kind, {}) for kind in get_args(Kind)},
    "ndcg_cut": ("nDCG", {}),
    "ndcg_burges": ("nDCG", {"gain": "exp2"}),
    "dcg_burges": ("DCG", {"gain": "exp2"}),
    "map": ("AP", {}),
    "map_cut": ("AP", {}),
    "gm_map": ("gMAP", {}),
    "mrr": ("RR", {}),
    "recip_rank": ("RR", {}),
    "recall": ("R", {}),
    "r_cap": ("R", {"cap": True}),
    "recall_cap": ("R", {"cap": True}),
    "cap_recall": ("R", {"cap": True}),
    "precision": ("P", {}),
    "f1": ("F", {}),
    "hit": ("Success", {}),
    "hits": ("Success", {}),
    "hit_rate": ("Success", {}),
    "hitrate": ("Success", {}),
    "accuracy": ("Success", {}),
    "r_precision": ("Rprec", {}),
    "r-precision": ("Rprec", {}),
    "r_prec": ("Rprec", {}),
    "r-prec": ("Rprec", {}),
    "rbp_resid": ("RBP", {"residual": True}),
    "iprec_at_recall": ("IPrec", {}),
    "11pt_avg": ("11pt", {}),
    "set_p": ("SetP", {}),
    "set_recall": ("SetR", {}),
    "set_r": ("SetR", {}),
    "set_f": ("SetF", {}),
    "set_map": ("SetAP", {}),
    "num_ret": ("NumRet", {}),
    "num_rel": ("NumRel", {}),
    "num_rel_ret": ("NumRelRet", {}),
    "num_q": ("NumQ", {}),
}
