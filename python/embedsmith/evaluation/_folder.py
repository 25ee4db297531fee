"""The folder that one evaluation is written to."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embedsmith.datasets import Dataset, Run
from embedsmith.exceptions import DataError, OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import Json

__all__ = ["QRELS_FILE", "RESULT_FILE", "SCHEMA", "ResultFolder", "check_writable", "read_result"]

RESULT_FILE = "result.json"
QRELS_FILE = "qrels.txt"
SCHEMA = "embedsmith.result/1"
_SHOWN = 3


class ResultFolder:
    """A folder with ``result.json``, the judgements, and one TREC run file per model.

    Repeating an evaluation of the same data with the same models replaces its files. Anything
    else that is found there is refused, unless ``force`` is set.

    Parameters
    ----------
    path : path-like
        The folder; made when the result is written.
    force : bool, default False
        Replace another evaluation's files. Files that no evaluation wrote are never touched.
    """

    def __init__(self, path: str | Path, *, force: bool = False) -> None:
        self.path = Path(path)
        self._force = force

    def check(self, data: Dataset, models: Sequence[str]) -> None:
        """Make sure that a result can be written here, before any work is done.

        Parameters
        ----------
        data : Dataset
            What will be evaluated.
        models : sequence of str
            Model specs, in order.

        Raises
        ------
        OutputError
            If the folder cannot be written, or holds something else.
        DataError
            If an id cannot stand in a TREC run file.
        """
        check_writable(self.path)
        _check_ids(data)
        self.check_content(data_hash=data.hash, models=models)

    def check_content(self, *, data_hash: str, models: Sequence[str]) -> None:
        """Make sure that nothing here would be lost.

        Parameters
        ----------
        data_hash : str
            Identity of the data set that was evaluated.
        models : sequence of str
            Model specs, in order.

        Raises
        ------
        OutputError
            If the folder holds something else than an evaluation of these.
        """
        if self._force or not self.path.is_dir():
            return
        earlier = self._earlier()
        if earlier is None:
            others = sorted(entry.name for entry in self.path.iterdir())
            if others:
                shown = ", ".join([*others[:_SHOWN], *(["..."] if others[_SHOWN:] else [])])
                msg = (
                    f"{self.path} holds files that are no evaluation ({shown}). Choose an empty "
                    "or a new folder, or write beside them with --force."
                )
                raise OutputError(msg)
            return
        specs = [model["spec"] for model in earlier["models"]]
        if earlier["data"]["hash"] != data_hash or specs != list(models):
            msg = (
                f"{self.path} holds another evaluation ({', '.join(specs)} on "
                f"{earlier['data']['name']}, split {earlier['data']['split']}). "
                "Choose another --out, or replace it with --force."
            )
            raise OutputError(msg)

    def prepare(self) -> None:
        """Create the folder.

        Raises
        ------
        OutputError
            If it cannot be created.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"{self.path} cannot be created: {error.strerror or error}. Choose another --out."
            raise OutputError(msg) from error

    def remove_stale(self, *, keep: Sequence[str]) -> None:
        """Remove the run files of the evaluation that was here, except those named.

        Parameters
        ----------
        keep : sequence of str
            File names of the new evaluation.
        """
        earlier = self._earlier()
        for model in earlier["models"] if earlier else ():
            # Only a bare name: a result file from elsewhere must not reach outside its folder.
            name = Path(str(model["run_file"])).name
            if name not in keep:
                (self.path / name).unlink(missing_ok=True)

    def _earlier(self) -> Json | None:
        place = self.path / RESULT_FILE
        if not place.is_file():
            return None
        try:
            return read_result(place)
        except DataError as error:
            if self._force:
                return None
            msg = f"{error} Or replace it with --force."
            raise OutputError(msg) from error


def read_result(path: Path) -> Json:
    """Return the content of a result file of this version.

    Parameters
    ----------
    path : Path
        ``result.json``, or the folder that holds it.

    Returns
    -------
    dict
        As it stands in the file.

    Raises
    ------
    DataError
        If there is none, or it is not one that this version can read.
    """
    place = path / RESULT_FILE if path.is_dir() else path
    try:
        value = json.loads(place.read_text(encoding="utf-8"))
    except OSError as error:
        msg = (
            f"{place} cannot be read: {error.strerror or error}. "
            "Name the folder that 'embedsmith eval --out' wrote."
        )
        raise DataError(msg) from error
    except ValueError as error:
        msg = f"{place} is not JSON ({error}). Write it again with 'embedsmith eval --force'."
        raise DataError(msg) from error
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA:
        msg = (
            f"{place} has the schema {schema!r}; this version reads {SCHEMA!r}. "
            "Run the evaluation again, or read it with the version that wrote it."
        )
        raise DataError(msg)
    return dict(value)


def check_writable(folder: Path) -> None:
    """Make sure that files can be created in a folder, or that the folder can be created.

    Leaves nothing behind: a folder that does not exist is not created.

    Parameters
    ----------
    folder : Path
        The folder to be written later.

    Raises
    ------
    OutputError
        If it cannot be written, with the reason the system gives.
    """
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        msg = f"{folder} cannot be a folder: {place} is a file. Choose another --out."
        raise OutputError(msg)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        msg = (
            f"{folder} cannot be written: {error.strerror or error} (in {place}). "
            "Change its rights, or choose another --out."
        )
        raise OutputError(msg) from error


def _check_ids(data: Dataset) -> None:
    """Write a run of all ids once, where nobody looks: the writer knows what it refuses."""
    n_queries = len(data.queries)
    probe = Run.from_topk(
        np.zeros((n_queries, 1), dtype=np.float32),
        np.zeros((n_queries, 1), dtype=np.int64),
        data.queries.ids,
        data.corpus.ids,
    )
    with tempfile.TemporaryDirectory() as folder:
        probe.write(Path(folder) / "probe.run")
