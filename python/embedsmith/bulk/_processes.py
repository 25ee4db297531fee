"""Embed shards in processes of this machine, each with a model of its own."""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import sys
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from embedsmith.bulk._worker import receive, send
from embedsmith.exceptions import ClusterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith.bulk._runner import Encoded, ModelOrder, Told

__all__ = ["ProcessRunner"]

_log = logging.getLogger(__name__)
_ATTEMPTS = 3
_PROGRAM = "import sys; sys.path[:] = {path!r}; from embedsmith.bulk._worker import main; main()"
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "EMBEDSMITH_NUM_THREADS",
)


class _DiedError(Exception):
    """A process ended without an answer; holds its exit code and number."""


class _Process:
    """One process, and the pipe to it."""

    def __init__(self, order: ModelOrder, threads: int | None) -> None:
        given = {} if threads is None else dict.fromkeys(_THREAD_VARIABLES, str(threads))
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            # Where this process finds packages, the other one has to look, too.
            [sys.executable, "-c", _PROGRAM.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **given},
        )
        try:
            self._send(order)
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        """The system's number of it."""
        return self._process.pid

    def ask(self, number: int, texts: Sequence[str], told: Told) -> Encoded:
        """Return what the model says of the texts; raises what it raises there."""
        self._send(texts)
        pipe: Any = self._process.stdout
        while True:
            try:
                kind, content = receive(pipe)
            except (EOFError, OSError) as error:
                raise _DiedError(self._process.wait(), self.pid) from error
            if kind == "told":
                told(number, *content)
            elif kind == "failed":
                raise content
            else:
                encoded: Encoded = content
                return encoded

    def _send(self, message: Any) -> None:
        pipe: Any = self._process.stdin
        try:
            send(pipe, message)
        except OSError as error:
            raise _DiedError(self._process.wait(), self.pid) from error

    def kill(self) -> None:
        """End it, and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    # What was still to be written has no reader: that is the point.
                    continue


class ProcessRunner:
    """Embeds in ``workers`` processes, each with a shard of its own.

    A shard whose process dies goes to a new one, three times at most.
    """

    def __init__(self, order: ModelOrder, workers: int, threads: int | None, told: Told) -> None:
        self.ahead = workers
        self.n_restarts = 0
        self._order, self._threads, self._told = order, threads, told
        self._jobs: queue.SimpleQueue[tuple[Future[Encoded], int, Sequence[str]] | None] = (
            queue.SimpleQueue()
        )
        self._lock = threading.Lock()
        self._closed = False
        self._processes: dict[int, _Process] = {}
        self._threads_here = [
            threading.Thread(target=self._serve, args=(slot,), daemon=True)
            for slot in range(workers)
        ]
        for thread in self._threads_here:
            thread.start()

    def submit(self, number: int, texts: Sequence[str]) -> Future[Encoded]:
        """Give a shard to the next process that is free."""
        future: Future[Encoded] = Future()
        self._jobs.put((future, number, texts))
        return future

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            self._closed = True
            processes = list(self._processes.values())
        for _ in self._threads_here:
            self._jobs.put(None)
        for process in processes:
            process.kill()
        for thread in self._threads_here:
            thread.join()

    def _serve(self, slot: int) -> None:
        while (job := self._jobs.get()) is not None:
            future, number, texts = job
            try:
                future.set_result(self._embed(slot, number, texts))
            except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
                future.set_exception(error)

    def _embed(self, slot: int, number: int, texts: Sequence[str]) -> Encoded:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._process(slot).ask(number, texts, self._told)
            except _DiedError as error:
                code, pid = error.args
                self._drop(slot)
                with self._lock:
                    if self._closed:
                        raise
                    self.n_restarts += attempt < _ATTEMPTS
                if attempt < _ATTEMPTS:
                    _log.warning(
                        "worker process %s ended (%s) on shard %d; the shard is given to a new one",
                        pid,
                        _ending(code),
                        number,
                    )
            except BaseException:
                # Its answer may still be on the way, and is not the next shard's.
                self._drop(slot)
                raise
        msg = (
            f"the worker of shard {number} ended {_ATTEMPTS} times without an answer "
            f"({_ending(code)}). If memory ran out, use fewer workers or a smaller batch; what is "
            "finished is kept, and the same command goes on from there."
        )
        raise ClusterError(msg)

    def _drop(self, slot: int) -> None:
        """End a process; the next shard of its place gets a new one."""
        with self._lock:
            process = self._processes.pop(slot, None)
        if process is not None:
            process.kill()

    def _process(self, slot: int) -> _Process:
        with self._lock:
            if self._closed:
                raise _DiedError(None, None)
            if slot not in self._processes:
                self._processes[slot] = _Process(self._order, self._threads)
            return self._processes[slot]


def _ending(code: int | None) -> str:
    """Say how a process ended.

    Examples
    --------
    >>> _ending(-9), _ending(1)
    ('signal 9', 'exit code 1')
    """
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
