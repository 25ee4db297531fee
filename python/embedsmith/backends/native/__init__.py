"""Transformer encoders in the extension itself: neither torch, onnxruntime nor transformers."""

from __future__ import annotations

from embedsmith.backends.native._encoder import NativeEncoder
from embedsmith.backends.native._kept_choices import KeptChoices
from embedsmith.backends.native._precision import (
    NATIVE_FORMATS,
    NATIVE_PRECISIONS,
    checked_precision,
)
from embedsmith.backends.native._source import why_not_native

__all__ = [
    "NATIVE_FORMATS",
    "NATIVE_PRECISIONS",
    "KeptChoices",
    "NativeEncoder",
    "checked_precision",
    "why_not_native",
]
