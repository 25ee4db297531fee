"""Reading the labelled set of any task: which files, which columns."""

from __future__ import annotations

import difflib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar, get_args

from embedsmith._typing import Task
from embedsmith.datasets._dataset import Dataset
from embedsmith.datasets._labelled_texts import LabelledTexts, TextClusters
from embedsmith.datasets._load import load_dataset
from embedsmith.datasets._paths import existing, listing
from embedsmith.datasets._reranking import RerankingSet
from embedsmith.datasets._rows import ENDINGS
from embedsmith.datasets._task_data import TaskData
from embedsmith.datasets._text_pairs import LabelledPairs, ParallelTexts, ScoredPairs
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedsmith.datasets._passages import Collapse

__all__ = ["AnyTaskData", "check_same_task", "check_task", "load_task"]

AnyTaskData: TypeAlias = (
    Dataset
    | RerankingSet
    | ScoredPairs
    | LabelledPairs
    | LabelledTexts
    | TextClusters
    | ParallelTexts
)

T = TypeVar("T", bound=TaskData)

_TRAIN = "train"
_CANDIDATES = ("candidates", "bm25")


def load_task(
    path: str | os.PathLike[str],
    task: Task,
    *,
    split: str = "test",
    columns: Mapping[str, str] | None = None,
    allow_missing: bool = False,
    collapse: Collapse | None = None,
    candidates: str | os.PathLike[str] | None = None,
) -> AnyTaskData:
    r"""Read the labelled set of a task.

    Each task reads one kind of row:

    =======================  ==========================================================
    task                     columns
    =======================  ==========================================================
    ``retrieval``            as :func:`load_dataset`
    ``reranking``            ``query``, ``positive`` and perhaps ``negative``, a string or a list
                             each; or a BEIR folder with a run of candidates
    ``sts``                  ``sentence1``, ``sentence2``, ``score`` (a number)
    ``pair_classification``  ``sentence1``, ``sentence2``, ``label`` (1 or 0, true or false)
    ``classification``       ``text``, ``label`` (a string or whole number), in two files
    ``clustering``           ``text``, ``label``
    ``bitext``               ``source``, ``target``
    =======================  ==========================================================

    The candidates of a BEIR folder are read from ``candidates`` or from the folder's file
    ``candidates/SPLIT`` (or ``bm25/SPLIT``), in any format of :meth:`Run.read`.

    A path is a file, or a folder with a file per split: ``test.jsonl``, ``train.csv``.
    Classification reads two, ``train`` and the split, and so needs the folder. The ending tells
    the format: ``.jsonl`` (one object per line), ``.csv`` (with a header, quoted as spreadsheets
    do), ``.tsv`` (with a header, quotes are characters), each perhaps with ``.gz``, or
    ``.parquet``. Texts are UTF-8. Other columns are not read; nothing is skipped but blank lines.

    Parameters
    ----------
    path : path
        The file or folder.
    task : str
        One of the tasks above.
    split : str, default "test"
        Which file of a folder; for a single file, only a name.
    columns : mapping of str to str, optional
        What the file calls a column: ``{"sentence1": "premise"}``.
    allow_missing : bool, default False
        For retrieval, as in :func:`load_dataset`.
    collapse : str, mapping or callable, optional
        Likewise.

    candidates : path, optional
        For reranking: the run that lists each query's documents.

    Returns
    -------
    Dataset, RerankingSet, ScoredPairs, LabelledPairs, LabelledTexts, TextClusters or ParallelTexts
        What :func:`evaluate` takes.

    Raises
    ------
    ParseError
        If a file is not of its format; names file and line.
    DataError
        If a file or column is missing, a value is not what its column holds, or the labels make
        no task: one class only, equal scores, a test label that was never trained.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "pairs.csv"
    ...     _ = file.write_text("sentence1,sentence2,score\na,a,5\na,b,2\na,c,0\n")
    ...     load_task(file, "sts")
    ScoredPairs('pairs', split 'test', 3 pairs)
    """
    check_task(task)
    if task == "retrieval":
        if candidates is not None:
            msg = "candidates are for reranking, and the task is retrieval. Leave it out."
            raise DataError(msg)
        if columns:
            msg = "columns renames no part of a retrieval set. Leave it out."
            raise DataError(msg)
        return load_dataset(path, split=split, allow_missing=allow_missing, collapse=collapse)
    place = existing(path)
    if task == "reranking":
        data = _reranking(place, split, columns, candidates, allow_missing=allow_missing)
        return _named(data, place, path, split, columns)
    if candidates is not None:
        msg = f"candidates are for reranking, and the task is {task}. Leave it out."
        raise DataError(msg)
    if task == "classification":
        if not place.is_dir():
            msg = (
                f"{place} is one file, but classification trains on one and tests on another. "
                f"Name the folder that holds both, as train.jsonl and {split}.jsonl: "
                f"{place.parent}."
            )
            raise DataError(msg)
        texts = LabelledTexts._read(  # noqa: SLF001 - of this package
            _split_file(place, _TRAIN), _split_file(place, split), columns
        )
        return _named(texts, place, path, split, columns)
    kinds = (ScoredPairs, LabelledPairs, TextClusters, ParallelTexts)
    kind = next(kind for kind in kinds if kind.task == task)
    file = _split_file(place, split) if place.is_dir() else place
    read = kind._read(file, columns)  # noqa: SLF001 - of this package
    return _named(read, place, path, split, columns)


