"""Hard negatives for training, found by exact search with the filters at work meanwhile."""

from __future__ import annotations

from embedsmith.mining._embeddings import Prompts
from embedsmith.mining._mine import mine_hard_negatives
from embedsmith.mining._result import MinedNegatives, ShortQuery

__all__ = ["MinedNegatives", "Prompts", "ShortQuery", "mine_hard_negatives"]
