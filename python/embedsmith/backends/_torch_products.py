"""Whether torch multiplies float32 faster on another path, measured here, and that path alone."""

from __future__ import annotations

import contextlib
import platform
import statistics
import threading
import time
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from embedsmith._deps import require
from embedsmith._processor import processor_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Products", "fast_products", "may_be_slow", "measured_products", "worth_it"]

# As float32 itself is exact to about 1e-6 over a few thousand terms; bfloat16 to 2e-3.
LARGEST_ERROR = 1e-5
LEAST_GAIN = 1.3
_REPETITIONS = 7
# A batch of the token budget's order, through the widest layer of a small encoder.
_SHAPE = (1024, 384, 1536)

_lock = threading.Lock()
_inside = 0
_restore: Callable[[], None] | None = None


class Products(NamedTuple):
    """What ``torch.set_float32_matmul_precision("medium")`` does to products on this machine."""

    error: float
    """Of a product to float64: norm of the difference over the norm."""
    gain: float | None
    """Median time at the default over median time with the setting; None where not timed."""


def may_be_slow() -> bool:
    """Tell whether torch's float32 products may take a slow path here, without loading torch.

    MKL has one for processors that are not Intel's. On some with instructions for bfloat16 the
    setting computes in it, on others it stays exact: `measured_products` tells.
    """
    known = platform.machine().lower() in ("x86_64", "amd64")
    return known and "Intel" not in processor_name()


def worth_it(found: Products) -> bool:
    """Tell whether the setting is as exact as float32, and clearly faster."""
    return found.error <= LARGEST_ERROR and found.gain is not None and found.gain >= LEAST_GAIN


@cache
def measured_products(threads: int) -> Products:
    """Multiply matrices like a model's both ways; time them only if the other way is exact.

    Parameters
    ----------
    threads : int
        Of torch, which decide the path too.
    """
    torch = require("torch", extra="st", feature="The sentence-transformers backend")
    rows, width, out = _SHAPE
    random = torch.Generator().manual_seed(threads)
    a = torch.randn(rows, width, generator=random)
    b = torch.randn(out, width, generator=random)

    def product() -> Any:
        return torch.nn.functional.linear(a, b)

    with torch.inference_mode():
        exact = a.double() @ b.double().T
        with fast_products(torch):
            near = product().double()
        error = float(torch.linalg.vector_norm(near - exact) / torch.linalg.vector_norm(exact))
        if not error <= LARGEST_ERROR:
            return Products(error, None)
        slow, fast = [], []
        product()
        for _ in range(_REPETITIONS):
            slow.append(_seconds(product))
            with fast_products(torch):
                fast.append(_seconds(product))
    return Products(error, statistics.median(slow) / statistics.median(fast))


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@contextlib.contextmanager
def fast_products(torch: Any) -> Iterator[None]:
    """Take the other path inside, and put back what the caller had set.

    The setting is the process's: of several threads inside, the last to leave puts it back.
    """
    global _inside, _restore  # noqa: PLW0603 - there is one setting in a process
    with _lock:
        if _inside == 0:
            _restore = _kept_setting(torch)
            torch.set_float32_matmul_precision("medium")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _restore is not None:
                _restore()
                _restore = None


def _kept_setting(torch: Any) -> Callable[[], None]:
    """Return what puts the present setting back, its parts by library too where torch has them."""
    parts: list[Any] = [
        part
        for part in (torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None))
        if hasattr(part, "fp32_precision")
    ]
    single = [part.fp32_precision for part in parts]
    try:
        whole = torch.get_float32_matmul_precision()
    except RuntimeError:
        # Set by library alone: there is no one word for it.
        whole = None

    def restore() -> None:
        if whole is not None:
            torch.set_float32_matmul_precision(whole)
        for part, value in zip(parts, single, strict=True):
            part.fp32_precision = value

    return restore
