"""What the other libraries call a score: larger is better, for distances too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedsmith.search import TopK

if TYPE_CHECKING:
    from embedsmith._typing import Metric

__all__ = ["SIMILARITIES", "as_similarities"]

# The names that sentence-transformers and mteb share.
SIMILARITIES: dict[str, Metric] = {"cosine": "cosine", "dot": "dot", "euclidean": "l2"}


def as_similarities(hits: TopK, metric: Metric) -> TopK:
    """Return hits whose scores descend: a distance becomes its negative, and is not squared."""
    if metric != "l2":
        return hits
    exact = -np.sqrt(hits.exact)
    return TopK(exact.astype(np.float32), hits.rows, exact)
