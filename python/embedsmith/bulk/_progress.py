"""How far a run is, in texts and tokens."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from embedsmith.bulk._plan import Plan

__all__ = ["EmbedProgress", "EmbedState", "Meter"]


@dataclass(frozen=True)
class EmbedState:
    """How far a run is.

    Attributes
    ----------
    stage : {"reading", "embedding"}
        The corpus is read once before the first text is embedded, to find its faults and repeats.
    texts : int
        Texts done, or read.
    total : int or None
        Texts of the corpus; None while it is read.
    tokens : int
        Tokens that the model has looked at, or that were cached; of one text of several equal ones.
    left_tokens : int or None
        An estimate from the bytes that are left; None as long as there is none.
    left_s : float or None
        Likewise, in seconds.
    """

    stage: Literal["reading", "embedding"]
    texts: int
    total: int | None
    tokens: int = 0
    left_tokens: int | None = None
    left_s: float | None = None


EmbedProgress: TypeAlias = Callable[[EmbedState], object]


class Meter:
    """Adds up what the shards report, and tells of it."""

    def __init__(self, progress: EmbedProgress | None) -> None:
        self._progress = progress
        self._plan: Plan | None = None
        self._texts = self._total_bytes = self._done_bytes = self._done_tokens = 0
        self._open: dict[int, tuple[int, int]] = {}
        self._since: tuple[float, int] | None = None

    def read(self, texts: int) -> None:
        """Take note of texts that were read."""
        self._tell(EmbedState("reading", texts, None))

    def begin(self, plan: Plan) -> None:
        """Take note of what is to be done."""
        self._plan = plan
        self._total_bytes = sum(shard.work_bytes for shard in plan.shards)
        self._tell(EmbedState("embedding", 0, plan.n_texts))

    def within(self, number: int, texts: int, tokens: int) -> None:
        """Take note of a part of a shard; may come from any thread."""
        self._open[number] = (texts, tokens)
        if self._since is None:
            # Until here a model was loaded, or texts came from a cache: neither is a rate.
            self._since = (time.monotonic(), self._tokens)
            return
        self._report()

    def finished(self, number: int, rows: int) -> None:
        """Take note of a whole shard."""
        if self._plan is None:
            return
        _, tokens = self._open.pop(number, (0, 0))
        self._done_tokens += tokens
        self._done_bytes += self._plan.shards[number].work_bytes
        self._texts += rows
        self._report()

    @property
    def _tokens(self) -> int:
        return self._done_tokens + sum(tokens for _, tokens in list(self._open.values()))

    def _report(self) -> None:
        if self._plan is None:
            return
        tokens = self._tokens
        texts = self._texts + sum(count for count, _ in list(self._open.values()))
        left = self._left_tokens(tokens)
        seconds = None
        if self._since is not None and left is not None:
            start, before = self._since
            if tokens > before:
                seconds = (time.monotonic() - start) / (tokens - before) * left
        total = self._plan.n_texts
        self._tell(EmbedState("embedding", min(texts, total), total, tokens, left, seconds))

    def _left_tokens(self, tokens: int) -> int | None:
        """Estimate the tokens that are left from how many the bytes so far held.

        Of a shard under way, only the share of its texts is known.
        """
        if self._plan is None or not tokens:
            return None
        done = float(self._done_bytes)
        for number, (texts, _) in list(self._open.items()):
            shard = self._plan.shards[number]
            done += shard.work_bytes * min(1.0, texts / max(shard.n_work, 1))
        if not done:
            return None
        return round(max(self._total_bytes - done, 0.0) * tokens / done)

    def _tell(self, state: EmbedState) -> None:
        if self._progress is not None:
            self._progress(state)
