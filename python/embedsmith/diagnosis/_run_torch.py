"""In a process of its own: imports torch and multiplies on every device it offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._deps import require
from embedsmith.diagnosis._tiny_graph import expected, tiny_input, tiny_weights

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run"]

_FEATURE = "Trying PyTorch"


def run(also: list[str], answer: Callable[[Any], None]) -> None:
    """Answer what torch is, then one answer for each device, then one for each other import.

    Parameters
    ----------
    also : list of str
        Modules to import after that.
    answer : callable
        Takes each answer: first ``version``, ``cuda``, ``threads``, ``capability``, ``devices``.
    """
    torch = require("torch", extra="st", feature=_FEATURE)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    answer(
        {
            "version": torch.__version__,
            "cuda": torch.version.cuda,
            "threads": torch.get_num_threads(),
            "capability": torch.backends.cpu.get_cpu_capability(),
            "devices": count,
        }
    )
    for device in ("cpu", *(f"cuda:{at}" for at in range(count))):
        product = torch.from_numpy(tiny_input()).to(device) @ torch.from_numpy(tiny_weights()).to(
            device
        )
        right = bool(np.array_equal(product.cpu().numpy(), expected()["product"]))
        name = None if device == "cpu" else torch.cuda.get_device_name(device)
        answer({"device": device, "right": right, "name": name})
    for module in also:
        require(module, extra="st", feature=_FEATURE)
        answer({"imported": module})
