"""Experts' labels: imported with their provenance, their agreement, and parts that do not leak."""

from __future__ import annotations

from embedsmith.labelling._adjudicated import Disagreement, disagreements, write_adjudication
from embedsmith.labelling._agreement import AnnotatorPair, LabelAgreement, label_agreement
from embedsmith.labelling._alpha import Alpha
from embedsmith.labelling._import import ImportedLabels, import_labels
from embedsmith.labelling._labels import Judgement, Labels, LabelSource
from embedsmith.labelling._read import read_labels
from embedsmith.labelling._split import DatasetSplit, split_dataset

__all__ = [
    "Alpha",
    "AnnotatorPair",
    "DatasetSplit",
    "Disagreement",
    "ImportedLabels",
    "Judgement",
    "LabelAgreement",
    "LabelSource",
    "Labels",
    "disagreements",
    "import_labels",
    "label_agreement",
    "read_labels",
    "split_dataset",
    "write_adjudication",
]
