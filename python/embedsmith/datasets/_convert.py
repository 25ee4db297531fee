"""Runs and judgements from one format to another."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from embedsmith import _core
from embedsmith._phrases import counted
from embedsmith.datasets._check import check_file
from embedsmith.datasets._formats import is_parquet, qrels_format, run_format
from embedsmith.datasets._mark import MANIFEST, SYNTHETIC, is_marked, read_manifest
from embedsmith.datasets._parquet import value_column
from embedsmith.datasets._paths import existing, expanded
from embedsmith.datasets._qrels import Qrels
from embedsmith.datasets._run import Run
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from embedsmith._typing import Json

__all__ = ["Conversion", "convert_file"]


@dataclass(frozen=True)
class Conversion:
    """What was written.

    Attributes
    ----------
    source, target : str
        The two files.
    holds : {"run", "qrels"}
        What they hold.
    format : str
        The format of the new one.
    n_queries, n_entries : int
        What was written.
    lost : tuple of str
        What the old file had and the new one has not, a sentence each.
    """

    source: str
    target: str
    holds: str
    format: str
    n_queries: int
    n_entries: int
    lost: tuple[str, ...]

    def __str__(self) -> str:
        entries = counted(self.n_entries, "result" if self.holds == "run" else "judgement")
        queries = counted(self.n_queries, "query")
        return f"{self.target}: {self.format} {self.holds}, {queries}, {entries}"

    def to_dict(self) -> Json:
        """Return the fields as JSON-ready values.

        Returns
        -------
        dict
            A field for each attribute.
        """
        return {**asdict(self), "lost": list(self.lost)}


def convert_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    holds: Literal["run", "qrels"] | None = None,
    to: str | None = None,
    tag: str | None = None,
) -> Conversion:
    """Write the results or judgements of one file to another.

    Scores and grades keep every bit. The new file appears whole or not at all; an old one of its
    name is replaced.

    Parameters
    ----------
    source : path
        In any format that :meth:`Run.read` or :meth:`Qrels.read` reads.
    target : path
        Its name chooses the format and the packing, as for :meth:`Run.write`.
    holds : {"run", "qrels"}, optional
        What ``source`` holds. By default its first line tells.
    to : str, optional
        The format of ``target``, where its name does not tell.
    tag : str, optional
        Name of a TREC run. By default that of ``source``, else "embedsmith".

    Returns
    -------
    Conversion
        With what was lost, such as queries without results.

    Raises
    ------
    ParseError
        If ``source`` has a fault.
    DataError
        If ``source`` holds something else, or an id that the new format could not give back.
    OutputError
        If the place cannot be written.
    MissingDependencyError
        If parquet is asked for and pyarrow is not installed.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "a.run"
    ...     _ = file.write_text("q1 Q0 d1 1 0.5 bm25")
    ...     done = convert_file(file, pathlib.Path(folder) / "a.json")
    ...     done.format, done.n_entries, done.lost
    ('json', 1, ('the name of the run, "bm25": json has no place for it.',))
    """
    file, place = existing(source), expanded(target)
    kind = holds or _told(file)
    lost = []
    if kind == "run":
        run = Run.read(file)
        chosen: str = run_format(place, to)
        lost += _lost_of_run(run, chosen, tag)
        run.write(place, tag=tag, format=chosen)  # type: ignore[arg-type]
        made: Run | Qrels = run
    else:
        made = Qrels.read(file)
        chosen = qrels_format(place, to)
        if is_marked(read_manifest(file.parent.parent).get(SYNTHETIC)):
            lost.append(
                f"the mark of synthetic queries in {file.parent.parent / MANIFEST}: judgements "
                "alone have no place for it. Keep it beside them."
            )
        made.write(place, format=chosen)
    empty = sum(first == after for first, after in _bounds(made)) if chosen != "json" else 0
    if empty:
        lost.append(f"{counted(empty, 'query', 'queries')} without entries: only JSON keeps them.")
    n_queries = len(made) - empty
    return Conversion(str(file), str(place), kind, chosen, n_queries, made.n_pairs, tuple(lost))


def _told(file: Path) -> str:
    if is_parquet(file):
        return "run" if value_column(file) == "score" else "qrels"
    kind = check_file(file, most=1).holds or "run"
    if kind not in ("run", "qrels"):
        msg = (
            f"{file} holds {kind}, and only runs and judgements are converted. "
            "Name such a file, or say what it holds: holds='run' (--as run)."
        )
        raise DataError(msg)
    return kind


def _lost_of_run(run: Run, to: str, tag: str | None) -> list[str]:
    lists: Any = run._lists  # noqa: SLF001 - of this package
    name, one = lists.tag if isinstance(lists, _core.RunLists) else (None, True)
    if name is None:
        return []
    if to != "trec":
        return [f'the name of the run, "{name}": {to} has no place for it.']
    if not one and tag is None:
        return [f'the names of the run\'s lines differ; all are now "{name}", the last.']
    return []


def _bounds(made: Run | Qrels) -> list[tuple[int, int]]:
    return list(pairwise(made.offsets.tolist()))
