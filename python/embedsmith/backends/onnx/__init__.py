"""Encoders that run ONNX graphs: our own exports, and folders of sentence-transformers."""

from __future__ import annotations

from embedsmith.backends.onnx._encoder import OnnxEncoder

__all__ = ["OnnxEncoder"]
