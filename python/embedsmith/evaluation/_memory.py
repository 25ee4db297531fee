"""Peak memory of the process while a model runs."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, final

from embedsmith._deps import require

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["PeakMemory"]

# Two samples per batch of a fast model: short enough to see its peak, too rare to slow it.
_INTERVAL_S = 0.02


@final
class PeakMemory:
    """Watch the resident memory of this process for the length of a ``with`` block.

    A thread samples it every 20 ms, so a peak shorter than that may go unseen. It counts the whole
    process: libraries loaded earlier stay in the figure.

    Attributes
    ----------
    peak_bytes : int
        Largest resident size seen so far.

    Examples
    --------
    >>> with PeakMemory() as memory:
    ...     block = bytearray(1 << 20)
    >>> memory.peak_bytes > 1 << 20
    True
    """

    def __init__(self) -> None:
        psutil = require("psutil", extra="eval", feature="Measuring peak memory")
        self._process = psutil.Process()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._watch, name="embedsmith-peak-memory", daemon=True
        )
        self.peak_bytes = 0

    def __enter__(self) -> PeakMemory:
        # What the model before left for the collector must not count for this one.
        gc.collect()
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._sample()

    def _sample(self) -> None:
        self.peak_bytes = max(self.peak_bytes, int(self._process.memory_info().rss))

    def _watch(self) -> None:
        while not self._stop.wait(_INTERVAL_S):
            self._sample()
