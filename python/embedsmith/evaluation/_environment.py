"""The machine and the library versions a result was made with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from typing import TYPE_CHECKING

from embedsmith import _core
from embedsmith._deps import require
from embedsmith._processor import processor_name

if TYPE_CHECKING:
    from embedsmith._typing import Json

__all__ = ["device_name", "hardware", "versions"]

# What can change a score, a speed or a run file.
_LIBRARIES = (
    "bm25s",
    "numpy",
    "onnxruntime",
    "PyStemmer",
    "scikit-learn",
    "sentence-transformers",
    "tokenizers",
    "torch",
    "transformers",
)


def versions() -> Json:
    """Return the versions of Python, embedsmith and the installed libraries that matter.

    Reads package metadata and imports nothing.

    Returns
    -------
    dict
        Name to version; a library that is not installed is left out.

    Examples
    --------
    >>> "numpy" in versions()
    True
    """
    found: Json = {"embedsmith": _core.__version__, "python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> Json:
    """Return what the numbers were computed on; the same for every run on one machine.

    Returns
    -------
    dict
        ``cpu`` (its name), ``machine`` (architecture), ``logical_cores`` (that this process may
        use), ``memory_bytes`` (installed), ``os``, and ``isa`` (the instruction set that the
        search uses).
    """
    psutil = require("psutil", extra="eval", feature="Describing the hardware of a result")
    return {
        "cpu": processor_name(),
        "isa": _core.isa(),
        "logical_cores": _available_cores(),
        "machine": platform.machine(),
        "memory_bytes": int(psutil.virtual_memory().total),
        "os": platform.platform(),
    }


def device_name(device: str | None) -> str:
    """Return the name of what a model runs on.

    Parameters
    ----------
    device : str or None
        As an encoder names it; None is taken for the processor.

    Returns
    -------
    str
        The graphics card's name for ``"cuda"`` and ``"cuda:N"``, else the processor's; a host as
        it is.
    """
    if device is not None and not device.startswith(("cpu", "cuda")):
        return device
    if device is None or not device.startswith("cuda"):
        return processor_name()
    torch = require("torch", extra="st", feature="Naming a graphics card")
    if not torch.cuda.is_available():
        # What says that it runs there may be no model of torch.
        return device
    return str(torch.cuda.get_device_name(device))


def _available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
