"""Timing a model batch by batch, for texts of each length."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from embedsmith._validate import as_count
from embedsmith.evaluation._latency_bucket import LatencyBucket
from embedsmith.exceptions import ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embedsmith._typing import F64Array, I64Array
    from embedsmith.backends import Role

__all__ = [
    "LATENCY_BATCHES",
    "LATENCY_SECONDS",
    "BatchTiming",
    "Spoken",
    "bucket_of",
    "cold_bucket",
    "length_label",
]

LATENCY_BATCHES = (1, 8, 32)
LATENCY_SECONDS = 5.0
_SHORTEST = 16
# More calls make no percentile that is shown more certain than the machine's own noise.
_MOST_CALLS = 100
_MS = 1000.0


@dataclass(frozen=True, eq=False)
class Spoken:
    """Texts of one role, with the tokens that the model sees of each.

    Attributes
    ----------
    role : {"query", "document"}
        What they are embedded as.
    texts : sequence of str
        The texts.
    tokens : ndarray of shape (n_texts,), int64
        Prompt and special tokens included, up to the model's limit.
    """

    role: Role
    texts: Sequence[str]
    tokens: I64Array


@dataclass(frozen=True)
class BatchTiming:
    """Which batches are timed, and for how long in all.

    Attributes
    ----------
    batches : tuple of int
        Texts per batch.
    seconds : float
        Time that one model may take for all of them; one call may go beyond.
    """

    batches: tuple[int, ...] = LATENCY_BATCHES
    seconds: float = LATENCY_SECONDS

    @classmethod
    def of(cls, batches: object, seconds: object) -> BatchTiming:
        """Return what arguments ask for.

        Raises
        ------
        ShapeError
            If a batch has no text, or the time is no number of seconds.
        """
        # A string is refused as what it is, and not letter by letter.
        listed: list[Any] = [batches]
        if isinstance(batches, Iterable) and not isinstance(batches, str):
            listed = list(batches)
        sizes = sorted({as_count("latency_batches", one) for one in listed})
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        limit = float(cast("float", seconds)) if is_number else math.nan
        if not (math.isfinite(limit) and limit >= 0):
            msg = (
                f"latency_seconds is {seconds!r}; pass how many seconds the batches of one model "
                "may be timed for, or 0 to time none."
            )
            raise ShapeError(msg)
        return cls(tuple(sizes), limit)

    @property
    def wanted(self) -> bool:
        """Whether anything is to be timed."""
        return bool(self.batches) and self.seconds > 0

    def measure(
        self,
        embed: Callable[[Sequence[str], Role], object],
        spoken: Sequence[Spoken],
        advance: Callable[[int], None],
    ) -> tuple[tuple[LatencyBucket, ...], int]:
        """Time batches of each size with texts of each length, the quickest first.

        Every combination gets an equal share of the time that is left, after one call that is not
        counted. When the time is over, what is left is left out.

        Parameters
        ----------
        embed : callable
            Embeds one batch.
        spoken : sequence of Spoken
            The texts; each length takes those of the role that has most of them.
        advance : callable
            Told after each combination.

        Returns
        -------
        tuple of LatencyBucket
            By length, then batch size.
        int
            Combinations for which no time was left.
        """
        cells = sorted(
            ((size, length) for length in _lengths(spoken) for size in self.batches),
            key=lambda cell: (cell[0] * cell[1], cell),
        )
        deadline = time.perf_counter() + self.seconds
        timed = []
        for place, (size, length) in enumerate(cells):
            now = time.perf_counter()
            if now >= deadline:
                break
            share = now + (deadline - now) / (len(cells) - place)
            role, texts = _texts(spoken, length)
            seconds = _calls(embed, role, texts, size, share)
            timed.append((length, size, seconds))
            advance(1)
        buckets = tuple(
            _bucket(size, length_label(length), seconds)
            for length, size, seconds in sorted(timed, key=lambda entry: entry[:2])
        )
        return buckets, len(cells) - len(buckets)

    def combinations(self, spoken: Sequence[Spoken]) -> int:
        """Return how many sizes and lengths there are to time."""
        return len(self.batches) * len(_lengths(spoken))


def bucket_of(tokens: int) -> int:
    """Return the upper end of the range that a length falls into: 16, or the next power of 2.

    Examples
    --------
    >>> bucket_of(3), bucket_of(16), bucket_of(17), bucket_of(200)
    (16, 16, 32, 256)
    """
    return max(_SHORTEST, 1 << max(tokens - 1, 0).bit_length())


def length_label(upper: int) -> str:
    """Return a range as it is shown.

    Examples
    --------
    >>> length_label(16), length_label(64)
    ('1-16 tokens', '33-64 tokens')
    """
    return f"{1 if upper == _SHORTEST else upper // 2 + 1}-{upper} tokens"


def cold_bucket(seconds: float, tokens: int) -> LatencyBucket:
    """Return the first call after loading: one short text, once."""
    return _bucket(1, length_label(bucket_of(tokens)), np.array([seconds]), cold=True)


def _bucket(size: int, length: str, seconds: F64Array, *, cold: bool = False) -> LatencyBucket:
    p50, p95, p99 = (float(one) for one in np.percentile(seconds * _MS, [50, 95, 99]))
    return LatencyBucket(size, length, len(seconds), p50, p95, p99, cold=cold)


def _lengths(spoken: Sequence[Spoken]) -> list[int]:
    return sorted({bucket_of(one) for part in spoken for one in np.unique(part.tokens).tolist()})


def _texts(spoken: Sequence[Spoken], length: int) -> tuple[Role, list[str]]:
    lower = 0 if length == _SHORTEST else length // 2
    inside = [
        (part.role, np.flatnonzero((part.tokens > lower) & (part.tokens <= length)), part.texts)
        for part in spoken
    ]
    role, places, texts = max(inside, key=lambda entry: len(entry[1]))
    return role, [texts[int(place)] for place in places]


def _calls(
    embed: Callable[[Sequence[str], Role], object],
    role: Role,
    texts: Sequence[str],
    size: int,
    until: float,
) -> F64Array:
    """Return the seconds of each call until a moment, at least one."""
    # An even spread of the texts; a batch that is larger than their number repeats some.
    spread = np.linspace(0, len(texts) - 1, min(len(texts), size * _MOST_CALLS))
    order = spread.astype(np.int64).tolist()
    batches = [
        [texts[order[(call * size + one) % len(order)]] for one in range(size)]
        for call in range(_MOST_CALLS)
    ]
    embed(batches[0], role)
    seconds = []
    for batch in batches:
        start = time.perf_counter()
        embed(batch, role)
        end = time.perf_counter()
        seconds.append(end - start)
        if end >= until:
            break
    return np.array(seconds, dtype=np.float64)
