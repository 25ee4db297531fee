"""Readers stream, leave the GIL to others and answer Ctrl-C: shown on an endless pipe."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from embedsmith.datasets import Qrels, Run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a thing of Unix")


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


@pytest.fixture
def endless(pipe: Path) -> Iterator[Path]:
    """Return a pipe that blank lines never stop coming out of."""

    def feed() -> None:
        with pipe.open("wb", buffering=0) as out:
            try:
                while True:
                    out.write(b"\n" * 65536)
            except BrokenPipeError:
                return

    feeder = threading.Thread(target=feed)
    feeder.start()
    yield pipe
    feeder.join()


@pytest.mark.timeout(60)
def test_a_reader_lets_the_thread_that_feeds_it_run(pipe: Path) -> None:
    lines = "".join(f"q{i} 0 d{i} 1\n" for i in range(20_000))
    feeder = threading.Thread(target=pipe.write_text, args=(lines,))
    feeder.start()
    assert len(Qrels.read(pipe)) == 20_000
    feeder.join()


@pytest.mark.timeout(60)
def test_ctrl_c_ends_a_reader(endless: Path) -> None:
    # Python's own handler turns the signal into KeyboardInterrupt, once the reader asks for it. Set
    # here, since tests that run in the background have SIGINT switched off.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            Run.read(endless)
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
