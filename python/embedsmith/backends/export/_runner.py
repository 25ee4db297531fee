"""Runs an export that was just written, as `load_encoder` will, and says where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith._deps import require
from embedsmith.backends.export._graph import FEATURE
from embedsmith.backends.onnx import OnnxEncoder
from embedsmith.exceptions import DeviceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from embedsmith._typing import F32Array
    from embedsmith.backends._protocol import Role

__all__ = ["ExportRunner", "checking_device"]

_CUDA = "CUDAExecutionProvider"


def checking_device(precision: str, target: str) -> str:
    """Return where a graph is checked: on its target, or a CUDA graph on the CPU if it can be.

    Raises
    ------
    DeviceError
        If only a CUDA device could run it and there is none.
    """
    if target == "cpu":
        return "cpu"
    runtime = require("onnxruntime", extra="onnx-gpu", feature=FEATURE)
    if _CUDA in runtime.get_available_providers():
        return "cuda"
    if precision == "bf16":
        msg = (
            "A bf16 export is checked on a CUDA device, and onnxruntime finds none here. Export on "
            "a machine with a GPU and embedsmith[onnx-gpu], or take precision fp16."
        )
        raise DeviceError(msg)
    return "cpu"


class ExportRunner:
    """Embeds texts with an export, by the encoder that will run it.

    Parameters
    ----------
    folder : Path
        With graph, tokenizer and manifest.
    device : {"cpu", "cuda"}
        Where it runs; no fallback.
    """

    def __init__(self, folder: Path, device: str) -> None:
        self._encoder = OnnxEncoder(folder, device=device)

    def encode(self, texts: Sequence[str], role: Role) -> F32Array:
        """Return the vectors of texts, in batches of similar length."""
        return self._encoder.encode(texts, role=role).vectors

    def encode_batch(self, texts: Sequence[str], role: Role) -> F32Array:
        """Return the vectors of one forward pass."""
        return self._encoder.encode_batch(texts, role)

    def close(self) -> None:
        """Give the memory back."""
        self._encoder.close()
