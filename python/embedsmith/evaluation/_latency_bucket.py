"""Time to embed a batch of texts of similar length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedsmith.evaluation._records import plain, record

if TYPE_CHECKING:
    from embedsmith._typing import Json

__all__ = ["LatencyBucket"]


@dataclass(frozen=True)
class LatencyBucket:
    """Time to embed one batch, of one size and one range of lengths.

    Attributes
    ----------
    batch_size : int
        Texts embedded together.
    length : str
        Which texts: ``"17-32 tokens"``, say, as the model counts them, prompt and special tokens
        included, up to its limit.
    n : int
        Batches timed.
    p50_ms, p95_ms, p99_ms : float
        Percentiles of the time of one batch, in milliseconds, tokenizing included. Of few batches
        the higher ones are near the longest time seen.
    cold : bool
        Whether this is the first call after loading the model, rather than calls after a warm-up.
    """

    batch_size: int
    length: str
    n: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cold: bool

    @property
    def texts_per_s(self) -> float:
        """Texts per second at the median; infinite if the clock saw no time pass."""
        return 1000 * self.batch_size / self.p50_ms if self.p50_ms else float("inf")

    def to_dict(self) -> Json:
        """Return plain values for JSON."""
        return dict(plain(self))

    @classmethod
    def from_dict(cls, value: Json) -> LatencyBucket:
        """Return the bucket that ``to_dict`` wrote.

        Parameters
        ----------
        value : dict
            Read from JSON.

        Returns
        -------
        LatencyBucket
            Equal to the one written.

        Raises
        ------
        DataError
            If a key is missing or damaged; names it.
        """
        return record(cls, value)
