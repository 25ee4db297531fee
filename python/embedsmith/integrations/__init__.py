"""The calls of other libraries, at this package's speed: change one import.

===========================================  =====================================================
``integrations.sentence_transformers``       ``semantic_search``, for that of their ``util``;
                                             ``InformationRetrievalEvaluator``, for their trainers
``integrations.mteb``                        ``MtebEncoder``, any encoder as a model of mteb's;
                                             ``ExactSearchIndex``, for mteb's ``FaissSearchIndex``
``integrations.sklearn``                     ``NearestNeighbors``, for that of ``sklearn.neighbors``
===========================================  =====================================================

Answers are those of :func:`embedsmith.topk`, in the other library's form. Each module is imported
when it is first named, and its library with it only where nothing works without.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embedsmith.integrations import mteb, sentence_transformers, sklearn

__all__ = ["mteb", "sentence_transformers", "sklearn"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"embedsmith.integrations.{name}")
    msg = f"module 'embedsmith.integrations' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)
