"""Exact top-k search over dense vectors."""

from embedsmith.search._index import Index
from embedsmith.search._topk import SearchStats, TopK, topk

__all__ = ["Index", "SearchStats", "TopK", "topk"]
