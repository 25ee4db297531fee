"""What sentence-transformers does with embeddings, with its arguments and its output.

Change one import::

    from sentence_transformers.util import semantic_search               # before
    from embedsmith.integrations.sentence_transformers import semantic_search

    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
    from embedsmith.integrations.sentence_transformers import InformationRetrievalEvaluator

    from sentence_transformers.util import mine_hard_negatives
    from embedsmith.integrations.sentence_transformers import mine_hard_negatives

``semantic_search`` does not import sentence-transformers, which need not be installed; the
evaluator is one of its classes, and imports it when it is first named.

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

__all__ = ["InformationRetrievalEvaluator", "mine_hard_negatives", "semantic_search"]


def __getattr__(name: str) -> Any:
    if name == "InformationRetrievalEvaluator":
        home = "embedsmith.integrations.sentence_transformers._information_retrieval"
        value = importlib.import_module(home).InformationRetrievalEvaluator
        globals()[name] = value
        return value
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)
