"""How far a check is."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["StageProgress", "Stages"]

StageProgress: TypeAlias = "Callable[[str, int, int], object]"


class Stages:
    """Hands progress of one stage after the other to one callable.

    Parameters
    ----------
    report : callable or None
        Called as ``report(stage, done, total)``.
    """

    def __init__(self, report: StageProgress | None) -> None:
        self._report = report

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Announce a stage; yields what is called with the number done."""
        report = self._report
        if report is None:
            yield lambda _: None
            return
        report(name, 0, total)
        yield lambda done: _call(report, name, done, total)

    def pairs(self, name: str) -> Callable[[int, int], object] | None:
        """Return a callable of (done, total) for a search, or None if nobody listens."""
        report = self._report
        if report is None:
            return None
        return lambda done, total: report(name, done, total)


def _call(report: StageProgress, name: str, done: int, total: int) -> None:
    report(name, done, total)
