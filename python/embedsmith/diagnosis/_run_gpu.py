"""In a process of its own: asks the driver of NVIDIA cards what is there."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run"]

_LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_VERSION = Path("/proc/driver/nvidia/version")
# CUdevice_attribute: compute capability.
_MAJOR, _MINOR = 75, 76
_NAME_BYTES = 256


def run(also: list[str], answer: Callable[[Any], None]) -> None:
    """Answer the driver (``library``, ``driver``, ``cuda``, ``error``), then one answer a card.

    Parameters
    ----------
    also : list of str
        Not used.
    answer : callable
        Takes each answer; a card has ``name``, ``capability`` and ``memory_bytes``.
    """
    del also
    # The numbers are those of the machine, in the order of its bus.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    try:
        cuda = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        answer({"library": False, "driver": _driver(), "cuda": None, "error": str(error)})
        return
    code = cuda.cuInit(0)
    if code:
        answer({"library": True, "driver": _driver(), "cuda": None, "error": _said(cuda, code)})
        return
    number, count = ctypes.c_int(), ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(number))
    cuda.cuDeviceGetCount(ctypes.byref(count))
    version = f"{number.value // 1000}.{number.value % 1000 // 10}"
    answer({"library": True, "driver": _driver(), "cuda": version, "error": None})
    for at in range(count.value):
        answer(_card(cuda, at))


def _card(cuda: ctypes.CDLL, at: int) -> dict[str, Any]:
    device, name = ctypes.c_int(), ctypes.create_string_buffer(_NAME_BYTES)
    major, minor, memory = ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t()
    cuda.cuDeviceGet(ctypes.byref(device), at)
    cuda.cuDeviceGetName(name, _NAME_BYTES, device)
    cuda.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device)
    cuda.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    return {
        "name": name.value.decode(errors="replace"),
        "capability": f"{major.value}.{minor.value}",
        "memory_bytes": memory.value,
    }


def _said(cuda: ctypes.CDLL, code: int) -> str:
    text = ctypes.c_char_p()
    cuda.cuGetErrorString(code, ctypes.byref(text))
    return f"{(text.value or b'unknown error').decode(errors='replace')} (CUDA error {code})"


def _driver() -> str | None:
    """Return the version of the kernel's driver, which is there without any card's library."""
    try:
        text = _VERSION.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    words = text.splitlines()[0].split() if text else []
    return next((word for word in words if word[:1].isdigit() and "." in word), None)
