"""A corpus is streamed: what an embedding run holds does not grow with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, sys
import embedsmith as es
source, out, rows = sys.argv[1:]
run = es.embed_corpus(
    source, "fake:32", out, cache=False, shard_bytes=2 << 20, shard_rows=int(rows)
)
# Not getrusage, which counts what the parent had before it became this process.
with open("/proc/self/status", encoding="ascii") as file:
    peak_kb = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
print(json.dumps([run.n_texts, run.n_unique, run.n_shards, peak_kb]))
"""


def peak_of(source: Path, rows: int = 1 << 20) -> tuple[int, int, int, int]:
    out = source.with_suffix(".out")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(source), str(out), str(rows)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    n_texts, n_unique, n_shards, peak_kb = json.loads(done.stdout)
    return n_texts, n_unique, n_shards, peak_kb << 10


def write(path: Path, count: int, length: int) -> Path:
    """Write texts of one long word each: the fake model takes no time for them."""
    with path.open("w", encoding="ascii") as file:
        for number in range(count):
            # Every tenth text is an earlier one.
            text = f"{number - number % 10 // 9 * 9}".ljust(length, "x")
            file.write(json.dumps({"_id": f"d{number}", "text": text}) + "\n")
    return path


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's peak of memory")
def test_memory_does_not_grow_with_the_bytes_of_the_corpus(tmp_path: Path) -> None:
    few = peak_of(write(tmp_path / "few.jsonl", 400, 50_000))
    many = peak_of(write(tmp_path / "many.jsonl", 4_000, 50_000))
    assert many[:3] == (4_000, 3_600, 96)
    # 200 MB of texts against 20: what it holds are some shards of 2 MB.
    assert many[3] - few[3] < 10 << 20


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's peak of memory")
def test_memory_does_not_grow_with_the_number_of_texts(tmp_path: Path) -> None:
    few = peak_of(write(tmp_path / "few.jsonl", 4_000, 9), rows=1_000)
    many = peak_of(write(tmp_path / "many.jsonl", 60_000, 9), rows=1_000)
    assert many[:3] == (60_000, 54_000, 60)
    # Ids, hashes and places of 56,000 more texts would be more than 12 MB in Python's memory; the
    # table on disk is read through pages that are kept up to 64 MB, of which it fills six.
    assert many[3] - few[3] < 10 << 20


def test_a_text_of_ten_megabytes_is_one_text_like_others(tmp_path: Path) -> None:
    source = tmp_path / "c.jsonl"
    texts = ["short", "long " * (2 << 20), "after"]
    lines = [json.dumps({"_id": str(n), "text": text}) + "\n" for n, text in enumerate(texts)]
    source.write_text("".join(lines))
    assert peak_of(source)[:3] == (3, 3, 2)
