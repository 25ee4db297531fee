"""What a native model holds while it embeds does not grow with the corpus."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# Not in the process of the tests, which holds what other tests left.
PROGRAM = """
import json
import embedsmith as es
from embedsmith.evaluation._memory import PeakMemory

def stream(count):
    with PeakMemory() as memory:
        before, tokens = memory.peak_bytes, 0
        texts = (f"text {n} " + "long " * 120 for n in range(count))
        for block in es.encode_stream(encoder, texts, role="document", block_texts=200):
            tokens += int(block.n_tokens.sum())
    return [tokens, memory.peak_bytes - before]

encoder = es.load_encoder(
    "native:all-MiniLM-L6-v2", cache=False, max_tokens=8, precision="fp32"
)
# Loads the weights, which are not counted, and fills what is allocated once.
encoder.encode(["a"], role="document")
print(json.dumps([stream(count) for count in (2_000, 1_000, 10_000)]))
"""


@pytest.mark.model
def test_ten_times_the_corpus_takes_no_more_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (_, first), (few_tokens, few), (many_tokens, many) = json.loads(done.stdout)
    # Of the ten times more, 6 MB of texts and 15 MB of vectors go through.
    assert many_tokens > 120 * 10_000 > few_tokens > 120 * 1_000
    assert many < few + (3 << 20), (first, few, many)
    assert first + many < 100 << 20
