"""What is said about a model in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedsmith._phrases import counted
from embedsmith.metrics import MetricTable, Verdict, decide

if TYPE_CHECKING:
    from embedsmith.backends import Fingerprint
    from embedsmith.datasets import Dataset

__all__ = ["VERDICT_MEASURE", "Judge"]

# What a retrieval-augmented system lives on: was the passage among those that were handed over?
VERDICT_MEASURE = "R@10"


@dataclass(frozen=True)
class Judge:
    """The rule by which models are told to be kept or fine-tuned.

    Attributes
    ----------
    confidence : float
        Level of the interval that decides.
    fine_tune_below, keep_above : float
        Thresholds on Recall@10.
    seed : int
        Of the interval.
    threads : int or None
        Of the resampling.

    Raises
    ------
    MeasureError
        If thresholds or level contradict each other; said before anything is embedded.
    """

    confidence: float
    fine_tune_below: float
    keep_above: float
    seed: int
    threads: int | None

    def __post_init__(self) -> None:
        # The rule is the judge's own: asking it about a single query costs nothing.
        self._decide([0.5])

    def _decide(self, values: MetricTable | list[float]) -> Verdict:
        return decide(
            values,
            measure=VERDICT_MEASURE,
            fine_tune_below=self.fine_tune_below,
            keep_above=self.keep_above,
            confidence=self.confidence,
            seed=self.seed,
            threads=self.threads,
        )

    def judge(
        self, name: str, fingerprint: Fingerprint, data: Dataset, table: MetricTable
    ) -> tuple[Verdict, str]:
        """Return the verdict on an encoder, and the sentence that carries it."""
        verdict = self._decide(table)
        return verdict, f"{_subject(name, fingerprint, data)}: {verdict.sentence}"

    def describe(
        self, name: str, fingerprint: Fingerprint, data: Dataset, table: MetricTable
    ) -> str:
        """Return the sentence on a baseline, which no training can change."""
        seen = self._decide(table)
        low, high = seen.ci
        return (
            f"{_subject(name, fingerprint, data)}: BASELINE: mean {seen.measure} is "
            f"{seen.mean:.3f} over {counted(seen.n_queries, 'labelled query', 'labelled queries')} "
            f"({100 * seen.confidence:g} % interval {low:.3f} to {high:.3f})."
        )


def _subject(name: str, fingerprint: Fingerprint, data: Dataset) -> str:
    return f"{name} (fingerprint {fingerprint.short}) on {data.title}, split {data.split}"
