"""Runs checks in processes of their own, which may crash or hang without harm to this one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Ended", "Runner"]

# The parent's search path goes along: a check has to see the packages that the parent sees, and
# "python -m" would put the current folder before them.
_START = """
import importlib, json, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except (ImportError, ValueError, OSError):
    pass
order = json.loads(sys.stdin.read())
sys.path[:] = order["path"]
with open(order["answers"], "a", encoding="utf-8") as file:
    def answer(value):
        file.write(json.dumps(value) + "\\n")
        file.flush()
    importlib.import_module(order["module"]).run(order["arguments"], answer)
"""
# What a killed process may take to end. One that sits in a driver's call may never.
_GRACE_S = 2.0
_TAIL_CHARACTERS = 16_000
_REASON_CHARACTERS = 300


@dataclass(frozen=True)
class Ended:
    """How a check that ran apart came to its end.

    Attributes
    ----------
    how : {"done", "failed", "crashed", "timed out"}
        Failed: an exception; crashed: a signal, or an exit that is not Python's.
    answers : tuple
        What it answered before that.
    said : str
        The end of what it wrote to stderr.
    reason : str
        Why it did not end as it should; "" if it did.
    seconds : float
        How long it took.
    """

    how: Literal["done", "failed", "crashed", "timed out"]
    answers: tuple[Any, ...]
    said: str
    reason: str
    seconds: float


class Runner:
    """Runs checks apart, from several threads at once, and stops all of them when told to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(
        self,
        module: str,
        arguments: Any,
        *,
        timeout_s: float,
        environment: Mapping[str, str] | None = None,
    ) -> Ended:
        """Call ``module.run(arguments, answer)`` in a fresh interpreter, for a bounded time.

        Parameters
        ----------
        module : str
            Its ``run`` gives ``answer`` as many values as it likes.
        arguments : object
            Anything that JSON has.
        timeout_s : float
            It is killed then, with all processes it started.
        environment : mapping, optional
            Variables to set beside those of this process.

        Raises
        ------
        OSError
            If no process can be started.
        """
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(
            prefix="embedsmith-doctor-", ignore_cleanup_errors=True
        ) as folder:
            answers, errors, order = (Path(folder, name) for name in ("answers", "errors", "order"))
            answers.touch()
            wanted = {"path": sys.path, "module": module, "arguments": arguments}
            order.write_text(json.dumps({**wanted, "answers": str(answers)}), encoding="utf-8")
            process = self._started(order, errors, environment)
            try:
                code: int | None = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                # Also what it started and left behind.
                _kill(process)
                with self._lock:
                    self._running.discard(process)
            said = _tail(errors)
            return Ended(
                how=_how(code, said),
                answers=tuple(_whole_lines(answers)),
                said=said,
                reason=_reason(code, said, timeout_s),
                seconds=time.monotonic() - begun,
            )

    def stop(self) -> None:
        """Kill what runs, and start nothing more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                _kill(process)

    def _started(
        self, order: Path, errors: Path, environment: Mapping[str, str] | None
    ) -> subprocess.Popen[bytes]:
        # Files and not pipes: a grandchild that holds a pipe open would make us wait for it.
        with self._lock, order.open("rb") as stdin, errors.open("wb") as stderr:
            if self._stopped:
                msg = "the checks were stopped"
                raise ChildProcessError(msg)
            process = subprocess.Popen(  # noqa: S603 - this interpreter and our own program
                [sys.executable, "-X", "faulthandler", "-c", _START],
                stdin=stdin,
                stdout=stderr,
                stderr=stderr,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
            self._running.add(process)
        return process


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            # The session is the child's own, so that its number is the group's, also once it ended.
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_S)


def _how(code: int | None, said: str) -> Literal["done", "failed", "crashed", "timed out"]:
    if code is None:
        return "timed out"
    if code == 0:
        return "done"
    return "failed" if code == 1 and "Traceback" in said else "crashed"


def _reason(code: int | None, said: str, timeout_s: float) -> str:
    how = _how(code, said)
    if how == "done":
        return ""
    if how == "timed out":
        return f"it did not end within {timeout_s:g} s"
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "")
    if how == "failed":
        return _shortened(last)
    if code is not None and code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"the process crashed ({name})"
    return f"the process ended with exit code {code}" + (f": {_shortened(last)}" if last else "")


def _shortened(line: str) -> str:
    line = line.strip()
    return line if len(line) <= _REASON_CHARACTERS else f"{line[:_REASON_CHARACTERS]} ..."


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_CHARACTERS))
        return file.read().decode("utf-8", errors="replace").strip()


def _whole_lines(path: Path) -> list[Any]:
    """Return the answers; the last may be cut where the process died."""
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
