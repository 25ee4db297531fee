"""Runs a graph that was just written, before there is a manifest that an encoder would ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._deps import require
from embedsmith.backends.export._graph import FEATURE
from embedsmith.exceptions import DeviceError, ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from embedsmith._typing import F32Array
    from embedsmith.backends._export_manifest import ExportedSpace
    from embedsmith.backends._protocol import Role

__all__ = ["GraphRunner", "checking_device"]

_CUDA = "CUDAExecutionProvider"
_BATCH = 16


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
        if hasattr(runtime, "preload_dlls"):
            runtime.preload_dlls()
        return "cuda"
    if precision == "bf16":
        msg = (
            "A bf16 export is checked on a CUDA device, and onnxruntime finds none here. Export on "
            "a machine with a GPU and embedsmith[onnx-gpu], or take precision fp16."
        )
        raise DeviceError(msg)
    return "cpu"


class GraphRunner:
    """Embeds texts with a folder of graph and tokenizer.

    Parameters
    ----------
    graph : Path
        The ONNX file.
    tokenizer : Path
        The tokenizer.json.
    space : ExportedSpace
        Prompts, limit and padding.
    device : {"cpu", "cuda"}
        Where it runs; no fallback.
    """

    def __init__(self, graph: Path, tokenizer: Path, space: ExportedSpace, device: str) -> None:
        runtime = require("onnxruntime", extra="onnx", feature=FEATURE)
        tokenizers = require("tokenizers", extra="onnx", feature=FEATURE)
        self._space = space
        self._tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        if space.max_tokens is not None:
            self._tokenizer.enable_truncation(space.max_tokens, direction=space.truncation_side)
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        provider = _CUDA if device == "cuda" else "CPUExecutionProvider"
        try:
            # Without its fallback, which would run on the CPU what fails on the device.
            self._session = runtime.InferenceSession(
                str(graph), options, providers=[provider], enable_fallback=0
            )
        # onnxruntime's errors have no common class that is public.
        except Exception as error:
            msg = (
                f"onnxruntime cannot load what was written: {error}. Upgrade onnxruntime, or "
                "report this as a bug with the model's config.json."
            )
            raise ModelError(msg) from error
        if self._session.get_providers()[0] != provider:
            msg = (
                f"onnxruntime runs the graph with {self._session.get_providers()[0]} in place of "
                f"{provider}. Check CUDA and cuDNN (embedsmith doctor), or export for the CPU."
            )
            raise DeviceError(msg)

    def encode(self, texts: Sequence[str], role: Role) -> F32Array:
        """Return the vectors of texts, in batches of similar length."""
        lengths = np.asarray([len(row) for row in self.tokens(texts, role)])
        vectors = np.empty((len(texts), self._space.dim), dtype=np.float32)
        order = np.argsort(-lengths, kind="stable")
        for start in range(0, len(texts), _BATCH):
            part = order[start : start + _BATCH]
            vectors[part] = self.encode_batch([texts[at] for at in part], role)
        return vectors

    def encode_batch(self, texts: Sequence[str], role: Role) -> F32Array:
        """Return the vectors of one forward pass."""
        rows = self.tokens(texts, role)
        longest = max(map(len, rows))
        ids = np.full((len(rows), longest), self._space.pad_token_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for at, row in enumerate(rows):
            ids[at, : len(row)] = row
            mask[at, : len(row)] = 1
        found: Any = self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return np.asarray(found, dtype=np.float32)

    def tokens(self, texts: Sequence[str], role: Role) -> list[list[int]]:
        """Return the token ids of prompt and text, cut to the limit."""
        space = self._space
        prompt = space.query_prompt if role == "query" else space.document_prompt
        encoded = self._tokenizer.encode_batch([prompt + text for text in texts])
        return [list(each.ids) for each in encoded]
