"""Corpora, queries, judgements and runs, read from and written to the field's formats."""

from __future__ import annotations

from embedsmith.datasets._dataset import Dataset
from embedsmith.datasets._load import load_dataset
from embedsmith.datasets._qrels import Qrels
from embedsmith.datasets._run import Run
from embedsmith.datasets._texts import Corpus, Queries

__all__ = ["Corpus", "Dataset", "Qrels", "Queries", "Run", "load_dataset"]
