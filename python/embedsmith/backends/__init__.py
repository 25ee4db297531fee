"""Encoders: texts to vectors, by models that run here; and BM25, which needs none.

Importing this package loads no model library; each is imported when its first model is needed.
"""

from __future__ import annotations

from embedsmith.backends._async import encode_async
from embedsmith.backends._cache import EmbeddingCache
from embedsmith.backends._cached import CachedEncoder
from embedsmith.backends._choose import Chosen, resolve_spec
from embedsmith.backends._fingerprint import Fingerprint
from embedsmith.backends._folders import user_cache_folder
from embedsmith.backends._load import load_encoder
from embedsmith.backends._protocol import (
    DEFAULT_BATCH_SIZE,
    BatchModel,
    Embedded,
    Encoder,
    Role,
    TokenizedTexts,
)
from embedsmith.backends._resolve import resolve_model
from embedsmith.backends._stream import encode_stream
from embedsmith.backends.bm25 import Bm25
from embedsmith.backends.export import ExportResult, export_model

__all__ = [
    "DEFAULT_BATCH_SIZE",
    "BatchModel",
    "Bm25",
    "CachedEncoder",
    "Chosen",
    "Embedded",
    "EmbeddingCache",
    "Encoder",
    "ExportResult",
    "Fingerprint",
    "Role",
    "TokenizedTexts",
    "encode_async",
    "encode_stream",
    "export_model",
    "load_encoder",
    "resolve_model",
    "resolve_spec",
    "user_cache_folder",
]
