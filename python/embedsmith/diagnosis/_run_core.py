"""In a process of its own: every instruction set against the reference, by searches of all kinds.

A processor that claims an instruction set which its hypervisor does not pass through ends the
process, and the answers so far tell which one it was.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith import _core
from embedsmith.search import topk

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedsmith._typing import F32Array, Metric

__all__ = ["run"]

_VARIABLE = "EMBEDSMITH_ISA"
_REFERENCE = "scalar"
# A width that no vector divides, rows and queries enough for the widest tiles and their ends.
_DIM, _ROWS, _QUERIES, _K = 77, 700, 70, 10
_METRICS: tuple[Metric, ...] = ("dot", "cosine", "l2")


def run(also: list[str], answer: Callable[[Any], None]) -> None:
    """Answer ``{"trying": isa}`` and then ``{"isa": isa, "agrees": bool}`` for each.

    Parameters
    ----------
    also : list of str
        Not used.
    answer : callable
        Takes each answer.
    """
    del also
    wanted = _results(_REFERENCE)
    for isa in _core.available_isas():
        answer({"trying": isa})
        answer({"isa": isa, "agrees": _results(isa) == wanted})


def _results(isa: str) -> list[bytes]:
    """Return rows and score bits of one search of each kind."""
    os.environ[_VARIABLE] = isa
    corpus, queries = _vectors(_ROWS, seed=1), _vectors(_QUERIES, seed=2)
    found = []
    for metric in _METRICS:
        for some in (queries, queries[:1]):
            hits = topk(some, corpus, k=_K, metric=metric)
            found += [hits.rows.tobytes(), hits.scores.tobytes()]
    hits = topk(queries, corpus.astype(np.float16), k=_K, metric="dot")
    return [*found, hits.rows.tobytes(), hits.scores.tobytes()]


def _vectors(rows: int, *, seed: int) -> F32Array:
    generator = np.random.default_rng(seed)
    return generator.standard_normal((rows, _DIM), dtype=np.float32)
