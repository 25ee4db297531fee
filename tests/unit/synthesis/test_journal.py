"""What was answered is on the disk and is not paid again, however a run ends."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from embedsmith.exceptions import EmbedsmithError, OutputError, ParseError
from embedsmith.synthesis._journal import Journal, Kept
from tests.loopback import hang, status
from tests.unit.synthesis.conftest import CORPUS, KEY, honest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.loopback import Loopback

_RUN = """
import json, sys
from embedsmith.backends.api import ApiOptions
from embedsmith.synthesis import synthesize_queries
url, journal, corpus = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
synthesize_queries(
    corpus, "openai:m", encoder=None, kinds=["question", "keyword"], seed=3, base_url=url,
    journal=journal, api=ApiOptions(in_flight=1),
)
"""


def test_a_killed_run_pays_nothing_twice(
    server: Loopback, synthesize: Callable[..., Any], tmp_path: Path
) -> None:
    journal = tmp_path / "out" / "journal.jsonl"
    corpus = list(CORPUS.values())
    # The third request is never answered: the process is killed while it waits.
    seen = 0

    def trick(handler: Any, asked: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == 3:
            hang(60)(handler, asked)
        else:
            handler.send(200, json.dumps(handler.state.answer(asked)).encode())

    server.always = trick
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, server.url, str(journal), json.dumps(corpus)],
        env={**os.environ, "OPENAI_API_KEY": KEY},
    )
    deadline = time.monotonic() + 60
    while seen < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(server.asked) == 3
    server.always = None
    made = synthesize(journal=journal)
    # Two answers were on the disk; the one under way is asked again, and two were left.
    assert len(server.asked) == 6
    assert made.report["requests"]["answered_before"] == 2
    assert made.report["usage"]["requests_lost_before"] == 1
    assert made.pairs == synthesize().pairs


def test_a_failed_run_keeps_what_was_answered(
    server: Loopback, synthesize: Callable[..., Any], tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"
    server.tricks.extend([lambda h, a: h.send(200, json.dumps(h.state.answer(a)).encode())] * 2)
    server.always = status(403)
    with pytest.raises(EmbedsmithError):
        synthesize(journal=journal, in_flight=1)
    server.always = None
    server.asked.clear()
    synthesize(journal=journal)
    assert len(server.asked) == len(CORPUS) - 2


def test_another_prompt_is_another_answer(
    server: Loopback, synthesize: Callable[..., Any], tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"
    synthesize(journal=journal)
    synthesize(journal=journal, temperature=0.5)
    synthesize(journal=journal, max_copied=0.1, most_words=9)
    assert len(server.asked) == 2 * len(CORPUS)


def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with Journal(path).opened() as journal:
        journal.sending("a", Decimal("0.5"))
        journal.answer("a", Kept("text \ud800", "stop", Decimal("0.25")))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"key": "b", "te')
    with Journal(path).opened() as journal:
        assert journal.get("a") == Kept("text \ud800", "stop", Decimal("0.25"))
        assert journal.get("b") is None
        assert journal.spent == Decimal("0.25")
    assert path.read_bytes() == whole


def test_what_was_sent_and_not_answered_counts_as_paid(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with Journal(path).opened() as journal:
        for _ in range(2):
            journal.sending("a", Decimal("0.5"))
        journal.sending("b", Decimal(1))
        journal.unanswered("b", Decimal(0))
    with Journal(path).opened() as journal:
        assert (journal.spent, journal.n_lost) == (Decimal("1.0"), 1)


def test_a_damaged_or_foreign_file_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    for content, line in ((b'{"a": 1}\n', 1), (b'{"schema": "embedsmith.answers/1"}\n???\n', 2)):
        path.write_bytes(content)
        with pytest.raises(ParseError, match=f"j.jsonl:{line}:"), Journal(path).opened():
            pass
        assert path.read_bytes() == content


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with (
        Journal(path).opened(),
        pytest.raises(OutputError, match="another process"),
        Journal(path).opened(),
    ):
        pass


def test_the_key_is_nowhere(
    server: Loopback, synthesize: Callable[..., Any], tmp_path: Path
) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    # An answer that echoes the key, and an error that does.
    server.writer = lambda asked: honest(asked).replace("who", f"who {KEY}").replace("how", KEY)
    server.tricks.append(status(500, {"x-key": KEY}, message=f"Bearer {KEY}"))
    try:
        made = synthesize(journal=tmp_path / "journal.jsonl", in_flight=1)
        made.write(tmp_path)
        server.always = status(401, message=KEY)
        with pytest.raises(EmbedsmithError) as raised:
            synthesize(seed=9)
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    assert any(KEY in one.headers["authorization"] for one in server.asked)
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"OPENAI_API_KEY" in written
    for trace in (KEY, KEY[3:], KEY[:-3]):
        assert trace.encode() not in written
        assert trace not in stream.getvalue()
        assert trace not in repr(raised.value)
        assert trace not in repr(made.report)


def test_an_interrupt_goes_on_once_what_was_under_way_is_answered_and_kept(
    server: Loopback, synthesize: Callable[..., Any], tmp_path: Path
) -> None:
    journal = tmp_path / "out" / "journal.jsonl"
    pressed: list[bool] = []

    def interrupt(_: Any) -> None:
        if not pressed:
            pressed.append(True)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesize(journal=journal, in_flight=2, progress=interrupt)
    n_asked = len(server.asked)
    # Others would have been begun had it not stopped; and each that was is paid for and kept.
    assert n_asked < 5
    made = synthesize(journal=journal)
    assert made.report["requests"]["answered_before"] == n_asked
    assert len(server.asked) == 5
