"""Progress of an evaluation on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["BarProgress", "LineProgress", "progress_on_stderr"]

# A log that is read afterwards needs to show that work goes on, not how each batch went.
_LINE_EVERY_S = 10.0


class BarProgress:
    """A progress bar with the estimated time left."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def begin(self, model: str, stage: str, total: int) -> None:
        """Show a bar for the stage."""
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(f"{model}: {stage}", total=total)

    def advance(self, count: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.advance(self._task, count)

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def note(self, text: str) -> None:
        """Print one line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class LineProgress:
    """One line when a stage starts and one every ten seconds, for logs and pipes."""

    def __init__(self) -> None:
        self._name = ""
        self._total = 0
        self._done = 0
        self._spoken = 0.0
        self._since: tuple[float, int] | None = None

    def begin(self, model: str, stage: str, total: int) -> None:
        """Print that the stage starts."""
        self._name, self._total, self._done = f"{model}: {stage}", total, 0
        self._since = None
        self._spoken = time.monotonic()
        self.note(f"{self._name}, {self._total:,}")

    def advance(self, count: int) -> None:
        """Print how far it is, at most every ten seconds."""
        self._done += count
        now = time.monotonic()
        if self._since is None:
            # Until here a model was loaded, or texts were found in the cache: neither is a rate.
            self._since = (now, self._done)
            return
        start, before = self._since
        if now - self._spoken < _LINE_EVERY_S or self._done == self._total:
            return
        self._spoken = now
        left_s = (now - start) / (self._done - before) * (self._total - self._done)
        minutes, seconds = divmod(round(left_s), 60)
        self.note(
            f"{self._name}, {self._done:,} of {self._total:,}, about {minutes}:{seconds:02} left"
        )

    def end(self) -> None:
        """Print nothing: the next line tells."""

    def note(self, text: str) -> None:
        """Print one line."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def progress_on_stderr() -> BarProgress | LineProgress:
    """Return a bar if stderr is a terminal, else lines."""
    console = Console(stderr=True)
    return BarProgress(console) if console.is_terminal else LineProgress()
