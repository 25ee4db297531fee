"""Whether training data can be trusted: duplicates, leakage, labels, personal data."""

from embedsmith.hygiene._check import check_data
from embedsmith.hygiene._cleaned import Cleaned, write_cleaned
from embedsmith.hygiene._finding import DataCheck, Finding, Leakage
from embedsmith.hygiene._training_data import TrainingData, TrainingPair

__all__ = [
    "Cleaned",
    "DataCheck",
    "Finding",
    "Leakage",
    "TrainingData",
    "TrainingPair",
    "check_data",
    "write_cleaned",
]
