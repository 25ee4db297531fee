"""Interrupting a real model in the middle loses at most one batch, and nothing is half-written."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

pytestmark = [
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals as a shell sends them are POSIX"),
]

N_DOCUMENTS = 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a data set long enough to be interrupted."""
    root = tmp_path_factory.mktemp("interrupted")
    data = root / "data"
    (data / "qrels").mkdir(parents=True)
    words = ["account", "loan", "card", "fee", "limit", "transfer", "branch", "interest"]
    texts = [
        " ".join(words[(i * step) % 8] for step in range(1, 40)) + f" {i}"
        for i in range(N_DOCUMENTS)
    ]
    corpus = "".join(json.dumps({"_id": f"d{i}", "text": t}) + "\n" for i, t in enumerate(texts))
    (data / "corpus.jsonl").write_text(corpus)
    queries = "".join(json.dumps({"_id": f"q{i}", "text": texts[i][:40]}) + "\n" for i in range(40))
    (data / "queries.jsonl").write_text(queries)
    qrels = ["query-id\tcorpus-id\tscore", *(f"q{i}\td{i}\t1" for i in range(40))]
    (data / "qrels" / "test.tsv").write_text("\n".join(qrels) + "\n")
    return root


def command(cache, out):
    return [
        *(sys.executable, "-m", "embedsmith", "eval", "--data", "data"),
        *("--model", "st:all-MiniLM-L6-v2", "--latency-queries", "0"),
        *("--cache", cache, "--out", out),
    ]


def interrupt_after_a_batch(folder, cache, out, signal_number):
    """Start the command, and send a signal once the first batch is in the cache."""
    process = subprocess.Popen(
        command(cache, out),
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test that itself runs in the background has SIGINT switched off.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,  # noqa: PLW1509
    )
    try:
        deadline = time.monotonic() + 200
        while not n_cached(folder / cache):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal_number)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, said


def n_cached(cache):
    files = list(cache.glob("*.sqlite3"))
    if not files:
        return 0
    with closing(sqlite3.connect(f"file:{files[0]}?mode=ro", uri=True)) as database:
        try:
            return database.execute("SELECT count(*) FROM vectors").fetchone()[0]
        except sqlite3.OperationalError:
            return 0


def finish(folder, cache, out):
    done = subprocess.run(
        command(cache, out),
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    content = json.loads((folder / out / "result.json").read_text())
    del content["timing"]
    return done.stderr, content, (folder / out / "all-MiniLM-L6-v2.run").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(folder):
    _, content, run = finish(folder, "whole", "whole-out")
    return content, run


@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_a_run_that_was_stopped_goes_on_and_ends_with_the_same_bytes(folder, undisturbed, name):
    code, said = interrupt_after_a_batch(folder, name, f"{name}-out", getattr(signal, name))
    if name == "SIGINT":
        assert code == 130
        assert "interrupted. Embeddings made so far are kept in" in said
        assert "the same command goes on from there" in said
        assert "Traceback" not in said
    else:
        assert code == -signal.SIGKILL
    assert not (folder / f"{name}-out").exists()
    kept = n_cached(folder / name)
    assert 0 < kept < N_DOCUMENTS
    said, content, run = finish(folder, name, f"{name}-out")
    assert f"embedded {N_DOCUMENTS + 40 - kept} texts, {kept} from cache" in said
    assert (content, run) == undisturbed
