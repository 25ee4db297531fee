"""All faults of a file, where readers stop at the first."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from embedsmith import _core
from embedsmith._phrases import counted
from embedsmith.datasets._formats import is_parquet
from embedsmith.datasets._parquet import read_parquet, value_column
from embedsmith.datasets._paths import existing
from embedsmith.exceptions import DataError, ParseError

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from embedsmith._typing import Json

__all__ = ["FileCheck", "FileFault", "Holds", "check_file"]

Holds: TypeAlias = Literal["run", "qrels", "corpus", "queries", "pairs"]

_ENTRIES = {"run": "result", "qrels": "judgement"}
_TEXTS = {"corpus": ("document",), "queries": ("query", "queries"), "pairs": ("query", "queries")}


@dataclass(frozen=True)
class FileFault:
    """One fault of a file.

    Attributes
    ----------
    line, column : int or None
        Line and byte in it, from 1; ``None`` where the format has no lines, or the fault no place.
    found, expected, fix : str
        What stands there, what the format asks for, what to do. Without a place, ``found`` holds
        the whole message.
    message : str
        All of it in one line, path included.
    """

    line: int | None
    column: int | None
    found: str
    expected: str
    fix: str
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class FileCheck:
    """What was found in a file.

    Attributes
    ----------
    path : str
        The file.
    holds : {"run", "qrels", "corpus", "queries", "pairs"} or None
        What it was taken for; ``None`` if it could not be told.
    format : str
        The format, such as "TREC", and how it is packed.
    n_queries, n_entries : int
        Queries and entries (results, judgements), without the faulty lines. For texts, both are
        their number.
    faults : tuple of FileFault
        In the order of the lines.
    complete : bool
        Whether the whole file was read, so that there are no other faults.
    """

    path: str
    holds: str | None
    format: str
    n_queries: int
    n_entries: int
    faults: tuple[FileFault, ...]
    complete: bool

    @property
    def summary(self) -> str:
        """What the file holds, as a phrase."""
        if self.holds in _TEXTS:
            return f"{self.format}, {counted(self.n_entries, *_TEXTS[self.holds])}, no fault"
        entries = counted(self.n_entries, _ENTRIES.get(self.holds or "", "entry"))
        queries = counted(self.n_queries, "query", "queries")
        return f"{self.format} {self.holds}, {queries}, {entries}, no fault"

    def to_dict(self) -> Json:
        """Return the findings as JSON-ready values.

        Returns
        -------
        dict
            A field for each attribute.
        """
        return {**asdict(self), "faults": [asdict(fault) for fault in self.faults]}


def check_file(
    path: str | os.PathLike[str], *, holds: Holds | None = None, most: int = 20
) -> FileCheck:
    """Return the faults of a file of results, judgements, documents, queries or pairs.

    Results and judgements in lines are read to their end; JSON over several lines, texts and
    parquet stop at the first fault. The file is not changed.

    Parameters
    ----------
    path : path
        In any format that :meth:`Run.read`, :meth:`Qrels.read` or :func:`load_dataset` reads.
    holds : {"run", "qrels", "corpus", "queries", "pairs"}, optional
        What the file holds. By default its first line and its name tell.
    most : int, default 20
        Stop after so many faults.

    Returns
    -------
    FileCheck
        With no faults if the file can be used.

    Raises
    ------
    DataError
        If there is no such file, or it cannot be read at all.
    MissingDependencyError
        If the file is parquet and pyarrow is not installed.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "a.run"
    ...     lines = ["q1 Q0 d1 1 0.5 t", "q1 Q0 d2 2 nan t", "q1 Q0 d3"]
    ...     _ = file.write_text(chr(10).join(lines))
    ...     [(fault.line, fault.column, fault.found) for fault in check_file(file).faults]
    [(2, 12, '"nan" as the score'), (3, 1, "three columns, as BEIR's qrels have")]
    """
    file = existing(path)
    if is_parquet(file):
        return _check_parquet(file, holds)
    try:
        kind, name, packing, n_queries, n_entries, found = _core.check_file(file, holds, most)
    except DataError as error:
        if file.is_dir():
            raise
        # An empty file has no line to name.
        fault = FileFault(None, None, str(error), "", "", str(error))
        return FileCheck(str(file), holds, "unknown", 0, 0, (fault,), complete=True)
    faults = tuple(FileFault(*fault) for fault in found)
    shown = f"{name} ({packing})" if packing else name
    complete = len(faults) < most
    return FileCheck(str(file), kind, shown, n_queries, n_entries, faults, complete)


def _check_parquet(file: Path, holds: Holds | None) -> FileCheck:
    try:
        judgements = holds == "qrels" or (holds is None and value_column(file) != "score")
        columns = read_parquet(file, judgements=judgements)
    except (ParseError, DataError) as error:
        fault = FileFault(None, None, str(error), "", "", str(error))
        return FileCheck(str(file), holds, "parquet", 0, 0, (fault,), complete=False)
    kind = "qrels" if judgements else "run"
    n_queries, n_entries = len(columns.query_ids), len(columns.rows)
    return FileCheck(str(file), kind, "parquet", n_queries, n_entries, (), complete=True)
