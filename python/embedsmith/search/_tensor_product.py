"""The matrix product of a device's pass: which format it runs in, and its bounded error.

``float16`` on tensor cores is the first choice: encoded vectors are scaled (see
``_tensor_certificate``), so its narrow range does not matter, and it is as fast as bfloat16 with
eight times its precision; TF32 has the same 11 significant bits at half the speed. The products are
summed and returned in float32 (``out_dtype``), so no switch of torch for reductions in lower
precision has a say: those round to the output's format.

Where torch has no ``out_dtype`` (before 2.8), the same 11-bit values are multiplied as float32.
TF32 represents them exactly, so whatever torch's switches say, nothing is rounded on the way in:
they are set for speed, for the product alone, and never trusted.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BFLOAT16", "FLOAT16", "FLOAT32", "Format", "format_for", "formats_of", "product"]


@dataclass(frozen=True)
class Format:
    """What vectors are rounded to for the pass, and what they are multiplied as.

    Attributes
    ----------
    name : str
        As a search's statistics call it.
    grid : torch.dtype
        The values there are.
    held : torch.dtype
        What holds them; at least as wide.
    unit : float
        Unit roundoff of ``grid``.
    """

    name: str
    grid: torch.dtype
    held: torch.dtype
    unit: float


FLOAT16 = Format("f16", torch.float16, torch.float16, 2.0**-11)
BFLOAT16 = Format("bf16", torch.bfloat16, torch.bfloat16, 2.0**-8)
FLOAT32 = Format("f32", torch.float16, torch.float32, 2.0**-11)

_FIRST_TENSOR_CORES = (7, 0)
_FIRST_BFLOAT16 = (8, 0)


def format_for(device: torch.device) -> Format:
    """Return the fastest format that a device multiplies with a known error bound."""
    if device.type != "cuda":
        return FLOAT32
    if torch.version.hip is not None:
        # Some AMD matrix units take subnormal float16 for 0, which the bounds do not cover.
        return FLOAT32
    return formats_of(
        torch.cuda.get_device_capability(device),
        wide_output="dtype" in torch.ops.aten.mm.overloads(),
        sums_float16=getattr(torch.backends.cuda.matmul, "allow_fp16_accumulation", False),
    )


def formats_of(capability: tuple[int, int], *, wide_output: bool, sums_float16: bool) -> Format:
    """Return the format for a CUDA device of this compute capability.

    Parameters
    ----------
    capability : (int, int)
        Compute capability.
    wide_output : bool
        Whether ``torch.mm`` can return float32 for narrower factors.
    sums_float16 : bool
        Whether the user lets float16 products be summed in float16, with an error that is not
        bounded here.
    """
    if not wide_output or capability < _FIRST_TENSOR_CORES:
        return FLOAT32
    if not sums_float16:
        return FLOAT16
    return BFLOAT16 if capability >= _FIRST_BFLOAT16 else FLOAT32


def product(queries: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return ``queries @ rows.T`` in float32, with the error that the certificate allows for.

    Parameters
    ----------
    queries : tensor of shape (n_queries, width)
        In the held dtype of a format.
    rows : tensor of shape (n_rows, width)
        Likewise.

    Returns
    -------
    tensor of shape (n_queries, n_rows), float32
    """
    if queries.device.type == "cpu":
        # numpy's product: no switch of torch makes it round to bfloat16.
        with np.errstate(all="ignore"):
            return torch.from_numpy(queries.float().numpy() @ rows.float().numpy().T)
    with torch.autocast(queries.device.type, enabled=False):
        if queries.dtype == torch.float32:
            with _tf32():
                return torch.mm(queries, rows.t())
        return torch.mm(queries, rows.t(), out_dtype=torch.float32)


_lock = threading.Lock()
_switched: list[object] = []


@contextlib.contextmanager
def _tf32() -> Iterator[None]:
    """Let float32 products use TF32 for as long as any search is inside, then as it was."""
    switches = torch.backends.cuda.matmul
    # Reading the older name after the newer one was set is an error in torch.
    name = "fp32_precision" if hasattr(switches, "fp32_precision") else "allow_tf32"
    with _lock:
        _switched.append(getattr(switches, name))
        setattr(switches, name, "tf32" if name == "fp32_precision" else True)
    try:
        yield
    finally:
        with _lock:
            # The first to enter found what was there before; the last to leave pops that.
            before = _switched.pop()
            if not _switched:
                setattr(switches, name, before)
