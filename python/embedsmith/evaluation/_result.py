"""What an evaluation found: frozen, and the same after a trip through its file."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embedsmith._files import atomic_writer
from embedsmith.datasets import Qrels
from embedsmith.evaluation._folder import (
    QRELS_FILE,
    RESULT_FILE,
    SCHEMA,
    ResultFolder,
    check_writable,
    read_result,
)
from embedsmith.evaluation._json import to_json
from embedsmith.evaluation._labels import file_stems
from embedsmith.evaluation._model_result import ModelResult
from embedsmith.evaluation._settings import Settings
from embedsmith.evaluation._table import model_table
from embedsmith.evaluation._timing import ModelTiming
from embedsmith.metrics import RunComparison

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedsmith._typing import Json

__all__ = ["DataSummary", "EvaluationResult"]


@dataclass(frozen=True)
class DataSummary:
    """The data set of a result: enough to recognise it.

    Attributes
    ----------
    name, split : str
        As the data set calls itself.
    hash : str
        SHA-256 over ids, texts and judgements.
    n_documents, n_queries, n_judgements : int
        Of this split.
    n_unjudged : int
        Queries without a judgement in this split, which were left out.
    n_dropped : int
        Judgements of unknown documents that ``allow_missing`` left out.
    """

    name: str
    split: str
    hash: str
    n_documents: int
    n_queries: int
    n_judgements: int
    n_unjudged: int
    n_dropped: int


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """Models measured on one data set, compared with each other.

    Attributes
    ----------
    data : DataSummary
        The data set.
    settings : Settings
        What was asked; ``settings.command()`` asks it again.
    qrels : Qrels
        The judgements.
    models : tuple of ModelResult
        In the order given.
    comparison : RunComparison or None
        Paired differences of all models; None if there is one model only.
    definitions : dict of str to str
        What each measure means.
    hardware, versions : dict
        Where it was computed, and with what.
    timing : dict
        When, how long, with how many threads: what differs between two equal runs.
    """

    data: DataSummary
    settings: Settings
    qrels: Qrels
    models: tuple[ModelResult, ...]
    comparison: RunComparison | None
    definitions: Mapping[str, str]
    hardware: Mapping[str, object]
    versions: Mapping[str, object]
    timing: Mapping[str, object]

    @property
    def verdict(self) -> str:
        """Each model's statement, one per line."""
        return "\n".join(model.statement for model in self.models)

    def model(self, name: str) -> ModelResult:
        """Return one model's part.

        Parameters
        ----------
        name : str
            As in ``models``.

        Returns
        -------
        ModelResult
            The part.

        Raises
        ------
        KeyError
            If no model has this name; the message lists those there are.
        """
        for model in self.models:
            if model.name == name:
                return model
        known = ", ".join(model.name for model in self.models)
        msg = f"no model {name!r} in this result; it has {known}"
        raise KeyError(msg)

    def table(self, *, width: int = 100) -> str:
        """Return the measures, speeds and sizes of all models as plain text.

        Parameters
        ----------
        width : int, default 100
            Characters per line.

        Returns
        -------
        str
            No newline at the end.
        """
        return model_table(self.models, self.settings.measures, width=width)

    def to_dict(self) -> Json:
        """Return the content of ``result.json``, without the checksums of the run files.

        Returns
        -------
        dict
            Plain values; only ``timing`` differs between two equal runs.
        """
        stems = file_stems([model.name for model in self.models])
        return {
            "schema": SCHEMA,
            "command": self.settings.command(),
            "comparison": self.comparison.to_dict() if self.comparison else None,
            "data": asdict(self.data),
            "hardware": dict(self.hardware),
            "measures": dict(self.definitions),
            "models": [
                model.to_dict(run_file=f"{stem}.run")
                for model, stem in zip(self.models, stems, strict=True)
            ],
            "qrels": {query: self.qrels[query] for query in self.qrels},
            "settings": self.settings.to_dict(),
            "timing": {
                **self.timing,
                "models": {model.name: model.timing.to_dict() for model in self.models},
            },
            "versions": dict(self.versions),
        }

    @classmethod
    def from_dict(cls, value: Json) -> EvaluationResult:
        """Return the result that ``to_dict`` described.

        Parameters
        ----------
        value : dict
            Read from JSON.

        Returns
        -------
        EvaluationResult
            Equal in every value.
        """
        timing = dict(value["timing"])
        timings = timing.pop("models")
        return cls(
            data=DataSummary(**value["data"]),
            settings=Settings.from_dict(value["settings"]),
            qrels=Qrels(value["qrels"]),
            models=tuple(
                ModelResult.from_dict(model, ModelTiming.from_dict(timings[model["name"]]))
                for model in value["models"]
            ),
            comparison=RunComparison.from_dict(value["comparison"])
            if value["comparison"]
            else None,
            definitions=value["measures"],
            hardware=value["hardware"],
            versions=value["versions"],
            timing=timing,
        )

    def save(self, folder: str | Path, *, force: bool = False) -> Path:
        """Write ``result.json``, ``qrels.txt``, and one TREC run file per model.

        The judgements and the runs are what trec_eval and ir_measures read, so that anybody can
        measure again: ``ir_measures qrels.txt MODEL.run nDCG@10``. Every file appears whole or
        not at all, ``result.json`` last: it holds the SHA-256 of the runs. Apart from its
        ``timing`` block, equal results give equal bytes.

        Parameters
        ----------
        folder : path-like
            Made if it is not there. An earlier result of the same data and models is replaced.
        force : bool, default False
            Replace another result too.

        Returns
        -------
        Path
            The ``result.json``.

        Raises
        ------
        OutputError
            If the folder cannot be written, or holds something else and ``force`` is not set.
        DataError
            If an id cannot stand in a TREC run file.
        """
        place = ResultFolder(folder, force=force)
        check_writable(place.path)
        place.check_content(data_hash=self.data.hash, models=self.settings.models)
        place.prepare()
        content = self.to_dict()
        for model, entry in zip(self.models, content["models"], strict=True):
            run_file = place.path / entry["run_file"]
            model.run.write(run_file, tag=run_file.stem)
            entry["run_sha256"] = hashlib.sha256(run_file.read_bytes()).hexdigest()
        self.qrels.write(place.path / QRELS_FILE)
        place.remove_stale(keep=[entry["run_file"] for entry in content["models"]])
        result = place.path / RESULT_FILE
        with atomic_writer(result) as file:
            file.write(to_json(content).encode("utf-8"))
        return result

    @classmethod
    def load(cls, path: str | Path) -> EvaluationResult:
        """Read a result.

        Parameters
        ----------
        path : path-like
            The folder that ``save`` wrote, or its ``result.json``.

        Returns
        -------
        EvaluationResult
            Equal to the one that was saved in every value.

        Raises
        ------
        DataError
            If there is no result, or one of another schema.
        """
        return cls.from_dict(read_result(Path(path)))
