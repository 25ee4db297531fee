"""Which of their score functions the search computes itself."""

from __future__ import annotations

import sys
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from embedsmith.integrations._similarities import SIMILARITIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedsmith._typing import Metric

    ScoreFunction: TypeAlias = Callable[[Any, Any], Any]

__all__ = ["known_metric"]

_FUNCTIONS: dict[str, Metric] = {
    "cos_sim": "cosine",
    "pytorch_cos_sim": "cosine",
    "dot_score": "dot",
    "euclidean_sim": "l2",
}


def known_metric(score_function: str | Enum | ScoreFunction) -> Metric | None:
    """Return the metric that a score function computes, known by its identity or its name.

    Parameters
    ----------
    score_function : str, Enum or callable
        One of the functions of ``sentence_transformers.util``, a model's ``similarity``, a member
        of ``SimilarityFunction``, or its name.

    Returns
    -------
    {"cosine", "dot", "l2"} or None
        None for any other function, whose scores only it can tell.
    """
    name = score_function.value if isinstance(score_function, Enum) else score_function
    if not isinstance(name, str):
        # Whoever holds one of their functions has imported the library.
        util = sys.modules.get("sentence_transformers.util")
        for function, metric in _FUNCTIONS.items():
            if util is not None and name is getattr(util, function, None):
                return metric
        name = _name_of_model_similarity(name)
    return None if name is None else SIMILARITIES.get(name)


def _name_of_model_similarity(function: Any) -> str | None:
    """Return what ``model.similarity`` computes; None if this is another function."""
    library = sys.modules.get("sentence_transformers")
    own = getattr(getattr(library, "SentenceTransformer", None), "similarity", None)
    if own is None or getattr(function, "__func__", None) is not own:
        return None
    return str(function.__self__.similarity_fn_name)
