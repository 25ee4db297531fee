"""Transformer encoders in the extension itself: neither torch, onnxruntime nor transformers."""

from __future__ import annotations

from embedsmith.backends.native._encoder import NativeEncoder

__all__ = ["NativeEncoder"]
