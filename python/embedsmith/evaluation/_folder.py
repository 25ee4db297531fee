"""The folder that one evaluation is written to."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embedsmith.datasets import Dataset, RerankingSet, Run
from embedsmith.evaluation._labels import canonical_spec, label_specs, run_files
from embedsmith.evaluation._records import within
from embedsmith.exceptions import DataError, OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedsmith._typing import Json
    from embedsmith.datasets import TaskData

__all__ = [
    "QRELS_FILE",
    "RESULT_FILE",
    "SCHEMA",
    "ResultFolder",
    "check_writable",
    "read_result",
    "sha256_of",
]

RESULT_FILE = "result.json"
QRELS_FILE = "qrels.txt"
_FAMILY = "embedsmith.result/"
SCHEMA = f"{_FAMILY}2"
# The earlier one knew retrieval only; what was added since has a default.
_READABLE = (SCHEMA, f"{_FAMILY}1")
_SHOWN = 3


class ResultFolder:
    """A folder with ``result.json``, the judgements, and one TREC run file per model.

    Repeating an evaluation of the same data with the same models replaces its files. Anything
    else that is found there is refused, unless ``force`` is set. A file is the evaluation's own
    if its ``result.json`` names it, with the bytes it has: no other file is ever replaced.

    Parameters
    ----------
    path : path-like
        The folder; made when the result is written.
    force : bool, default False
        Replace another evaluation's files, and write beside others.
    """

    def __init__(self, path: str | Path, *, force: bool = False) -> None:
        self.path = Path(path)
        self._force = force

    def check(self, data: Dataset | TaskData, models: Sequence[str]) -> None:
        """Make sure that a result can be written here, before any work is done.

        Parameters
        ----------
        data : Dataset or TaskData
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
        ranked = data.dataset if isinstance(data, RerankingSet) else data
        if isinstance(ranked, Dataset):
            _check_ids(ranked)
        specs = [canonical_spec(spec) for spec in models]
        # Only what ranks documents writes runs.
        names = run_files(label_specs(specs)) if isinstance(ranked, Dataset) else ()
        self.check_content(data_hash=data.hash, models=specs, run_files=names)

    def check_content(
        self, *, data_hash: str, models: Sequence[str], run_files: Sequence[str]
    ) -> None:
        """Make sure that nothing here would be lost.

        Parameters
        ----------
        data_hash : str
            Identity of the data set that was evaluated.
        models : sequence of str
            Model specs, in order.
        run_files : sequence of str
            What their runs will be called.

        Raises
        ------
        OutputError
            If the folder holds something else than an evaluation of these.
        """
        if not self.path.is_dir():
            return
        earlier = self._earlier()
        if not self._force:
            self._check_same(earlier, data_hash, models)
        for name in (QRELS_FILE, *run_files) if run_files else ():
            place = self.path / name
            if place.exists() and not (earlier and earlier.wrote(place)):
                msg = (
                    f"{place} was not written by an evaluation that {RESULT_FILE} there tells of, "
                    "or was changed since, and would be replaced. Move it away, or choose another "
                    "folder."
                )
                raise OutputError(msg)

    def _check_same(self, earlier: _Earlier | None, data_hash: str, models: Sequence[str]) -> None:
        if earlier is None:
            others = sorted(entry.name for entry in self.path.iterdir())
            if others:
                shown = ", ".join([*others[:_SHOWN], *(["..."] if others[_SHOWN:] else [])])
                msg = (
                    f"{self.path} holds files that are no evaluation ({shown}). Choose an empty "
                    "or a new folder, or write beside them with force=True (--force)."
                )
                raise OutputError(msg)
            return
        if (earlier.data_hash, earlier.models) != (data_hash, tuple(models)):
            msg = (
                f"{self.path} holds another evaluation ({', '.join(earlier.models)} on "
                f"{earlier.data_name}, split {earlier.split}). "
                "Choose another folder (--out), or replace it with force=True (--force)."
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
            msg = (
                f"{self.path} cannot be created: {error.strerror or error}. "
                "Choose another folder (--out)."
            )
            raise OutputError(msg) from error

    def remove_stale(self, *, keep: Sequence[str]) -> None:
        """Remove the runs and judgements that the evaluation here wrote, except those named.

        Parameters
        ----------
        keep : sequence of str
            File names of the new evaluation.
        """
        earlier = self._earlier()
        # Some file systems do not tell upper from lower case.
        kept = {name.casefold() for name in keep}
        for name in earlier.files if earlier else ():
            place = self.path / name
            if name.casefold() not in kept and earlier and earlier.wrote(place):
                place.unlink()

    def _earlier(self) -> _Earlier | None:
        """Return the evaluation that is here; with force, one that cannot be read is none."""
        place = self.path / RESULT_FILE
        if not place.exists():
            return None
        try:
            return _Earlier.read(place)
        except DataError as error:
            if not self._force:
                msg = f"{error} Or replace it with force=True (--force)."
                raise OutputError(msg) from error
            if _is_foreign(place):
                msg = f"{place} is no evaluation's. Move it away, or choose another folder."
                raise OutputError(msg) from error
            return None


@dataclass(frozen=True)
class _Earlier:
    """What a result file says about the folder it lies in."""

    data_hash: str
    data_name: str
    split: str
    models: tuple[str, ...]
    files: Mapping[str, str]

    @classmethod
    def read(cls, place: Path) -> _Earlier:
        content = read_result(place)
        with within(str(place)):
            data, models = content["data"], content["models"]
            # Tasks without ranked documents write neither runs nor judgements.
            runs = {
                str(model["run_file"]): str(model["run_sha256"])
                for model in models
                if model["run_file"] is not None
            }
            # Anybody may have edited the file: it is not to reach out of its folder, nor to claim
            # what an evaluation never writes.
            runs = {
                name: digest
                for name, digest in runs.items()
                if name.endswith(".run") and Path(name).name == name
            }
            if content.get("qrels", ()) is not None:
                runs[QRELS_FILE] = str(content["qrels_sha256"])
            return cls(
                data_hash=str(data["hash"]),
                data_name=str(data["name"]),
                split=str(data["split"]),
                models=tuple(str(model["spec"]) for model in models),
                files=runs,
            )

    def wrote(self, place: Path) -> bool:
        """Tell whether a file of the folder has the very bytes that the evaluation wrote."""
        return (
            place.name in self.files
            and place.is_file()
            and sha256_of(place) == self.files[place.name]
        )


def _is_foreign(place: Path) -> bool:
    """Tell whether a result file that cannot be read is another program's, rather than damaged."""
    if not place.is_file():
        return True
    try:
        value = json.loads(place.read_bytes())
    except ValueError:
        return False
    schema = value.get("schema") if isinstance(value, dict) else None
    return not str(schema).startswith(_FAMILY)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_result(path: Path) -> Json:
    """Return the content of a result file that this version reads.

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
            "Name the folder that save() or 'embedsmith eval --out' wrote."
        )
        raise DataError(msg) from error
    except ValueError as error:
        msg = f"{place} is not JSON ({error}). Evaluate again, with force=True (--force)."
        raise DataError(msg) from error
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema not in _READABLE:
        msg = (
            f"{place} has the schema {schema!r}; this version reads {' and '.join(_READABLE)}. "
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
        msg = f"{folder} cannot be a folder: {place} is a file. Choose another folder (--out)."
        raise OutputError(msg)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        fix = "Change its rights, or choose" if isinstance(error, PermissionError) else "Choose"
        msg = (
            f"{folder} cannot be written: no file can be made in {place} "
            f"({error.strerror or error}). {fix} another folder (--out)."
        )
        raise OutputError(msg) from error


def _check_ids(data: Dataset) -> None:
    """Write a run of all ids once, where nobody looks: the writer knows what it refuses."""
    n_queries = len(data.queries)
    probe = Run.from_topk(
        np.zeros((n_queries, 1), dtype=np.float32),
        np.zeros((n_queries, 1), dtype=np.int64),
        data.queries.ids,
        # Of passages, the run names the documents.
        tuple(dict.fromkeys(data.corpus.judged_ids)),
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "probe.run"
        try:
            probe.write(place)
        except DataError as error:
            # The file that could not be written is none that anybody knows.
            reason = str(error).removeprefix(f"{place} was not written: ")
            msg = f"{data.name}: {reason} Or evaluate without writing a folder (--out)."
            raise DataError(msg) from error
