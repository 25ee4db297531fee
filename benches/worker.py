"""One engine in a process of its own: it prepares, keeps what it made, and times its own calls.

A process of its own is what some libraries need (their settings are read when they are loaded),
what memory needs (nobody else's arrays are counted), and what fairness needs (no engine's threads
beside another's). Times are taken inside it, so that the pipe costs them nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import psutil
import threadpoolctl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from multiprocessing.connection import Connection

Prepare: TypeAlias = Callable[..., Callable[[], object]]

SAMPLE_S = 0.001
CLOSE_S = 10.0
_RESULT = "result"
_elapsed_s = 0.0


class Memory(NamedTuple):
    """Resident memory of a process around one call, in bytes."""

    before_bytes: int
    peak_bytes: int

    @property
    def call_bytes(self) -> int:
        """What the call needed on top of its inputs, its result included."""
        return max(0, self.peak_bytes - self.before_bytes)


def clock() -> float:
    """Return the seconds that all workers' timed calls took so far.

    The timer of a benchmark that asks a worker: it stands still but for what the worker measured.
    """
    return _elapsed_s


class Worker:
    """A process that prepared one engine, and made the first call.

    A fresh interpreter is spawned (not forked: pages shared with the parent would hide what an
    engine allocates), prepares, notes its resident size, makes the call once and notes its peak.
    On Linux the peak is the kernel's high-water mark, reset before the call; elsewhere the parent
    samples the child each millisecond, which can miss a shorter spike.

    Parameters
    ----------
    prepare : callable
        Defined at the top of a module, so that the child can import it. Makes the inputs and the
        engine, and returns the call to measure.
    *args : object
        Its arguments; they are pickled.
    environment : mapping of str to str, optional
        Variables that are set before the child's interpreter starts.

    Attributes
    ----------
    memory : Memory
        Around the first call.
    first_s : float
        Seconds of the first call.
    blas : list of str
        The BLAS libraries of the process, with the processor that each picked its kernels for.
    """

    def __init__(
        self, prepare: Prepare, *args: object, environment: Mapping[str, str] | None = None
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, child = context.Pipe()
        # A daemon ends with this process, whatever ends it.
        self._process = context.Process(target=_child, args=(child, prepare, args), daemon=True)
        with _variables(environment or {}):
            self._process.start()
        child.close()
        try:
            self.memory, self.first_s, self.blas = self._first_call()
        except BaseException:
            self.close()
            raise

    def time(self, loops: int = 1) -> float:
        """Return the seconds of one call, as the mean of ``loops`` calls in a row.

        Parameters
        ----------
        loops : int, default 1
            More than one where a call is too short for the clock.
        """
        global _elapsed_s  # noqa: PLW0603
        seconds: float = self._ask(loops) / loops
        _elapsed_s += seconds
        return seconds

    def result(self) -> Any:
        """Return what the first call returned."""
        return self._ask(_RESULT)

    def close(self) -> None:
        """End the process. Calling twice does no harm."""
        self._pipe.close()
        self._process.join(CLOSE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _first_call(self) -> tuple[Memory, float, list[str]]:
        before, pid = self._receive()
        watched = psutil.Process(pid)
        sampled = before
        self._pipe.send("go")
        while sys.platform != "linux" and not self._pipe.poll(SAMPLE_S):
            sampled = max(sampled, watched.memory_info().rss)
        peak, first_s, blas = self._receive()
        return Memory(before, sampled if peak is None else peak), first_s, blas

    def _ask(self, order: int | str) -> Any:
        self._pipe.send(order)
        return self._receive()

    def _receive(self) -> Any:
        try:
            return self._pipe.recv()
        except EOFError:
            self._process.join()
            msg = (
                f"The process that measures ended with status {self._process.exitcode}; see above."
            )
            raise RuntimeError(msg) from None


@contextlib.contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _child(pipe: Connection, prepare: Prepare, args: tuple[object, ...]) -> None:
    call = prepare(*args)
    _give_back()
    # Let the engine's threads settle before the reading that everything is compared with.
    time.sleep(0.05)
    own = psutil.Process()
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    pipe.send((own.memory_info().rss, own.pid))
    pipe.recv()
    start = time.perf_counter()
    result = call()
    first_s = time.perf_counter() - start
    peak = _high_water_bytes() if sys.platform == "linux" else None
    pipe.send((peak, first_s, _blas()))
    while True:
        try:
            order = pipe.recv()
        except EOFError:
            return
        pipe.send(result if order == _RESULT else _timed(call, order))


def _give_back() -> None:
    """Return freed memory to the system, where the C library can: the call would use it again."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _timed(call: Callable[[], object], loops: int) -> float:
    start = time.perf_counter()
    for _ in repeat(None, loops):
        call()
    return time.perf_counter() - start


def _blas() -> list[str]:
    return sorted(
        f"{pool['internal_api']} {pool['version']} {pool['architecture']}"
        for pool in threadpoolctl.threadpool_info()
        if "architecture" in pool
    )


def _high_water_bytes() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    msg = "/proc/self/status has no VmHWM line: measure memory on a kernel that keeps it."
    raise RuntimeError(msg)
