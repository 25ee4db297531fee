"""Whether training data can be trusted: duplicates, leakage, labels, personal data.

:func:`check_data` reports on files and data sets; :func:`leakage` is the small door for code that
holds two lists of texts and must know which rows of one stand in the other.
"""

from embedsmith.hygiene._between_texts import LeakedText, leakage
from embedsmith.hygiene._check import check_data
from embedsmith.hygiene._cleaned import Cleaned, write_cleaned
from embedsmith.hygiene._finding import Coverage, DataCheck, Finding, Leakage
from embedsmith.hygiene._training_data import TrainingData, TrainingPair

__all__ = [
    "Cleaned",
    "Coverage",
    "DataCheck",
    "Finding",
    "Leakage",
    "LeakedText",
    "TrainingData",
    "TrainingPair",
    "check_data",
    "leakage",
    "write_cleaned",
]
