"""BEIR folders."""

from __future__ import annotations

import difflib
from pathlib import Path

from embedsmith import _core
from embedsmith.datasets._dataset import Dataset
from embedsmith.datasets._fields import read_fields
from embedsmith.datasets._mark import SYNTHETIC, is_marked, read_manifest
from embedsmith.datasets._passages import Collapse, field_of
from embedsmith.datasets._paths import listing
from embedsmith.datasets._qrels import Qrels
from embedsmith.datasets._texts import Corpus, Queries
from embedsmith.exceptions import DataError

__all__ = ["load_beir"]

_JSONL = (".jsonl", ".jsonl.gz")
_TSV = (".tsv", ".tsv.gz")


def load_beir(
    folder: Path, *, split: str, allow_missing: bool = False, collapse: Collapse | None = None
) -> Dataset:
    """Read the data set in ``folder``; see :func:`load_dataset`."""
    corpus, queries = (_one(folder, stem, _JSONL) for stem in ("corpus", "queries"))
    judgements = folder / "qrels"
    if corpus is None or queries is None or not judgements.is_dir():
        raise DataError(_no_dataset(folder))
    # Judgements first: they are small, and a wrong split is said before a large corpus is read.
    qrels = Qrels.read(_split_file(judgements, split))
    query_ids, query_texts = _core.read_queries(queries)
    return Dataset.build(
        folder.resolve().name,
        _read_corpus(corpus, collapse),
        Queries(query_ids, query_texts, read_fields(queries, len(query_ids))),
        qrels,
        split=split,
        path=folder,
        allow_missing=allow_missing,
        synthetic=is_marked(read_manifest(folder).get(SYNTHETIC)),
    )


def _read_corpus(path: Path, collapse: Collapse | None) -> Corpus:
    corpus = Corpus(*_core.read_corpus(path))
    if collapse is None:
        return corpus
    fields = read_fields(path, len(corpus)) if field_of(collapse) is not None else None
    return corpus.collapsed(collapse, fields)


def _one(folder: Path, stem: str, endings: tuple[str, ...]) -> Path | None:
    """Return the file of that name with one of the endings; two of them are an error."""
    found = [file for ending in endings if (file := folder / f"{stem}{ending}").is_file()]
    if len(found) > 1:
        names = " and ".join(file.name for file in found)
        msg = f"{folder} holds both {names}, and they may differ. Remove one of them."
        raise DataError(msg)
    return found[0] if found else None


def _split_file(folder: Path, split: str) -> Path:
    # A split names a file of the folder, never a path out of it.
    found = _one(folder, split, _TSV) if Path(split).name == split else None
    if found is not None:
        return found
    splits = sorted(
        {
            file.name.removesuffix(ending)
            for ending in _TSV
            for file in folder.iterdir()
            if file.name.endswith(ending)
        }
    )
    if not splits:
        msg = (
            f"{folder} holds no SPLIT.tsv or SPLIT.tsv.gz; it holds {listing(folder)}. "
            f"Put the judgements there, for example as {folder / 'test.tsv'}."
        )
        raise DataError(msg)
    near = (difflib.get_close_matches(split, splits, n=1) or splits[:1])[0]
    msg = (
        f"{folder} has no split {split!r}; it has {', '.join(splits)}. "
        f"Pass one of them: split={near!r} (--split {near})."
    )
    raise DataError(msg)


def _no_dataset(folder: Path) -> str:
    if not folder.is_dir():
        return f"{folder} is a file, but a BEIR data set is a folder. Name the folder."
    inner = [f for f in sorted(folder.iterdir()) if f.is_dir() and _one(f, "corpus", _JSONL)]
    fix = (
        f"Did you mean {inner[0]}?"
        if inner
        else "Name the folder that holds all three, or a file with query and positive."
    )
    return (
        f"{folder} is no data set: looked for corpus.jsonl, queries.jsonl (each perhaps with .gz) "
        f"and the folder qrels; found {listing(folder)}. {fix}"
    )
