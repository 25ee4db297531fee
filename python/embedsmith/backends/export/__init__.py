"""Writes sentence-transformers models as ONNX, without torch, and checks them against it."""

from __future__ import annotations

from embedsmith.backends.export._export import export_model
from embedsmith.backends.export._result import ExportResult
from embedsmith.backends.export._texts import read_texts

__all__ = ["ExportResult", "export_model", "read_texts"]
