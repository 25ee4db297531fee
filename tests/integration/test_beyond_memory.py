"""A corpus of 4 GB searched by a process that may have 1 GB, and what stops such a search."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

import embedsmith as es

if TYPE_CHECKING:
    from pathlib import Path

DIM = 1024
CORPUS_BYTES = 4 << 30
# All that the process may map, not only what it may touch: nothing of the corpus can hide in it.
LIMIT_BYTES = 1_000_000_000
# What the docstring promises, two blocks of 64 MiB, beside Python, numpy and the search's own.
PEAK_BYTES = 320 << 20

# Not getrusage, which counts what the parent had before it became this process.
REPORT = """
with open("/proc/self/status", encoding="ascii") as file:
    peak_kb = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
json.dump([hits.rows.tolist(), hits.exact.tolist(), peak_kb], sys.stdout)
"""

# Maps cannot be limited so: what they take of the memory is measured.
MAPPED_PROGRAM = (
    """
import json, sys
import numpy as np
import embedsmith as es
from embedsmith.search import _shards
_shards.comfortable_bytes = lambda: {limit}
corpus = np.load({corpus!r}, mmap_mode="r")
hits = es.topk(np.load({queries!r}), corpus, k=10, metric="dot", threads=2)
"""
    + REPORT
)

PROGRAM = (
    """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
import numpy as np
import embedsmith as es
try:
    np.memmap({file!r}, mode="r")
except (OSError, ValueError, MemoryError):
    pass
else:
    sys.exit("the limit does not hold: the file could be mapped")
queries = np.load({queries!r})
hits = es.topk(queries, {corpus!r}, k=10, metric="dot", threads=2)
"""
    + REPORT
)


def write_sparse(path: Path, rows: int, dtype: str, values: dict[int, np.ndarray]) -> None:
    """Write a .npy file of zeros that takes no room, but for some rows."""
    with path.open("wb") as file:
        header = {"descr": dtype, "fortran_order": False, "shape": (rows, DIM)}
        np.lib.format.write_array_header_1_0(file, header)
        start, width = file.tell(), DIM * np.dtype(dtype).itemsize
        file.truncate(start + rows * width)
        for row, vector in values.items():
            file.seek(start + row * width)
            file.write(vector.astype(dtype).tobytes())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space so")
@pytest.mark.parametrize(
    ("program", "dtype", "files"),
    [(PROGRAM, "<f4", 1), (PROGRAM, "<f8", 3), (MAPPED_PROGRAM, "<f4", 1)],
    ids=["file", "folder", "memory map"],
)
def test_four_gigabytes_are_searched_in_a_fraction_of_them(program, dtype, files, tmp_path) -> None:
    rng = np.random.default_rng(0)
    total = CORPUS_BYTES // (DIM * np.dtype(dtype).itemsize)
    places = np.sort(rng.choice(total, 300, replace=False))
    vectors = rng.standard_normal((300, DIM)).astype(np.float32)
    vectors[100:110] = vectors[100]  # ties, which may lie in different blocks
    queries = np.vstack([rng.standard_normal((2, DIM)), vectors[100]]).astype(np.float32)
    folder = tmp_path / "corpus"
    folder.mkdir()
    bounds = np.linspace(0, total, files + 1).astype(int)
    for number, (first, last) in enumerate(pairwise(bounds)):
        inside = np.flatnonzero((places >= first) & (places < last))
        values = {int(places[i] - first): vectors[i] for i in inside}
        write_sparse(folder / f"{number}.npy", int(last - first), dtype, values)
    np.save(tmp_path / "queries.npy", queries)
    expected = es.topk(queries, vectors, k=10, metric="dot")
    assert (expected.exact > 0).all()  # better than all the zeros

    corpus = folder / "0.npy" if files == 1 else folder
    code = program.format(
        limit=LIMIT_BYTES,
        queries=str(tmp_path / "queries.npy"),
        corpus=str(corpus),
        file=str(folder / "0.npy"),
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        # BLAS, which is not used, sets memory aside for each processor.
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    rows, exact, peak_kb = json.loads(done.stdout)
    np.testing.assert_array_equal(rows, places[expected.rows])
    np.testing.assert_array_equal(np.array(exact), expected.exact)
    assert peak_kb * 1024 < PEAK_BYTES


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_ctrl_c_stops_a_stream_and_its_reading_thread(tmp_path) -> None:
    write_sparse(tmp_path / "corpus.npy", 1 << 20, "<f4", {})
    # Tests that run in the background have SIGINT switched off: the child switches it on.
    code = f"""
import signal, threading
import numpy as np
import embedsmith as es
signal.signal(signal.SIGINT, signal.default_int_handler)
queries = np.random.default_rng(0).standard_normal((500, {DIM}), dtype=np.float32)
print("ready", flush=True)
try:
    es.topk(queries, {str(tmp_path / "corpus.npy")!r}, k=10)
except KeyboardInterrupt:
    print("stopped", [t.name for t in threading.enumerate()], flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    asked = time.monotonic()
    assert process.stdout.readline() == "stopped ['MainThread']\n"
    # The promise is 0.2 s for the search and one piece of 4 MiB for the reader; a busy machine
    # gets slack. Unstopped, this search takes minutes.
    assert time.monotonic() - asked < 3.0
    process.stdout.close()
    assert process.wait(timeout=30) == 0
