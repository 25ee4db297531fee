"""Queries for passages, written by a machine, and marked as such for ever."""

from __future__ import annotations

from embedsmith.synthesis._estimate import SynthesisEstimate, estimate_synthesis
from embedsmith.synthesis._result import SyntheticPair, SyntheticQueries
from embedsmith.synthesis._synthesize import synthesize_queries

__all__ = [
    "SynthesisEstimate",
    "SyntheticPair",
    "SyntheticQueries",
    "estimate_synthesis",
    "synthesize_queries",
]
