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
        self._name = ""
        self._texts = self._total = 0
        self._in_tokens = False

    def begin(self, model: str, stage: str, total: int) -> None:
        """Show a bar for the stage."""
        self._name, self._texts, self._total = f"{model}: {stage}", 0, total
        self._in_tokens = False
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
        self._task = self._bar.add_task(self._name, total=total)

    def tokens(self, done: int, left: int) -> None:
        """Move the bar by tokens, from which the time left is estimated better."""
        self._in_tokens = True
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=done + left)

    def advance(self, count: int) -> None:
        """Move the bar."""
        self._texts += count
        if self._bar is not None and self._in_tokens:
            text = f"{self._name}, {self._texts:,} of {self._total:,} texts, tokens"
            self._bar.update(self._task, description=text)
        elif self._bar is not None:
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
        self._tokens: tuple[int, int] | None = None

    def begin(self, model: str, stage: str, total: int) -> None:
        """Print that the stage starts."""
        self._name, self._total, self._done = f"{model}: {stage}", total, 0
        self._since = self._tokens = None
        self._spoken = time.monotonic()
        self.note(f"{self._name}, {self._total:,}")

    def tokens(self, done: int, left: int) -> None:
        """Take note of tokens done and left, for the next line."""
        self._tokens = (done, left)

    def advance(self, count: int) -> None:
        """Print how far it is, at most every ten seconds."""
        self._done += count
        done, left = self._tokens or (self._done, self._total - self._done)
        now = time.monotonic()
        if self._since is None:
            # Until here a model was loaded, or texts were found in the cache: neither is a rate.
            self._since = (now, done)
            return
        start, before = self._since
        if now - self._spoken < _LINE_EVERY_S or self._done == self._total:
            return
        self._spoken = now
        left_s = (now - start) / max(done - before, 1) * left
        minutes, seconds = divmod(round(left_s), 60)
        said = f"{self._name}, {self._done:,} of {self._total:,}"
        if self._tokens is not None:
            said += f", {done:,} tokens, about {left:,} left"
        self.note(f"{said}, about {minutes}:{seconds:02} left")

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
