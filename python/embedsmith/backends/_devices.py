"""Checks that a device is there before anything is put on it."""

from __future__ import annotations

import re

from embedsmith._deps import require
from embedsmith.exceptions import DeviceError

__all__ = ["check_device"]

_CUDA = re.compile(r"cuda(?::(\d+))?")


def check_device(device: str) -> None:
    """Accept ``"cpu"``, ``"cuda"`` and ``"cuda:N"`` if PyTorch can use it; never fall back.

    Imports torch for a CUDA device only.

    Raises
    ------
    DeviceError
        Saying why the device cannot be used and what to do.
    """
    if device == "cpu":
        return
    match = _CUDA.fullmatch(device)
    if match is None:
        msg = f"device is {device!r}; it must be 'cpu', 'cuda' or 'cuda:N'."
        raise DeviceError(msg)
    torch = require("torch", extra="st", feature="Running a model on a GPU")
    if not torch.cuda.is_available():
        if torch.version.cuda is None:
            reason = (
                f"PyTorch {torch.__version__} is installed without CUDA. Install a CUDA build of "
                "PyTorch (its website's 'Get started' page gives the command for your system)"
            )
        else:
            reason = (
                f"PyTorch {torch.__version__} is built for CUDA {torch.version.cuda}, but finds no "
                "usable GPU. Check that nvidia-smi lists one and that its driver is recent enough"
            )
        msg = f"device={device!r} cannot be used: {reason}, or use device='cpu' (--device cpu)."
        raise DeviceError(msg)
    count = torch.cuda.device_count()
    if match[1] is not None and int(match[1]) >= count:
        msg = f"device={device!r} does not exist: there are {count} GPUs. Use 'cuda:0'."
        raise DeviceError(msg)
