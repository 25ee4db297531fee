"""Checks in processes of their own: whatever happens there is told, and nothing is left behind."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from embedsmith.diagnosis._apart import Ended, Runner, _whole_lines

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    monkeypatch.syspath_prepend(Path(__file__).parent)

    def run(timeout_s: float = 30.0, **what: Any) -> Ended:
        return Runner().run("apart_checks", what, timeout_s=timeout_s)

    return run


def test_answers_come_back_and_noise_does_not_mix_with_them(apart: Callable[..., Ended]) -> None:
    ended = apart(do="write", text="a warning\n")
    assert (ended.how, ended.reason) == ("done", "")
    assert ended.answers == ({"begun": {"do": "write", "text": "a warning\n"}}, {"ended": True})
    assert "a warning" in ended.said


def test_an_exception_is_told_by_its_last_line(apart: Callable[..., Ended]) -> None:
    ended = apart(do="fail", text="no such thing")
    assert (ended.how, ended.reason) == ("failed", "ValueError: no such thing")
    assert len(ended.answers) == 1


def test_a_crash_is_told_by_its_signal_and_keeps_the_answers_before(
    apart: Callable[..., Ended],
) -> None:
    ended = apart(do="crash")
    assert (ended.how, ended.reason) == ("crashed", "the process crashed (SIGABRT)")
    assert len(ended.answers) == 1


def test_an_answer_that_was_cut_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "answers").write_text('{"a": 1}\n{"b": ', encoding="utf-8")
    assert _whole_lines(tmp_path / "answers") == [{"a": 1}]


def test_an_exit_that_is_not_pythons_is_a_crash(apart: Callable[..., Ended]) -> None:
    ended = apart(do="leave", code=1)
    assert (ended.how, ended.reason) == ("crashed", "the process ended with exit code 1")


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 5
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(alive, pids))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
def test_a_hang_ends_in_time_with_all_that_it_started(
    apart: Callable[..., Ended], tmp_path: Path
) -> None:
    begun = time.monotonic()
    ended = apart(do="hang", pids=str(tmp_path / "pids"), timeout_s=2.0)
    assert (ended.how, ended.reason) == ("timed out", "it did not end within 2 s")
    assert time.monotonic() - begun < 10
    assert gone([int(pid) for pid in (tmp_path / "pids").read_text().split()])


def test_stopping_ends_what_runs_and_starts_nothing_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    runner, ends = Runner(), list[Ended]()
    what = {"do": "hang", "pids": str(tmp_path / "pids")}
    thread = threading.Thread(
        target=lambda: ends.append(runner.run("apart_checks", what, timeout_s=50.0))
    )
    thread.start()
    deadline = time.monotonic() + 20
    while not (tmp_path / "pids").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    runner.stop()
    thread.join(10)
    assert [each.how for each in ends] == ["crashed"]
    with pytest.raises(ChildProcessError, match="stopped"):
        runner.run("apart_checks", {"do": "nothing"}, timeout_s=1.0)
