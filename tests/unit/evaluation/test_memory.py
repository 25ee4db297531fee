import subprocess
import sys

# In a process of its own: a large one may be losing idle pages to the kernel all the while,
# and its resident size then falls as fast as the block fills.
PROGRAM = """
import time
import numpy as np
from embedsmith.evaluation._memory import PeakMemory

with PeakMemory() as memory:
    before = memory.peak_bytes
    block = np.ones(1 << 25)  # 256 MiB, touched
    # The filling holds the interpreter: the watching thread has its turn only now.
    deadline = time.monotonic() + 20
    while memory.peak_bytes - before < 200 << 20 and time.monotonic() < deadline:
        time.sleep(0.02)
    del block
print(memory.peak_bytes - before)
"""


def test_peak_memory_sees_a_block_that_is_gone_at_the_end():
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert int(ran.stdout) > 200 << 20
