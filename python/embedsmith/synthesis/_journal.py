"""Answers that were paid for, on the disk before anything else is done with them."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from embedsmith.bulk._lock import only_writer
from embedsmith.exceptions import OutputError, ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from embedsmith._typing import Json

__all__ = ["Journal", "Kept"]

_logger = logging.getLogger(__name__)
_SCHEMA = "embedsmith.answers/1"


@dataclass(frozen=True)
class Kept:
    """An answer.

    Attributes
    ----------
    text : str
        What the model wrote.
    finish : str or None
        Why it ended.
    cost : Decimal or None
        US dollars; None without a price.
    """

    text: str
    finish: str | None
    cost: Decimal | None


class Journal:
    """A file to which lines are only ever added: before a request is sent, and when it is answered.

    An answer is on the disk (fsync) before `answer` returns, so that nothing that was answered is
    asked, and paid for, again. A request that was under way when the process was killed may have
    been answered unheard: it counts as paid, at the most that it can cost, and is asked again.

    Parameters
    ----------
    path : Path or None
        The file; None keeps answers in memory, for this run only.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._answers: dict[str, Kept] = {}
        self._open: dict[str, Decimal] = {}
        self.spent = Decimal(0)
        self.n_lost = 0
        self._file: BinaryIO | None = None
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def opened(self) -> Iterator[Journal]:
        """Hold the file for the block: a second process is refused.

        Raises
        ------
        OutputError
            If it cannot be written, or another process does.
        ParseError
            If it is no journal.
        """
        if self.path is None:
            yield self
            return
        with only_writer(self.path.parent):
            self.read()
            try:
                self._file = self.path.open("ab")
                if not self._file.tell():
                    self._write({"schema": _SCHEMA})
            except OSError as error:
                raise self._unwritable(error) from error
            try:
                yield self
            finally:
                file, self._file = self._file, None
                if file is not None:
                    file.close()

    def read(self, *, mend: bool = True) -> None:
        """Take in what earlier runs wrote; a line that a kill cut off is dropped, and told.

        Parameters
        ----------
        mend : bool, default True
            Cut that line off the file as well.

        Raises
        ------
        ParseError
            If it is no journal, or damaged elsewhere than at its end.
        """
        if self.path is None or not self.path.is_file():
            return
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if mend and len(whole) < len(content):
            _logger.warning("%s: its last line was cut off and is dropped.", self.path)
            with self.path.open("r+b") as file:
                file.truncate(len(whole))
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                self._take(json.loads(line), first=number == 1)
            except (ValueError, KeyError, TypeError, ArithmeticError) as error:
                msg = (
                    f"{self.path}:{number}: this is no line of a journal of answers ({error!r}). "
                    "Name another folder, or take the file away: what it holds is then paid again."
                )
                raise ParseError(msg) from error
        # What was sent and never answered.
        self.n_lost = len(self._open)
        self.spent += sum(self._open.values(), Decimal(0))
        self._open = {}

    def _take(self, line: Json, *, first: bool) -> None:
        if first:
            if line["schema"] != _SCHEMA:
                raise ValueError(line["schema"])
        elif "sent" in line:
            if line["sent"] in self._open:
                # Sent twice without an answer: both may have been billed.
                self.spent += self._open[line["sent"]]
            self._open[line["sent"]] = Decimal(line["most_usd"] or 0)
        elif "unanswered" in line:
            self._open.pop(line["unanswered"], None)
            self.spent += Decimal(line["usd"])
        else:
            cost = None if line["usd"] is None else Decimal(line["usd"])
            self._answers[line["key"]] = Kept(str(line["text"]), line["finish"], cost)
            self._open.pop(line["key"], None)
            self.spent += cost or 0

    def get(self, key: str) -> Kept | None:
        """Return an answer, if there is one."""
        return self._answers.get(key)

    def sending(self, key: str, most: Decimal | None) -> None:
        """Write down that a request is about to be sent, and the most that it can cost."""
        with self._lock:
            # A process that is killed loses nothing that the system has; fsync is for answers.
            self._write(
                {"sent": key, "most_usd": None if most is None else f"{most:f}"}, sync=False
            )

    def answer(self, key: str, kept: Kept, **details: object) -> None:
        """Write down an answer.

        Parameters
        ----------
        key : str
            Hash of the prompt.
        kept : Kept
            The answer.
        **details : object
            Further fields: model, host, tokens.
        """
        usd = None if kept.cost is None else f"{kept.cost:f}"
        line = {"key": key, **details, "text": kept.text, "finish": kept.finish, "usd": usd}
        with self._lock:
            self._write(line)
            self._answers[key] = kept

    def unanswered(self, key: str, cost: Decimal) -> None:
        """Write down that an attempt has no usable answer, and what it may have cost."""
        with self._lock:
            self._write({"unanswered": key, "usd": f"{cost:f}"}, sync=False)

    def _write(self, line: Json, *, sync: bool = True) -> None:
        if self._file is None:
            return
        try:
            # ASCII: a lone surrogate in an answer is no reason to lose it.
            self._file.write(json.dumps(line).encode("ascii") + b"\n")
            self._file.flush()
            if sync:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> OutputError:
        msg = (
            f"{self.path} cannot be written: {error.strerror or error}. Free space there, and run "
            "again: what it holds is not paid again."
        )
        return OutputError(msg)
