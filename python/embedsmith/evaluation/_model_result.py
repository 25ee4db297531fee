"""One model's part of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith.backends import Fingerprint
from embedsmith.datasets import Run
from embedsmith.evaluation._draws import draws_from_text, draws_to_text
from embedsmith.evaluation._encoder_settings import EncoderSettings
from embedsmith.evaluation._ranking import ranked
from embedsmith.evaluation._recall_curve import RecallCurve
from embedsmith.evaluation._records import plain, read_added, read_key, within
from embedsmith.evaluation._slice import Slice
from embedsmith.evaluation._systems import Truncation
from embedsmith.evaluation._variant import Variant
from embedsmith.evaluation._worst_query import WorstQuery
from embedsmith.metrics import MetricTable, Verdict

if TYPE_CHECKING:
    from embedsmith._typing import F64Array, Json
    from embedsmith.evaluation._timing import ModelTiming

__all__ = ["ModelResult"]


@dataclass(frozen=True, eq=False, repr=False)
class ModelResult:
    """One model's part of a result.

    Attributes
    ----------
    name : str
        Short, and unique in the result.
    spec : str
        As ``load_encoder`` takes it, or ``"bm25"``.
    fingerprint : Fingerprint
        Identity of the model.
    dim : int or None
        Width of the embeddings; None for a lexical model.
    encoder : EncoderSettings or None
        Device, batch size, prompts and limit that it ran with; None for a lexical model.
    table : MetricTable
        Measures per query, means, intervals and counts.
    run : Run or None
        Score of each retrieved document, per query; None for a task that ranks no documents.
    depth : int
        Documents kept per query; 0 for such a task.
    truncation : Truncation
        Texts of which the model saw only a part.
    verdict : Verdict or None
        Whether to fine-tune; None for a lexical model, which cannot be.
    statement : str
        The verdict, or the part of a baseline, as one sentence that can be quoted.
    timing : ModelTiming
        Speed and memory.
    slices : tuple of Slice
        Measures per group of queries; empty if no field was asked for.
    curve : RecallCurve or None
        Recall by the number of documents taken.
    variants : tuple of Variant
        Fewer columns or bits, each with its difference to the full model; empty if not asked for.
    worst : tuple of WorstQuery
        The queries that it answered worst, the worst first; empty if not asked for.
    details : dict
        What a task other than retrieval found beside its measures: similarities, thresholds,
        predictions, values per experiment. Plain values, from which the measures can be computed
        again; which there are is said with the task.
    draws : dict of str to ndarray of shape (n_resamples,), float64
        Of each measure over the whole set, its value on every resample of the items, by which two
        models are compared; NaN where a resample leaves it undefined.
    """

    name: str
    spec: str
    fingerprint: Fingerprint
    dim: int | None
    encoder: EncoderSettings | None
    table: MetricTable
    run: Run | None
    depth: int
    truncation: Truncation
    verdict: Verdict | None
    statement: str
    timing: ModelTiming
    slices: tuple[Slice, ...] = ()
    curve: RecallCurve | None = None
    variants: tuple[Variant, ...] = ()
    worst: tuple[WorstQuery, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    draws: Mapping[str, F64Array] = field(default_factory=dict)

    def __repr__(self) -> str:
        means = ", ".join(f"{name} {mean:.4f}" for name, mean in self.table.mean.items())
        return f"ModelResult({self.name}: {means})"

    @property
    def n_empty(self) -> int:
        """Queries for which nothing was retrieved; they score 0."""
        return 0 if self.run is None else int(np.count_nonzero(np.diff(self.run.offsets) == 0))

    def to_dict(self, *, run_file: str | None) -> Json:
        """Return the part, without its timing, as plain values for JSON.

        Parameters
        ----------
        run_file : str or None
            Name of the TREC run file that is written beside it; None if there is no run.

        Returns
        -------
        dict
            Everything but ``timing``. In ``run``, position in a list is the rank.
        """
        return {
            "name": self.name,
            "spec": self.spec,
            "fingerprint": {
                "digest": self.fingerprint.digest,
                "fields": dict(self.fingerprint.fields),
            },
            "dim": self.dim,
            "encoder": asdict(self.encoder) if self.encoder else None,
            "metrics": self.table.to_dict(),
            "run": None if self.run is None else _run_to_dict(self.run, self.depth),
            "run_file": run_file,
            "truncation": self.truncation.to_dict(),
            "verdict": self.verdict.to_dict() if self.verdict else None,
            "statement": self.statement,
            "slices": plain(self.slices),
            "curve": plain(self.curve),
            "variants": plain(self.variants),
            "worst": plain(self.worst),
            "details": dict(self.details),
            "draws": draws_to_text(self.draws),
        }

    @classmethod
    def from_dict(cls, value: Json, timing: ModelTiming) -> ModelResult:
        """Return the part that ``to_dict`` described.

        Parameters
        ----------
        value : dict
            Read from JSON.
        timing : ModelTiming
            Kept apart from it, since it differs from run to run.

        Returns
        -------
        ModelResult
            Equal in every value.

        Raises
        ------
        DataError
            If a key is missing or damaged; names it.
        """
        listed = read_key(value, "run", Mapping[str, Any] | None)
        fingerprint = read_key(value, "fingerprint", Mapping[str, Any])
        with within("run"):
            run, depth = (None, 0) if listed is None else _run_from_dict(listed)
        with within("draws"):
            draws = draws_from_text(read_added(value, "draws", Mapping[str, str], {}))
        with within("metrics"):
            table = MetricTable.from_dict(read_key(value, "metrics", Mapping[str, Any]))
        with within("fingerprint"):
            fingerprint = Fingerprint(read_key(fingerprint, "fields", Mapping[str, Any]))
        return cls(
            name=read_key(value, "name", str),
            spec=read_key(value, "spec", str),
            fingerprint=fingerprint,
            dim=read_key(value, "dim", int | None),
            encoder=read_key(value, "encoder", EncoderSettings | None),
            table=table,
            run=run,
            depth=depth,
            truncation=read_key(value, "truncation", Truncation),
            verdict=read_key(value, "verdict", Verdict | None),
            statement=read_key(value, "statement", str),
            timing=timing,
            slices=read_added(value, "slices", tuple[Slice, ...], ()),
            curve=read_added(value, "curve", RecallCurve | None, None),
            variants=read_added(value, "variants", tuple[Variant, ...], ()),
            worst=read_added(value, "worst", tuple[WorstQuery, ...], ()),
            details=read_added(value, "details", Mapping[str, Any], {}),
            draws=draws,
        )


def _run_to_dict(run: Run, depth: int) -> Json:
    lists = {query: ranked(scores.items()) for query, scores in run.items()}
    return {
        "depth": depth,
        "documents": {query: [name for name, _ in pairs] for query, pairs in lists.items()},
        "scores": {query: [score for _, score in pairs] for query, pairs in lists.items()},
    }


def _run_from_dict(value: Json) -> tuple[Run, int]:
    run = Run(
        {
            query: dict(zip(names, value["scores"][query], strict=True))
            for query, names in value["documents"].items()
        }
    )
    return run, read_key(value, "depth", int)
