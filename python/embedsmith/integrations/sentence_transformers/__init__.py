"""What sentence-transformers does with embeddings, with its arguments and its output.

Change one import::

    from sentence_transformers.util import semantic_search               # before
    from embedsmith.integrations.sentence_transformers import semantic_search

    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
    from embedsmith.integrations.sentence_transformers import InformationRetrievalEvaluator

    from sentence_transformers.util import mine_hard_negatives
    from embedsmith.integrations.sentence_transformers import mine_hard_negatives

``HardNegativeRefresh`` has no counterpart there: a callback for its trainer, and a training set
whose negatives are mined anew every few steps.

``semantic_search`` does not import sentence-transformers, which need not be installed; the
evaluator and the callback are classes of its trainer's world, and import it when first named.

Examples
--------
>>> from embedsmith.integrations.sentence_transformers import semantic_search
>>> corpus = [[1.0, 0.0], [0.0, 1.0], [3.0, 4.0]]
>>> semantic_search([[2.0, 0.0]], corpus, top_k=2)
[[{'corpus_id': 0, 'score': 1.0}, {'corpus_id': 2, 'score': 0.6000000238418579}]]
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from embedsmith.integrations.sentence_transformers._hard_negatives import mine_hard_negatives
from embedsmith.integrations.sentence_transformers._semantic_search import semantic_search

if TYPE_CHECKING:
    from embedsmith.integrations.sentence_transformers._information_retrieval import (
        InformationRetrievalEvaluator,
    )
    from embedsmith.integrations.sentence_transformers._refresh import HardNegativeRefresh, Refresh

__all__ = [
    "HardNegativeRefresh",
    "InformationRetrievalEvaluator",
    "Refresh",
    "mine_hard_negatives",
    "semantic_search",
]

_HOMES = {
    "HardNegativeRefresh": "_refresh",
    "InformationRetrievalEvaluator": "_information_retrieval",
    "Refresh": "_refresh",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        home = f"embedsmith.integrations.sentence_transformers.{_HOMES[name]}"
        value = getattr(importlib.import_module(home), name)
        globals()[name] = value
        return value
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)
