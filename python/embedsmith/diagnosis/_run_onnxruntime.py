"""In a process of its own: runs the tiny graph on one provider of ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._deps import require
from embedsmith.diagnosis._tiny_graph import INPUT, OUTPUTS, expected, tiny_graph, tiny_input

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run"]

_FEATURE = "Trying ONNX Runtime"
_CPU = "CPUExecutionProvider"
_ON_CUDA = frozenset({"CUDAExecutionProvider", "TensorrtExecutionProvider"})
# What a provider may do to a tanh that it computes in half precision.
_TOLERANCE = 2e-3


def run(provider: str, answer: Callable[[Any], None]) -> None:
    """Answer what is installed, then whether the provider's numbers are right.

    The first answer has ``version``, ``providers`` and ``tokenizers`` (whether they can be
    imported); the second ``used`` (providers of the session), ``exact`` and ``error``.
    """
    runtime = require("onnxruntime", extra="onnx", feature=_FEATURE)
    answer({"version": runtime.__version__, "providers": list(runtime.get_available_providers())})
    if provider in _ON_CUDA and hasattr(runtime, "preload_dlls"):
        # As the backend does: torch's wheels bring the libraries.
        runtime.preload_dlls()
    options = runtime.SessionOptions()
    if provider != _CPU:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    # Its Python face would make the session anew on the CPU, and print that it did.
    session = runtime.InferenceSession(
        tiny_graph(), options, providers=[provider], enable_fallback=0
    )
    values = session.run(list(OUTPUTS), {INPUT: tiny_input()})
    wanted = [expected()[name] for name in OUTPUTS]
    error = float(np.abs(values[1] - wanted[1]).max())
    answer(
        {
            "used": list(session.get_providers()),
            "exact": bool(np.array_equal(values[0], wanted[0])),
            "right": bool(np.array_equal(values[0], wanted[0]) and error <= _TOLERANCE),
            "error": error,
        }
    )
