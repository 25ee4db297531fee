"""Evaluation of retrieval: one runner, one result type."""

from __future__ import annotations

from embedsmith.evaluation._encoder_settings import EncoderSettings
from embedsmith.evaluation._evaluate import DEFAULT_MEASURES, evaluate
from embedsmith.evaluation._folder import ResultFolder
from embedsmith.evaluation._model_result import ModelResult
from embedsmith.evaluation._progress import Progress, Silent
from embedsmith.evaluation._result import DataSummary, EvaluationResult
from embedsmith.evaluation._settings import Settings
from embedsmith.evaluation._systems import Truncation
from embedsmith.evaluation._timing import Latency, ModelTiming, Throughput

__all__ = [
    "DEFAULT_MEASURES",
    "DataSummary",
    "EncoderSettings",
    "EvaluationResult",
    "Latency",
    "ModelResult",
    "ModelTiming",
    "Progress",
    "ResultFolder",
    "Settings",
    "Silent",
    "Throughput",
    "Truncation",
    "evaluate",
]
