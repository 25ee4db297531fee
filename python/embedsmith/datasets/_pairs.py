"""Files of JSON lines with query, positive and negative."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

from embedsmith import _core
from embedsmith.datasets._dataset import Dataset
from embedsmith.datasets._fields import jsonl_lines
from embedsmith.datasets._mark import SYNTHETIC, is_marked
from embedsmith.datasets._qrels import Qrels
from embedsmith.datasets._run import Run
from embedsmith.datasets._texts import Corpus, Queries
from embedsmith.exceptions import DataError, ParseError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load_pairs"]

_MARK = f'"{SYNTHETIC}"'.encode()
_BEIR_PARTS = ("corpus", "queries")


def load_pairs(path: Path, *, split: str) -> Dataset:
    """Read the data set in the file ``path``; see :func:`load_dataset`."""
    name = path.name.removesuffix(".gz").removesuffix(".jsonl")
    if path.is_dir():
        msg = f"{path} is a folder, but format='jsonl' reads one file. Name the file."
        raise DataError(msg)
    if name in _BEIR_PARTS or path.parent.name == "qrels":
        folder = path.parent.parent if path.parent.name == "qrels" else path.parent
        msg = f"{path} is one part of a BEIR data set. Name its folder: {folder}."
        raise DataError(msg)
    try:
        queries, documents, offsets, rows = _core.read_pairs(path)
    except ParseError as error:
        for kind, what in ((Qrels, "judgements"), (Run, "a run")):
            if _reads(kind, path):
                msg = (
                    f"{path} holds {what} without texts. Read it with {kind.__name__}.read(path); "
                    "a data set is a BEIR folder, or JSON lines with query and positive."
                )
                raise DataError(msg) from error
        raise
    query_ids = tuple(map(_content_id, queries))
    doc_ids = tuple(map(_content_id, documents))
    grades = np.ones(len(rows), np.int64)
    qrels = Qrels._of(query_ids, doc_ids, offsets, rows, grades)  # noqa: SLF001 - of this package
    marked = _marked(path)
    fields = {SYNTHETIC: tuple(text in marked for text in queries)} if marked else {}
    corpus, asked = Corpus(doc_ids, documents), Queries(query_ids, queries, fields)
    return Dataset.build(name, corpus, asked, qrels, split=split, path=path)


def _marked(path: Path) -> frozenset[str]:
    """Return the queries that a line of the file, which was read before, marks as synthetic."""
    found = set()
    for line in jsonl_lines(path):
        if _MARK in line:
            content = json.loads(line)
            if is_marked(content.get(SYNTHETIC)):
                found.add(content["query"])
    return frozenset(found)


def _reads(kind: type[Qrels | Run], path: Path) -> bool:
    try:
        return len(kind.read(path)) > 0
    except DataError:
        return False


def _content_id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