def _reranking(
    place: Path,
    split: str,
    columns: Mapping[str, str] | None,
    candidates: str | os.PathLike[str] | None,
    *,
    allow_missing: bool,
) -> RerankingSet:
    if not place.is_dir() or _has_split(place, split):
        if candidates is not None:
            msg = f"{place} lists its own candidates, query by query. Leave candidates out."
            raise DataError(msg)
        file = _split_file(place, split) if place.is_dir() else place
        return RerankingSet._read(file, split, columns)  # noqa: SLF001 - of this package
    if columns:
        msg = f"columns renames no part of the BEIR folder {place}. Leave it out."
        raise DataError(msg)
    dataset = load_dataset(place, split=split, allow_missing=allow_missing)
    run = existing(candidates) if candidates is not None else _candidates_file(place, split)
    named = None if candidates is None else os.fspath(candidates)
    found = RerankingSet._from_run(dataset, run)  # noqa: SLF001 - of this package
    return replace(found, candidates_path=named)


def _has_split(folder: Path, split: str) -> bool:
    return Path(split).name == split and any(
        (folder / f"{split}{ending}").is_file() for ending in ENDINGS
    )


def _candidates_file(folder: Path, split: str) -> Path:
    for name in _CANDIDATES:
        inner = folder / name
        if inner.is_dir() and Path(split).name == split:
            found = sorted(f for f in inner.iterdir() if f.name.split(".", 1)[0] == split)
            if len(found) > 1:
                names = " and ".join(file.name for file in found)
                msg = f"{inner} holds {names}, and they may differ. Name one: candidates=PATH."
                raise DataError(msg)
            if found:
                return found[0]
    msg = (
        f"{folder} lists no candidates: looked for candidates/{split}.run or .tsv. Put a run of "
        "the first search there, or name it: candidates=PATH (--candidates PATH)."
    )
    raise DataError(msg)


def check_task(task: str) -> None:
    """Refuse an unknown task, with the nearest name.

    Raises
    ------
    DataError
        With all names.
    """
    names = get_args(Task)
    if task not in names:
        near = difflib.get_close_matches(str(task), names, n=1)
        hint = f"did you mean {near[0]!r}? There" if near else "there"
        msg = f"task={task!r} is unknown; {hint} are {', '.join(names)}."
        raise DataError(msg)


def check_same_task(data: AnyTaskData | TaskData, task: str | None) -> None:
    """Refuse a task that is not the one the data is for.

    Raises
    ------
    DataError
        With both.
    """
    own = "retrieval" if isinstance(data, Dataset) else data.task
    if task is not None and task != own:
        check_task(task)
        msg = (
            f"task={task!r}, but {type(data).__name__} is for the task {own!r}. Leave task out, "
            "or build the data set that this task reads; load_task says which."
        )
        raise DataError(msg)


def _named(
    data: T,
    place: Path,
    path: str | os.PathLike[str],
    split: str,
    columns: Mapping[str, str] | None,
) -> T:
    name = place.resolve().name
    if not place.is_dir():
        for ending in ENDINGS:
            name = name.removesuffix(ending)
    renamed = tuple(f"{column}={own}" for column, own in (columns or {}).items())
    return replace(
        data, name=name, split=split, path=place, source=os.fspath(path), columns=renamed
    )


def _split_file(folder: Path, split: str) -> Path:
    """Return the one file of a split."""
    # A split names a file of the folder, never a path out of it.
    sound = Path(split).name == split
    found = [place for end in ENDINGS if sound and (place := folder / f"{split}{end}").is_file()]
    if len(found) > 1:
        names = " and ".join(place.name for place in found)
        msg = f"{folder} holds {names}, and they may differ. Remove one of them."
        raise DataError(msg)
    if found:
        return found[0]
    splits = sorted(
        {
            file.name.removesuffix(ending)
            for file in folder.iterdir()
            for ending in ENDINGS
            if file.name.endswith(ending)
        }
    )
    if not splits:
        msg = (
            f"{folder} holds no file {split}.jsonl, .csv, .tsv or .parquet; it holds "
            f"{listing(folder)}. Put the rows there, or name the file."
        )
        raise DataError(msg)
    near = (difflib.get_close_matches(split, splits, n=1) or splits[:1])[0]
    msg = (
        f"{folder} has no split {split!r}; it has {', '.join(splits)}. "
        f"Name one of them: split={near!r} (--split {near}), or rename the file."
    )
    raise DataError(msg)
