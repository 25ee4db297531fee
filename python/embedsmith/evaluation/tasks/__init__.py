"""The task families: what each reads from embeddings, and what it measures."""

from __future__ import annotations

from embedsmith.evaluation.tasks._experiments import Experiments
from embedsmith.evaluation.tasks._families import family_of
from embedsmith.evaluation.tasks._family import Family, Measured, Texts, Vectors
from embedsmith.evaluation.tasks._resampling import paired

__all__ = ["Experiments", "Family", "Measured", "Texts", "Vectors", "family_of", "paired"]
