"""Exact top-k search over dense vectors."""

from embedsmith.search._index import Index
from embedsmith.search._merge import merge_topk
from embedsmith.search._pairs import Pairs, pairs_above, topk_self
from embedsmith.search._ray import topk_ray
from embedsmith.search._recall import IndexRecall, recall_of
from embedsmith.search._stats import SearchStats
from embedsmith.search._tensors import TensorTopK
from embedsmith.search._topk import TopK, topk

__all__ = [
    "Index",
    "IndexRecall",
    "Pairs",
    "SearchStats",
    "TensorTopK",
    "TopK",
    "merge_topk",
    "pairs_above",
    "recall_of",
    "topk",
    "topk_ray",
    "topk_self",
]
