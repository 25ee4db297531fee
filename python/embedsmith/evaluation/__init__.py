"""Evaluation of retrieval: one runner, one result type."""

from __future__ import annotations

from embedsmith.evaluation._agreement import RankingAgreement, ranking_agreement
from embedsmith.evaluation._axes import EXCERPT_CHARS, RESCORE_DEPTH, SMALL_SLICE, WORST
from embedsmith.evaluation._buckets import LATENCY_BATCHES, LATENCY_SECONDS
from embedsmith.evaluation._compare_results import (
    ComparedModel,
    ResultComparison,
    compare_results,
)
from embedsmith.evaluation._encoder_settings import EncoderSettings
from embedsmith.evaluation._estimate import CostEstimate, estimate_cost
from embedsmith.evaluation._evaluate import DEFAULT_MEASURES, evaluate
from embedsmith.evaluation._folder import ResultFolder
from embedsmith.evaluation._latency_bucket import LatencyBucket
from embedsmith.evaluation._model_result import ModelResult
from embedsmith.evaluation._progress import Progress, Silent
from embedsmith.evaluation._recall_curve import RecallCurve
from embedsmith.evaluation._result import DataSummary, EvaluationResult
from embedsmith.evaluation._settings import Settings
from embedsmith.evaluation._slice import Slice
from embedsmith.evaluation._systems import Truncation
from embedsmith.evaluation._timing import Latency, ModelTiming, Throughput
from embedsmith.evaluation._variant import Variant
from embedsmith.evaluation._worst_query import Expected, Retrieved, WorstQuery

__all__ = [
    "DEFAULT_MEASURES",
    "EXCERPT_CHARS",
    "LATENCY_BATCHES",
    "LATENCY_SECONDS",
    "RESCORE_DEPTH",
    "SMALL_SLICE",
    "WORST",
    "ComparedModel",
    "CostEstimate",
    "DataSummary",
    "EncoderSettings",
    "EvaluationResult",
    "Expected",
    "Latency",
    "LatencyBucket",
    "ModelResult",
    "ModelTiming",
    "Progress",
    "RankingAgreement",
    "RecallCurve",
    "ResultComparison",
    "ResultFolder",
    "Retrieved",
    "Settings",
    "Silent",
    "Slice",
    "Throughput",
    "Truncation",
    "Variant",
    "WorstQuery",
    "compare_results",
    "estimate_cost",
    "evaluate",
    "ranking_agreement",
]
