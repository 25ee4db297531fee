import time

import numpy as np

from embedsmith.evaluation._memory import PeakMemory


def test_peak_memory_sees_a_block_that_is_gone_at_the_end():
    with PeakMemory() as memory:
        before = memory.peak_bytes
        block = np.ones(1 << 25)  # 256 MiB, touched
        # The filling holds the interpreter: the watching thread has its turn only now.
        time.sleep(0.2)
        del block
    assert memory.peak_bytes - before > 200 << 20
