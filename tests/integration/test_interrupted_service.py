"""Ctrl-C while a service does not answer: what is paid for is waited for, or given up at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.loopback import hang, loopback

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.loopback import Loopback

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals as POSIX has them")
pytest.importorskip("openai", reason="needs the extra 'api'")

HANG_S = 40.0
OPTIONS = {
    "embed": ("--model", "openai:m", "--batch-size", "8", "--cache", "cache"),
    "synth": ("--generator", "openai:m", "--no-round-trip", "--answer", "lines", "--seed", "1"),
}


def written(body: Any) -> str:
    clause = body["messages"][-1]["content"].partition("clause ")[2].partition(" ")[0]
    return f"Which day of the month are the fees of clause {clause} due?"


def honestly(handler: Any, asked: Any) -> None:
    handler.send(200, json.dumps(handler.state.answer(asked)).encode())


def content(asked: Any) -> str:
    return json.dumps(asked.body, sort_keys=True)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with loopback() as server:
        server.writer = written
        yield server


def start(kind: str, server: Loopback, folder: Path) -> subprocess.Popen[str]:
    words = [kind, "c.jsonl", "--out", "out", "--base-url", server.url, *OPTIONS[kind]]
    return subprocess.Popen(
        [sys.executable, "-m", "embedsmith", *words],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENAI_API_KEY": "not-a-key"},
        # A test that itself runs in the background has SIGINT switched off.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no locks
    )


def wait_until(server: Loopback, n_asked: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while len(server.asked) < n_asked:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("kind", sorted(OPTIONS))
def test_ctrl_c_twice_gives_up_what_hangs_and_what_was_answered_is_not_asked_again(
    server: Loopback, tmp_path: Path, kind: str
) -> None:
    lines = (
        json.dumps({"_id": f"d{n}", "text": f"clause {n} says that fees are due each month " * 20})
        for n in range(200 if kind == "embed" else 15)
    )
    (tmp_path / "c.jsonl").write_text("\n".join(lines))
    server.tricks.extend([honestly] * 3)
    server.always = hang(HANG_S)
    process = start(kind, server, tmp_path)
    # Three are answered, and as many as may be under way at once hang.
    wait_until(server, 11, process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=HANG_S / 4)
    assert process.returncode == 130
    assert "8 requests under way, and paid for: waiting for the answers. Ctrl-C again" in said
    assert "the same command goes on" in said
    assert "the next request is sent" not in said
    assert "Traceback" not in said
    if kind == "synth":
        # That its journal is not paid for again is shown by the journal's own tests.
        return
    answered, all_asked = server.asked[:3], len(server.asked)
    server.always = None
    again = start(kind, server, tmp_path)
    _, said = again.communicate(timeout=60)
    assert again.returncode == 0, said
    since = {content(one) for one in server.asked[all_asked:]}
    # The first of each run finds out whether the service is still the same one.
    assert not since & {content(one) for one in answered[1:]}
    assert len(since) > 3
