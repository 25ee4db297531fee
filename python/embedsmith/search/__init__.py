"""Exact top-k search over dense vectors."""

from embedsmith.search._index import Index
from embedsmith.search._merge import merge_topk
from embedsmith.search._ray import topk_ray
from embedsmith.search._recall import IndexRecall, recall_of
from embedsmith.search._stats import SearchStats
from embedsmith.search._tensors import TensorTopK
from embedsmith.search._topk import TopK, topk

__all__ = [
    "Index",
    "IndexRecall",
    "SearchStats",
    "TensorTopK",
    "TopK",
    "merge_topk",
    "recall_of",
    "topk",
    "topk_ray",
]
