"""``embedsmith synth`` as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

import embedsmith as es
from embedsmith.cli import main
from tests.loopback import loopback, status
from tests.unit.synthesis.conftest import CORPUS, honest

if TYPE_CHECKING:
    from pathlib import Path


Run = Callable[..., subprocess.CompletedProcess[str]]


def apart(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "embedsmith", "synth", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the command here: libraries are imported once."""
    pytest.importorskip("openai", reason="the extra 'synth' is not installed")
    pytest.importorskip("py3langid", reason="the extra 'synth' is not installed")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-key-of-the-tests")

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        with pytest.raises(SystemExit) as ended:
            main(["synth", *arguments])
        shown = capsys.readouterr()
        code = ended.value.code or 0
        return subprocess.CompletedProcess(arguments, int(code), shown.out, shown.err)

    return call


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    lines = [json.dumps({"_id": name, "text": text}) for name, text in CORPUS.items()]
    path = tmp_path / "corpus.jsonl"
    path.write_text("\n".join(lines))
    return str(path)


def test_from_passages_to_an_evaluation_that_says_what_it_is(
    run: Run, corpus: str, tmp_path: Path
) -> None:
    with loopback() as server:
        server.writer = honest
        common = (
            corpus, "--generator", "openai:m", "--base-url", server.url, "--kinds",
            "question,keyword", "--out", str(tmp_path / "s"),
        )  # fmt: skip
        dry = run(*common, "--dry-run", "--json")
        assert json.loads(dry.stdout)["n_requests"] == len(CORPUS)
        assert not server.asked
        assert not (tmp_path / "s").exists()
        done = apart(*common, "--encoder", "bm25")
        assert done.returncode == 0, done.stderr
        assert f"texts are sent to 127.0.0.1:{server.port}" in done.stderr
        assert "round trip" in done.stdout
        again = run(*common, "--no-round-trip", "--json")
        assert len(server.asked) == len(CORPUS)
        assert json.loads(again.stdout)["requests"]["answered_before"] == len(CORPUS)
        server.always = status(403)
        failed = run(*common, "--no-round-trip", "--seed", "8")
        assert (failed.returncode, failed.stderr.count("Traceback")) == (4, 0)
    data = es.load_dataset(tmp_path / "s", split="train")
    result = es.evaluate("bm25", data, latency_queries=0, latency_seconds=0)
    assert "s [synthetic queries]" in result.verdict


def test_keywords_work_offline(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDSMITH_OFFLINE", "1")
    out = str(tmp_path / "s")
    done = run(
        "sample:bank", "--generator", "keywords", "--no-round-trip", "--out", out, "--passages",
        "3",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "not to judge a model" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--generator", "keywords", "--no-round-trip"), 2, "--out is missing"),
        (("--generator", "keywords", "--out", "x"), 2, "--no-round-trip"),
        (("--generator", "gpt", "--no-round-trip", "--out", "x"), 2, "openai:gpt-4.1-mini"),
        (("--generator", "openai:m", "--no-round-trip", "--out", "x", "--offline"), 4, "--offline"),
        (
            ("--generator", "keywords", "--no-round-trip", "--out", "x", "--kinds", "spam"),
            3,
            "Did you mean 'span'",
        ),
    ],
)
def test_what_cannot_be_has_its_exit_code_and_the_fix(
    run: Run, arguments: tuple[str, ...], code: int, words: str, tmp_path: Path
) -> None:
    shown = [str(tmp_path / "x") if word == "x" else word for word in arguments]
    failed = run("sample:bank", *shown)
    assert failed.returncode == code, failed.stderr
    assert words in failed.stderr


def test_a_template_is_printed_mended_and_used(run: Run, corpus: str, tmp_path: Path) -> None:
    printed = run("--show-prompt", "chat")
    assert printed.returncode == 0
    own = tmp_path / "own.txt"
    own.write_text(printed.stdout.replace("$passage", "$pasage"))
    failed = run(
        corpus, "--generator", "openai:m", "--base-url", "http://localhost:9/v1", "--prompt",
        str(own), "--dry-run",
    )  # fmt: skip
    assert failed.returncode == 3
    assert "Did you mean $passage?" in failed.stderr
    assert "own.txt:23:" in failed.stderr
