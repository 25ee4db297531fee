"""What an evaluation found: frozen, and the same after a trip through its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedsmith._files import atomic_writer
from embedsmith._phrases import counted
from embedsmith._provided import provided
from embedsmith._typing import Task
from embedsmith.datasets import Qrels
from embedsmith.datasets._mark import marked_name
from embedsmith.evaluation._folder import (
    QRELS_FILE,
    RESULT_FILE,
    SCHEMA,
    ResultFolder,
    check_writable,
    read_result,
    sha256_of,
)
from embedsmith.evaluation._json import to_json
from embedsmith.evaluation._labels import run_files
from embedsmith.evaluation._model_result import ModelResult
from embedsmith.evaluation._records import ADDED, read_added, read_key, within
from embedsmith.evaluation._settings import Settings
from embedsmith.evaluation._timing import ModelTiming
from embedsmith.metrics import RunComparison, Verdict

if TYPE_CHECKING:
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
        Of this split. For a task that ranks no documents, ``n_queries`` counts its items (see
        ``unit``), and there are no documents.
    n_unjudged : int
        Queries without a judgement in this split, which were left out.
    n_dropped : int
        Judgements of unknown documents that ``allow_missing`` left out.
    n_blank_documents, n_blank_queries : int
        Texts that are empty or blank; they are embedded like any other.
    n_repeated_documents : int
        Documents with the very text of one before them: no model can tell the two apart.
    n_passages : int or None
        Texts that were searched, if they are passages of the documents; blank and repeated ones
        are then passages too. None: each text is a document.
    unit : str
        What is measured one by one: ``"query"``, ``"pair"``, ``"text"``.
    n_texts, n_labels, n_train : int
        For tasks other than retrieval: distinct texts embedded, labels, and training texts.
    n_synthetic : int
        Queries that a machine wrote; ``title`` says so.
    """

    name: str
    split: str
    hash: str
    n_documents: int
    n_queries: int
    n_judgements: int
    n_unjudged: int
    n_dropped: int
    n_blank_documents: int
    n_blank_queries: int
    n_repeated_documents: int
    n_passages: int | None = field(default=None, metadata=ADDED)
    unit: str = field(default="query", metadata=ADDED)
    n_texts: int = field(default=0, metadata=ADDED)
    n_labels: int = field(default=0, metadata=ADDED)
    n_train: int = field(default=0, metadata=ADDED)
    n_synthetic: int = field(default=0, metadata=ADDED)

    @property
    def title(self) -> str:
        """The name, and whether queries are synthetic: for every title it stands in."""
        return marked_name(self.name, self.n_synthetic, self.n_queries)


