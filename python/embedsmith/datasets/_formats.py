"""Formats of judgements and results, told by content when read and by name when written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    import os

__all__ = ["QrelsFormat", "RunFormat", "is_parquet", "qrels_format", "run_format"]

RunFormat: TypeAlias = Literal["trec", "json", "jsonl", "csv", "tsv", "parquet"]
QrelsFormat: TypeAlias = Literal["trec", "beir", "json", "jsonl", "csv", "tsv", "parquet"]

_PACKED = (".gz", ".zst")
_RUN_ENDINGS: dict[str, RunFormat] = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_QRELS_ENDINGS: dict[str, QrelsFormat] = {**_RUN_ENDINGS, ".tsv": "beir"}


def is_parquet(path: Path) -> bool:
    """Return whether a file starts as parquet does; a pipe is left unread."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def run_format(path: str | os.PathLike[str], format: str | None) -> RunFormat:  # noqa: A002
    """Return ``format`` if it is one, else what the name says, else TREC's.

    Examples
    --------
    >>> run_format("a.run", None), run_format("a.json.zst", None), run_format("a.tsv", None)
    ('trec', 'json', 'tsv')
    """
    known: tuple[RunFormat, ...] = get_args(RunFormat)
    chosen = _chosen(format, known)
    return chosen or _RUN_ENDINGS.get(_ending(path), "trec")


def qrels_format(path: str | os.PathLike[str], format: str | None) -> QrelsFormat:  # noqa: A002
    """Return ``format`` if it is one, else what the name says, else TREC's.

    Examples
    --------
    >>> qrels_format("qrels.txt", None), qrels_format("test.tsv.gz", None)
    ('trec', 'beir')
    """
    known: tuple[QrelsFormat, ...] = get_args(QrelsFormat)
    chosen = _chosen(format, known)
    return chosen or _QRELS_ENDINGS.get(_ending(path), "trec")


def _chosen(format: str | None, known: tuple[QrelsFormat, ...]) -> Any:  # noqa: A002
    if format is not None and format not in known:
        listed = ", ".join(map(repr, known[:-1]))
        msg = f"format={format!r} is unknown. Choose {listed} or {known[-1]!r}."
        raise DataError(msg)
    return format


def _ending(path: str | os.PathLike[str]) -> str:
    name = Path(path).name.lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return Path(name).suffix
