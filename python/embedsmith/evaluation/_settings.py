"""What was asked of an evaluation: all that, with the data and the models, decides its numbers."""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any

from embedsmith._typing import Task  # noqa: TC001 - a record's types are read when it is
from embedsmith.evaluation._axes import EXCERPT_CHARS, RESCORE_DEPTH, SMALL_SLICE, WORST
from embedsmith.evaluation._records import ADDED, plain, record

if TYPE_CHECKING:
    from embedsmith._typing import Json

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """Arguments that can change a number in the result.

    Where results and caches live, how many threads work and what is shown is not among them.

    Attributes
    ----------
    data : str
        As it was named: a path as given, or ``"sample:bank"``.
    split : str
        Judgements used.
    models : tuple of str
        Model specs, in order.
    measures : tuple of str
        Canonical names, such as ``nDCG@10``.
    depth : int
        Documents kept per query; 0 for a task that ranks no documents.
    device, batch_size, max_tokens, truncate_dim, query_prompt, document_prompt
        As ``load_encoder`` takes them, for models that were given by their specs; None is the
        model's own. ``ModelResult.encoder`` says how each model ran.
    trust_remote_code : bool
        Whether a model could run code of its own.
    allow_missing : bool
        Whether judgements of unknown documents were dropped instead of refused.
    seed : int
        Of all resampling.
    confidence : float
        Level of the intervals.
    fine_tune_below, keep_above : float
        Thresholds of the verdict.
    task : str
        What the embeddings are measured on.
    columns : tuple of str
        Columns that the file calls otherwise, as ``"sentence1=premise"``.
    candidates : str or None
        The run that a reranking's candidates were read from, if one was named.
    n_experiments, samples_per_label, n_neighbors : int
        As ``evaluate`` takes them for classification and clustering.
    collapse : str or None
        Separator or field by which passages became documents; None also for a mapping, which
        lives in Python only. ``DataSummary.n_passages`` tells that there are passages.
    slices, small_slice, worst, excerpts, excerpt_chars, dims, precisions, rescore_depth
        As ``evaluate`` takes them.
    base_url, dimensions, query_input_type, document_input_type, truncate
        Of services, as ``load_encoder`` and ``ApiOptions`` take them.
    precision : str or None
        What models of sentence-transformers computed in, as ``load_encoder`` takes it.
    """

    data: str
    split: str
    models: tuple[str, ...]
    measures: tuple[str, ...]
    depth: int
    device: str | None = "cpu"
    batch_size: int | None = None
    max_tokens: int | None = None
    truncate_dim: int | None = None
    query_prompt: str | None = None
    document_prompt: str | None = None
    trust_remote_code: bool = False
    allow_missing: bool = False
    seed: int = 0
    confidence: float = 0.95
    fine_tune_below: float = 0.8
    keep_above: float = 0.9
    task: Task = dataclasses.field(default="retrieval", metadata=ADDED)
    columns: tuple[str, ...] = dataclasses.field(default=(), metadata=ADDED)
    candidates: str | None = dataclasses.field(default=None, metadata=ADDED)
    n_experiments: int = dataclasses.field(default=10, metadata=ADDED)
    samples_per_label: int = dataclasses.field(default=8, metadata=ADDED)
    n_neighbors: int = dataclasses.field(default=5, metadata=ADDED)
    collapse: str | None = dataclasses.field(default=None, metadata=ADDED)
    slices: tuple[str, ...] = dataclasses.field(default=(), metadata=ADDED)
    small_slice: int = dataclasses.field(default=SMALL_SLICE, metadata=ADDED)
    worst: int = dataclasses.field(default=WORST, metadata=ADDED)
    excerpts: bool = dataclasses.field(default=True, metadata=ADDED)
    excerpt_chars: int = dataclasses.field(default=EXCERPT_CHARS, metadata=ADDED)
    dims: tuple[int, ...] = dataclasses.field(default=(), metadata=ADDED)
    precisions: tuple[str, ...] = dataclasses.field(default=(), metadata=ADDED)
    rescore_depth: int = dataclasses.field(default=RESCORE_DEPTH, metadata=ADDED)
    base_url: str | None = dataclasses.field(default=None, metadata=ADDED)
    dimensions: int | None = dataclasses.field(default=None, metadata=ADDED)
    query_input_type: str | None = dataclasses.field(default=None, metadata=ADDED)
    document_input_type: str | None = dataclasses.field(default=None, metadata=ADDED)
    truncate: str | None = dataclasses.field(default=None, metadata=ADDED)
    precision: str | None = dataclasses.field(default=None, metadata=ADDED)

    def command(self) -> list[str]:
        """Return the command that repeats the numbers, without the places it reads and writes.

        Examples
        --------
        >>> settings = Settings("sample:bank", "test", ("bm25",), ("nDCG@10",), 100, seed=7)
        >>> " ".join(settings.command()[2:])
        '--data sample:bank --split test --model bm25 --measures nDCG@10 --depth 100 --seed 7'
        """
        words = ["embedsmith", "eval", "--data", self.data, "--split", self.split]
        for model in self.models:
            words += ["--model", model]
        words += ["--measures", ",".join(self.measures)]
        if self.depth:
            words += ["--depth", str(self.depth)]
        for field in fields(self):
            value = getattr(self, field.name)
            # A field with a default is an option, and one left at None was not given.
            if field.default is MISSING or value is None or value == field.default:
                continue
            words += _option(field.name, value)
        return words

    def to_dict(self) -> Json:
        """Return plain values for JSON."""
        return dict(plain(self))

    @classmethod
    def from_dict(cls, value: Json) -> Settings:
        """Return the settings that ``to_dict`` wrote.

        Parameters
        ----------
        value : dict
            Read from JSON.

        Returns
        -------
        Settings
            Equal to the one written.
        """
        return record(cls, value)


def _option(name: str, value: Any) -> list[str]:
    """Return an option of the command line as it is typed."""
    option = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return [option if value else option.replace("--", "--no-", 1)]
    if name == "slices":
        # A field's name may hold a comma.
        return [word for field in value for word in ("--slice", field)]
    if name == "columns":
        return [word for pair in value for word in ("--column", pair)]
    if isinstance(value, tuple):
        return [option, ",".join(map(str, value))]
    return [option, str(value)]
