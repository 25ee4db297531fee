"""What checks that run apart may do; each is called by name in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def run(what: Any, answer: Callable[[Any], None]) -> None:
    answer({"begun": what})
    globals()[f"_{what['do']}"](what)
    answer({"ended": True})


def _nothing(what: Any) -> None:
    del what


def _write(what: Any) -> None:
    print("noise on stdout")  # noqa: T201
    sys.stderr.write(what["text"])


def _fail(what: Any) -> None:
    raise ValueError(what["text"])


def _crash(what: Any) -> None:
    del what
    os.abort()


def _leave(what: Any) -> None:
    os._exit(what["code"])


def _hang(what: Any) -> None:
    program = "import time; time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", program])
    with open(what["pids"], "w", encoding="ascii") as file:  # noqa: PTH123
        file.write(f"{os.getpid()} {child.pid}")
    time.sleep(60)
