"""Transformer encoders in the extension itself: neither torch, onnxruntime nor transformers."""

from __future__ import annotations

from embedsmith.backends.native._encoder import NativeEncoder
from embedsmith.backends.native._precision import NATIVE_PRECISIONS
from embedsmith.backends.native._source import why_not_native

__all__ = ["NATIVE_PRECISIONS", "NativeEncoder", "why_not_native"]
