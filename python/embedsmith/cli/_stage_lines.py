"""Progress of work in stages on stderr, for terminals, logs and pipes alike."""

from __future__ import annotations

import sys
import time

__all__ = ["StageLines"]

_LINE_EVERY_S = 10.0


class StageLines:
    """Writes a line every ten seconds: work that is done sooner is not spoken of.

    Called as ``lines(stage, done, total)``.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._spoken = time.monotonic()

    def note(self, text: str) -> None:
        """Say one thing."""
        if not self._quiet:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show how far it is."""
        now = time.monotonic()
        if now - self._spoken >= _LINE_EVERY_S:
            self._spoken = now
            self.note(f"{stage}: {done:,} of {total:,}")
