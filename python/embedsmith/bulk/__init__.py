"""Corpora of any size to folders of embeddings, and those folders."""

from __future__ import annotations

from embedsmith.bulk._embed import EmbeddingRun, embed_corpus
from embedsmith.bulk._folder import EmbeddingFolder
from embedsmith.bulk._progress import EmbedProgress, EmbedState

__all__ = ["EmbedProgress", "EmbedState", "EmbeddingFolder", "EmbeddingRun", "embed_corpus"]
