"""Waiting before a request is sent again, together with all that are in flight."""

from __future__ import annotations

import random
import threading
import time

__all__ = ["Backoff"]

_FIRST_S = 0.5
_LONGEST_S = 60.0


class Backoff:
    """The moment before which no request of an encoder is sent.

    A service that says "too many" means all of them, so one answer holds back the others too.
    """

    def __init__(self) -> None:
        self._until = 0.0
        self._changed = threading.Condition()
        self._closed = False

    def hold(self, seconds: float) -> None:
        """Let nothing be sent for some seconds from now."""
        with self._changed:
            self._until = max(self._until, time.monotonic() + seconds)

    def pass_on(self) -> float:
        """Wait until requests may be sent; return the seconds that took."""
        start = time.monotonic()
        with self._changed:
            while not self._closed and (left := self._until - time.monotonic()) > 0:
                self._changed.wait(left)
        return time.monotonic() - start

    def close(self) -> None:
        """Wake all that wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def open(self) -> None:
        """Let requests wait again."""
        with self._changed:
            self._closed = False

    @staticmethod
    def after(attempt: int) -> float:
        """Return how long to wait after the n-th failure: doubling, with a random part.

        Without it, requests that failed together would come back together.

        Parameters
        ----------
        attempt : int
            From 1.
        """
        longest = min(_LONGEST_S, _FIRST_S * 2.0 ** (attempt - 1))
        return longest * random.uniform(0.75, 1.0)  # noqa: S311 - no secret hangs on it
