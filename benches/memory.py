"""The memory that one call needs, measured in a process of its own."""

from __future__ import annotations

import multiprocessing
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    Prepare = Callable[..., Callable[[], object]]

SAMPLE_S = 0.001


class Memory(NamedTuple):
    """Resident memory of a process around one call, in bytes."""

    before_bytes: int
    peak_bytes: int

    @property
    def call_bytes(self) -> int:
        """What the call needed on top of its inputs, its result included."""
        return max(0, self.peak_bytes - self.before_bytes)


def measure(prepare: Prepare, *args: object) -> Memory:
    """Return the resident memory around one call of ``prepare(*args)()``.

    A fresh interpreter is spawned (not forked: pages shared with the parent would hide what an
    engine allocates), prepares, reports its resident size, makes the call once and reports its
    peak. On Linux the peak is the kernel's high-water mark, reset before the call; elsewhere the
    parent samples the child each millisecond, which can miss a shorter spike.

    Parameters
    ----------
    prepare : callable
        Defined at the top of a module, so that the child can import it. Makes the inputs and the
        engine, and returns the call to measure.
    *args : object
        Its arguments; they are pickled.

    Returns
    -------
    Memory
        Resident bytes before the call, and at its peak.
    """
    context = multiprocessing.get_context("spawn")
    parent, child = context.Pipe()
    process = context.Process(target=_child, args=(child, prepare, args))
    process.start()
    child.close()
    try:
        before, pid = parent.recv()
        watched = psutil.Process(pid)
        sampled = before
        parent.send("go")
        while not parent.poll(SAMPLE_S):
            sampled = max(sampled, watched.memory_info().rss)
        peak = parent.recv()
    except EOFError:
        process.join()
        msg = f"The process that measures memory ended with status {process.exitcode}; see above."
        raise RuntimeError(msg) from None
    process.join()
    return Memory(before, sampled if peak is None else peak)


def _child(pipe: Connection, prepare: Prepare, args: tuple[object, ...]) -> None:
    call = prepare(*args)
    # Let the engine's threads settle before the reading that everything is compared with.
    time.sleep(0.05)
    own = psutil.Process()
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    pipe.send((own.memory_info().rss, own.pid))
    pipe.recv()
    result = call()
    pipe.send(_high_water_bytes() if sys.platform == "linux" else None)
    del result


def _high_water_bytes() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    msg = "/proc/self/status has no VmHWM line: measure memory on a kernel that keeps it."
    raise RuntimeError(msg)
