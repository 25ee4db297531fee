"""Reports to a caller who wants to see how far a search in parts is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embedsmith._typing import Progress

__all__ = ["Reporter"]

_INTERVAL_S = 0.05


class Reporter:
    """Call ``progress(done, total)`` at most every 50 ms, and once at the end.

    Parameters
    ----------
    progress : callable or None
        The caller's function.
    total : int
        What ``done`` reaches.
    """

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._last_s = time.monotonic()

    def __call__(self, done: int) -> None:
        """Report, unless that was done just now; the end is left to :meth:`finish`."""
        now_s = time.monotonic()
        if self._progress is None or done >= self._total or now_s - self._last_s < _INTERVAL_S:
            return
        self._last_s = now_s
        self._progress(done, self._total)

    def from_row(self, before: int) -> Progress:
        """Return what a search of the part after `before` rows reports to."""
        return lambda done, _: self(before + done)

    def finish(self) -> None:
        """Report the end."""
        if self._progress is not None:
            self._progress(self._total, self._total)
