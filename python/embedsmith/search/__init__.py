"""Exact top-k search over dense vectors."""

from embedsmith.search._index import Index
from embedsmith.search._recall import IndexRecall, recall_of
from embedsmith.search._topk import SearchStats, TopK, topk

__all__ = ["Index", "IndexRecall", "SearchStats", "TopK", "recall_of", "topk"]