@dataclass(frozen=True, eq=False, repr=False)
class EvaluationResult:
    """Models measured on one data set, compared with each other.

    Attributes
    ----------
    data : DataSummary
        The data set.
    settings : Settings
        What was asked; ``settings.command()`` asks it again.
    qrels : Qrels or None
        The judgements; None for a task that has none.
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
    task : str
        ``"retrieval"``, ``"reranking"``, ``"sts"``, ``"pair_classification"``,
        ``"classification"``, ``"clustering"`` or ``"bitext"``.
    gold : tuple
        For a task without judgements, the label or score of each item, in the order of the
        tables' ``query_ids``.
    """

    data: DataSummary
    settings: Settings
    qrels: Qrels | None
    models: tuple[ModelResult, ...]
    comparison: RunComparison | None
    definitions: Mapping[str, str]
    hardware: Mapping[str, object]
    versions: Mapping[str, object]
    timing: Mapping[str, object]
    task: Task = "retrieval"
    gold: tuple[str | float, ...] = ()

    def __repr__(self) -> str:
        unit = self.data.unit
        items = counted(self.data.n_queries, unit)
        models = ", ".join(map(repr, self.models))
        task = "" if self.task == "retrieval" else f"{self.task} on "
        return (
            f"EvaluationResult({task}{self.data.title}, split {self.data.split}, {items}: {models})"
        )

    @property
    def verdict(self) -> str:
        """What to quote: each model's statement, one per line; ``verdicts`` holds the values."""
        return "\n".join(model.statement for model in self.models)

    @property
    def verdicts(self) -> dict[str, Verdict | None]:
        """Each model's verdict by name; None for a lexical model, which cannot be fine-tuned."""
        return {model.name: model.verdict for model in self.models}

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
        known = ", ".join(repr(model.name) for model in self.models)
        msg = f"this result has no model {name!r}. Ask for one of {known}."
        raise KeyError(msg)

    def to_dict(self) -> Json:
        """Return the content of ``result.json``, without the checksums of the other files.

        Returns
        -------
        dict
            Plain values; only ``timing`` differs between two equal runs.
        """
        files = run_files([model.name for model in self.models])
        names = [
            None if model.run is None else file
            for model, file in zip(self.models, files, strict=True)
        ]
        return {
            "schema": SCHEMA,
            "command": self.settings.command(),
            "comparison": self.comparison.to_dict() if self.comparison else None,
            "data": asdict(self.data),
            "gold": list(self.gold),
            "hardware": dict(self.hardware),
            "measures": dict(self.definitions),
            "models": [
                model.to_dict(run_file=name) for model, name in zip(self.models, names, strict=True)
            ],
            "qrels": None
            if self.qrels is None
            else {query: self.qrels[query] for query in self.qrels},
            "settings": self.settings.to_dict(),
            "task": self.task,
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

        Raises
        ------
        DataError
            If a key is missing or damaged; names it.
        """
        timing = read_key(value, "timing", Mapping[str, Any])
        with within("timing"):
            timings = read_key(timing, "models", Mapping[str, Any])
        models = []
        for place, part in enumerate(read_key(value, "models", tuple[Mapping[str, Any], ...])):
            with within(f"models[{place}]"):
                name = read_key(part, "name", str)
                with within("timing"):
                    timed = read_key(timings, name, ModelTiming)
                models.append(ModelResult.from_dict(part, timed))
        judged = read_key(value, "qrels", Mapping[str, Any] | None)
        with within("qrels"):
            qrels = None if judged is None else Qrels(judged)
        comparison = read_key(value, "comparison", Mapping[str, Any] | None)
        with within("comparison"):
            compared = RunComparison.from_dict(comparison) if comparison else None
        return cls(
            data=read_key(value, "data", DataSummary),
            settings=read_key(value, "settings", Settings),
            qrels=qrels,
            models=tuple(models),
            comparison=compared,
            definitions=read_key(value, "measures", Mapping[str, str]),
            hardware=read_key(value, "hardware", Mapping[str, Any]),
            versions=read_key(value, "versions", Mapping[str, Any]),
            timing={name: timing[name] for name in timing if name != "models"},
            task=read_added(value, "task", Task, "retrieval"),
            gold=read_added(value, "gold", tuple[Any, ...], ()),
        )

    def save(self, folder: str | Path, *, force: bool = False) -> Path:
        """Write ``result.json``, and for ranked documents ``qrels.txt`` and a run file per model.

        The judgements and the runs are what trec_eval and ir_measures read, so that anybody can
        measure again: ``ir_measures qrels.txt MODEL.run nDCG@10``. Every file appears whole or
        not at all, ``result.json`` last: it holds the SHA-256 of the runs. Apart from its
        ``timing`` block, equal results give equal bytes.

        Parameters
        ----------
        folder : path-like
            Made if it is not there. An earlier result of the same data and models is replaced.
        force : bool, default False
            Replace another result too, but no file that it did not write.

        Returns
        -------
        Path
            The ``result.json``.

        Raises
        ------
        OutputError
            If the folder cannot be written, would lose a file that no result there wrote, or
            holds something else and ``force`` is not set.
        DataError
            If an id cannot stand in a TREC run file.
        """
        place = ResultFolder(folder, force=force)
        content = self.to_dict()
        written = [entry["run_file"] for entry in content["models"] if entry["run_file"]]
        check_writable(place.path)
        place.check_content(
            data_hash=self.data.hash, models=self.settings.models, run_files=written
        )
        place.prepare()
        for model, entry in zip(self.models, content["models"], strict=True):
            if model.run is None:
                continue
            run_file = place.path / entry["run_file"]
            model.run.write(run_file, tag=run_file.stem)
            entry["run_sha256"] = sha256_of(run_file)
        if self.qrels is not None:
            # Sorted as in the JSON, so that a result which was read back writes the same bytes.
            judged = {
                query: dict(sorted(self.qrels[query].items())) for query in sorted(self.qrels)
            }
            Qrels(judged).write(place.path / QRELS_FILE)
            content["qrels_sha256"] = sha256_of(place.path / QRELS_FILE)
            written.append(QRELS_FILE)
        place.remove_stale(keep=written)
        result = place.path / RESULT_FILE
        with atomic_writer(result) as file:
            file.write(to_json(content).encode("utf-8"))
        return result

    def report(self, path: str | Path, *, format: str | None = None) -> Path:  # noqa: A002
        """Write a report for people: the same as :func:`embedsmith.write_report`.

        Parameters
        ----------
        path : path-like
            The file, such as ``report.html``.
        format : str, optional
            By default as the name ends.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        OutputError
            If the place cannot be written, or the format does not exist.
        MissingDependencyError
            If the extra that the format needs is not installed.
        """
        written: Path = provided("write_report")(self, path, format=format)
        return written

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
            If there is no result, one of another schema, or a damaged one; names file and key.
        """
        place = Path(path)
        content = read_result(place)
        with within(str(place)):
            return cls.from_dict(content)
