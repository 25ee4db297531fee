"""Corpora, queries, judgements and runs, and the sets of other tasks, from the field's formats."""

from __future__ import annotations

from embedsmith.datasets._check import FileCheck, FileFault, Holds, check_file
from embedsmith.datasets._convert import Conversion, convert_file
from embedsmith.datasets._dataset import Dataset
from embedsmith.datasets._labelled_texts import LabelledTexts, TextClusters
from embedsmith.datasets._load import load_dataset
from embedsmith.datasets._load_task import load_task
from embedsmith.datasets._qrels import Qrels
from embedsmith.datasets._reranking import RerankingSet
from embedsmith.datasets._run import Run
from embedsmith.datasets._stream import (
    CorpusFormat,
    DocumentBlock,
    DocumentStream,
    stream_corpus,
)
from embedsmith.datasets._task_data import TaskData
from embedsmith.datasets._text_pairs import LabelledPairs, ParallelTexts, ScoredPairs
from embedsmith.datasets._texts import Corpus, Queries
from embedsmith.datasets._write_beir import write_beir

__all__ = [
    "Conversion",
    "Corpus",
    "CorpusFormat",
    "Dataset",
    "DocumentBlock",
    "DocumentStream",
    "FileCheck",
    "FileFault",
    "Holds",
    "LabelledPairs",
    "LabelledTexts",
    "ParallelTexts",
    "Qrels",
    "Queries",
    "RerankingSet",
    "Run",
    "ScoredPairs",
    "TaskData",
    "TextClusters",
    "check_file",
    "convert_file",
    "load_dataset",
    "load_task",
    "stream_corpus",
    "write_beir",
]
