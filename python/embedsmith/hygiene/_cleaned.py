"""A copy of training data without what a check found."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import secrets
import shutil
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedsmith._files import atomic_writer
from embedsmith._phrases import counted
from embedsmith.datasets import Qrels
from embedsmith.exceptions import DataError, OutputError
from embedsmith.hygiene._training_data import NEGATIVE_FIELDS, POSITIVE_FIELDS, lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedsmith.hygiene._finding import DataCheck, Finding
    from embedsmith.hygiene._training_data import TrainingData

__all__ = ["Cleaned", "write_cleaned"]

# What is wrong with one pair; of the others, it is a person who decides.
_OF_PAIRS = ("repeated pair", "passage is query", "contradiction", "likely false negative")


@dataclass(frozen=True)
class Cleaned:
    """What was written.

    Attributes
    ----------
    folder : Path
        Holds the data and ``removed.jsonl``.
    n_pairs, n_removed : int
        Pairs in the copy, and pairs left out.
    n_queries_lost : int
        Queries that have no positive left, and are left out with all their pairs.
    """

    folder: Path
    n_pairs: int
    n_removed: int
    n_queries_lost: int

    def __str__(self) -> str:
        lost = counted(self.n_queries_lost, "query", "queries")
        return (
            f"{self.folder}: {counted(self.n_pairs, 'pair')}, {self.n_removed:,} removed "
            f"({lost} without a positive left); the reasons stand in removed.jsonl"
        )


def write_cleaned(data: TrainingData, check: DataCheck, folder: str | os.PathLike[str]) -> Cleaned:
    """Write a copy of training data without leaks, repeats, contradictions and unusable texts.

    Never changes the original, and never masks or edits a text: personal data, long texts and
    near-duplicate passages stay, and stand in the report.

    Parameters
    ----------
    data : TrainingData
        Read from a file of lines or a BEIR folder.
    check : DataCheck
        What :func:`check_data` found in it.
    folder : path
        A new folder, which appears when all of it is written. Lines keep their further fields, and
        a packed file stays packed; of a BEIR folder the judgements are cleaned, and corpus and
        queries are copied as they are.

    Returns
    -------
    Cleaned
        Its log, ``removed.jsonl``, has query, passage, whether it was a positive, the kind of
        finding and its detail for each pair.

    Raises
    ------
    OutputError
        If the folder exists already or cannot be written.
    DataError
        If the data was not read from a path, or nothing would be left.
    """
    if data.path is None:
        msg = "the training data has no file to copy. Pass the path to TrainingData.of."
        raise DataError(msg)
    removed = _removed(data, check)
    positives = {
        pair.query
        for place, pair in enumerate(data.pairs)
        if pair.relevant and place not in removed
    }
    if not positives:
        msg = "no query would keep a positive, so no copy is written. Look at the findings first."
        raise DataError(msg)
    lost = {pair.query for pair in data.pairs} - positives
    for place, pair in enumerate(data.pairs):
        if pair.query in lost:
            removed.setdefault(place, ("no positive left", ""))
    target = Path(folder).expanduser()
    with _new_folder(target) as aside:
        if data.path.is_dir():
            _write_folder(data, set(removed), aside)
        else:
            _write_lines(data, set(removed), aside)
        _write_log(data, removed, aside)
    return Cleaned(target, len(data.pairs) - len(removed), len(removed), len(lost))


@contextlib.contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """Yield a folder beside ``target`` that takes its name when the block ends well.

    Only a name that nothing has is taken, so that no copy can replace its original, be it by a
    link.
    """
    if os.path.lexists(target):
        msg = f"{target} exists already. Name a new folder: nothing is ever written over."
        raise OutputError(msg)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        aside.mkdir(parents=True)
        yield aside
        for file in [one for one in aside.rglob("*") if one.is_file()]:
            with file.open("rb+") as written:
                os.fsync(written.fileno())
        # Where somebody made a folder meanwhile, it is left as it is if anything is in it.
        aside.rename(target)
    except OutputError:
        raise
    except OSError as error:
        msg = f"{target} cannot be written: {error.strerror or error}. Name another new folder."
        raise OutputError(msg) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write_log(data: TrainingData, removed: dict[int, tuple[str, str]], target: Path) -> None:
    with atomic_writer(target / "removed.jsonl") as file:
        for place, (kind, detail) in sorted(removed.items()):
            pair = data.pairs[place]
            entry = {
                "query": data.query_ids[pair.query],
                "passage": data.passage_ids[pair.passage],
                "positive": pair.relevant,
                "because": kind,
                "detail": detail,
            }
            file.write(json.dumps(entry).encode() + b"\n")


def _removed(data: TrainingData, check: DataCheck) -> dict[int, tuple[str, str]]:
    """Return the places of the pairs to leave out, with the first reason for each."""
    by_pair: dict[tuple[str, str], tuple[str, str]] = {}
    by_text: dict[str, tuple[str, str]] = {}
    for finding in check.findings:
        reason = (finding.kind, finding.detail)
        for identifier in _whole(finding):
            by_text.setdefault(identifier, reason)
        if finding.kind in _OF_PAIRS:
            by_pair.setdefault((finding.ids[0], finding.ids[1]), reason)
    removed: dict[int, tuple[str, str]] = {}
    for place, pair in enumerate(data.pairs):
        query, passage = data.query_ids[pair.query], data.passage_ids[pair.passage]
        why = by_text.get(f"q:{query}") or by_text.get(f"p:{passage}")
        why = why or by_pair.get((query, passage))
        if why is not None:
            removed[place] = why
    return removed


def _whole(finding: Finding) -> Iterator[str]:
    if finding.kind == "leaked query":
        yield from (f"q:{identifier}" for identifier in finding.ids[1:])
    elif finding.kind in ("empty query", "empty passage", "broken query", "broken passage"):
        yield f"{finding.kind.split()[1][0]}:{finding.ids[0]}"


def _write_folder(data: TrainingData, removed: set[int], target: Path) -> None:
    source, split = data.path, data.split
    if source is None or split is None:
        msg = "the training data has no folder to copy. Pass the path to TrainingData.of."
        raise DataError(msg)
    for file in sorted(source.glob("corpus.jsonl*")) + sorted(source.glob("queries.jsonl*")):
        shutil.copyfile(file, target / file.name)
    found = sorted(source.glob(f"qrels/{split}.tsv*"))
    if not found:
        msg = f"{source / 'qrels'} no longer holds {split}.tsv. Check the data again."
        raise DataError(msg)
    judgements = Qrels.read(found[0])
    kept: dict[str, dict[str, int]] = {}
    for place, pair in enumerate(data.pairs):
        if place not in removed:
            query, passage = data.query_ids[pair.query], data.passage_ids[pair.passage]
            kept.setdefault(query, {})[passage] = judgements[query][passage]
    (target / "qrels").mkdir()
    Qrels(kept).write(target / "qrels" / f"{split}.tsv")


def _write_lines(data: TrainingData, removed: set[int], target: Path) -> None:
    path = data.path
    if path is None:
        msg = "the training data has no file to copy. Pass the path to TrainingData.of."
        raise DataError(msg)
    left: dict[int, list[bool]] = {}
    for place, pair in enumerate(data.pairs):
        left.setdefault(pair.query, []).append(place not in removed)
    # In the form of the original: a packed one is packed again, with no time in it.
    with atomic_writer(target / path.name) as file:
        packed = path.name.endswith(".gz")
        copy = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if packed else file
        for kept, line in _with_lines(left, path):
            if all(kept):
                copy.write(line if line.endswith(b"\n") else line + b"\n")
            elif any(kept):
                row = json.loads(line.decode("utf-8-sig"))
                copy.write(json.dumps(_shortened(row, kept)).encode() + b"\n")
        if packed:
            copy.close()


def _with_lines(left: dict[int, list[bool]], path: Path) -> Iterator[tuple[list[bool], bytes]]:
    """Yield what stays of each line, and the line."""
    for kept, numbered in zip_longest(left.values(), lines_of(path)):
        if kept is None or numbered is None:
            msg = f"{path} has other lines than when it was checked. Check it again."
            raise DataError(msg)
        yield kept, numbered[1]


def _shortened(row: dict[str, Any], kept: list[bool]) -> dict[str, Any]:
    at = 0
    made = dict(row)
    for names in (POSITIVE_FIELDS, NEGATIVE_FIELDS):
        name = next((name for name in names if name in row), None)
        if name is None:
            continue
        texts = [row[name]] if isinstance(row[name], str) else row[name]
        left = [text for place, text in enumerate(texts) if kept[at + place]]
        at += len(texts)
        # One text that stays keeps its form; none at all is an empty list.
        made[name] = row[name] if len(left) == len(texts) else left
    if row.get("scores"):
        made["scores"] = [one for one, stays in zip(row["scores"], kept, strict=True) if stays]
    return made
