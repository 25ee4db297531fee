"""Makes sessions of ONNX Runtime that run where they were asked to run, or says why they cannot."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedsmith._deps import require
from embedsmith.backends.onnx._devices import (
    CPU_PROVIDER,
    Device,
    check_available,
    did_not_start,
    preload,
)
from embedsmith.backends.onnx._graph import FEATURE
from embedsmith.backends.onnx._graph_session import GraphSession, Place
from embedsmith.exceptions import DeviceError, DeviceMemoryError, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from embedsmith._typing import Json

__all__ = ["SessionMaker", "translated"]

_logger = logging.getLogger(__name__)

# What a GPU must compute itself. Operators on shapes belong on the CPU, and ONNX Runtime puts them
# there on purpose.
_HEAVY = frozenset(
    {
        "Attention",
        "BiasGelu",
        "EmbedLayerNormalization",
        "FastGelu",
        "FusedMatMul",
        "Gelu",
        "Gemm",
        "LayerNormalization",
        "MatMul",
        "MatMulNBits",
        "MultiHeadAttention",
        "RotaryEmbedding",
        "SkipLayerNormalization",
        "Softmax",
    }
)
# In lower case. Of the allocators of the machine, CUDA, its libraries and TensorRT; and of the
# runtime's own arena, which says that a limit was reached in words that name no memory running out.
_NO_MEMORY = (
    "allocate memory",
    "out of memory",
    "outofmemory",
    "bad allocation",
    "bad_alloc",
    "alloc_failed",
    "cudaerrormemoryallocation",
    "is smaller than requested bytes of",
)
# Letters of such an error that are shown before and after what gives it away.
_WORDS_BEFORE, _WORDS_AFTER = 40, 160
_FALLBACK_FORBIDDEN = "explicitly disabled by the user"
_ERRORS_ONLY = 3
_SPIN_US = 20


@dataclass(frozen=True)
class SessionMaker:
    """Makes sessions over one graph.

    Parameters
    ----------
    file : Path
        The graph; weights that lie outside it are in its folder.
    content : bytes
        What the file held when it was checked; the file is not read again.
    """

    file: Path
    content: bytes

    def on_cpu(self, threads: int) -> GraphSession:
        """Return a session with so many threads of its own; 1: those of the caller."""
        return GraphSession(self._create(self.options(threads), [CPU_PROVIDER], "cpu"))

    def on_gpu(self, device: Device, index: int, provider_options: Json) -> GraphSession:
        """Return a session on one GPU, none of whose costly operators runs anywhere else.

        Parameters
        ----------
        device : Device
            What was asked for.
        index : int
            Of the GPU, which the options name too: vectors are made there.
        provider_options : dict
            By the name of the provider.

        Raises
        ------
        DeviceError
            Saying why the GPU cannot be used, and which command mends it.
        """
        runtime = require("onnxruntime", extra=device.extra, feature=FEATURE)
        check_available(runtime, device)
        said = preload(runtime)
        providers: list[Any] = [(name, provider_options.get(name, {})) for name in device.providers]
        options = self.options(1)
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        try:
            session = self._create(options, providers, device.spec)
        except DeviceError as error:
            # Also said of a graph whose only operators on the CPU are those on shapes.
            if _FALLBACK_FORBIDDEN not in str(error):
                raise
            options = self.options(1)
            options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
            session = self._create(options, [*providers, CPU_PROVIDER], device.spec)
        self._check_providers(runtime, session, device, said)
        # TensorRT's outputs lie in CUDA's memory.
        return GraphSession(session, Place("cuda", index))

    def options(self, threads: int) -> Any:
        """Return the options of every session."""
        runtime = require("onnxruntime", extra="onnx", feature=FEATURE)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A plan per shape of a batch would be kept for each of them.
        options.enable_mem_pattern = False
        options.log_severity_level = _ERRORS_ONLY
        entries = {
            # Threads that spin between two calls would eat the quota of a container.
            "session.force_spinning_stop": "1",
            # Within a call they wait this long for the next operator before they sleep: on an idle
            # machine as fast as the runtime's own milliseconds, which on a busy one keep the thread
            # that has the work from its core.
            "session.intra_op.spin_duration_us": str(_SPIN_US),
            # The graph comes from memory: this is where its weights lie.
            "session.model_external_initializers_file_folder_path": str(self.file.parent),
        }
        for name, value in entries.items():
            options.add_session_config_entry(name, value)
        return options

    def _create(self, options: Any, providers: list[Any], device: str) -> Any:
        runtime = require("onnxruntime", extra="onnx", feature=FEATURE)
        with translated(self.file, device, loading=True):
            # Without its fallback, which would make a session on the CPU in silence.
            return runtime.InferenceSession(
                self.content, options, providers=providers, enable_fallback=0
            )

    def _check_providers(self, runtime: Any, session: Any, device: Device, said: str) -> None:
        running = session.get_providers()
        if running[0] != device.providers[0]:
            raise did_not_start(runtime, device, said)
        placed = _nodes_on_cpu(session)
        heavy = sorted({name for name in placed if name in _HEAVY})
        if heavy:
            msg = (
                f"{self.file}: {', '.join(heavy)} would run on the CPU, though "
                f"device={device.spec!r} was asked for: {running[0]} has no such operator for "
                "these types. Export the model for it (embedsmith export ... --target cuda), or "
                "use device='cpu'."
            )
            raise DeviceError(msg)
        if placed:
            _logger.info(
                "%s: %d operators on shapes run on the CPU (%s), all others on %s.",
                self.file,
                len(placed),
                ", ".join(sorted(set(placed))),
                running[0],
            )


def _nodes_on_cpu(session: Any) -> list[str]:
    """Return the kinds of the operators that were placed on the CPU; empty if all are elsewhere."""
    tell = getattr(session, "get_provider_graph_assignment_info", None)
    asked = session.get_session_options()
    recorded = "session.record_ep_graph_assignment_info"
    try:
        wanted = asked.get_session_config_entry(recorded) == "1"
    except RuntimeError:
        # The entry was never made: no operator may be there at all.
        return []
    if tell is None or not wanted:
        return []
    return [
        str(node.op_type)
        for part in tell()
        if part.ep_name == CPU_PROVIDER
        for node in part.get_nodes()
    ]


def _no_memory(text: str) -> str | None:
    """Return the words of an error that say that memory ran out; None if it says something else.

    Before them stand the operator, and a file and function of the runtime.
    """
    lowered = text.lower()
    found = [at for sign in _NO_MEMORY if (at := lowered.find(sign)) >= 0]
    if not found:
        return None
    start = max(0, min(found) - _WORDS_BEFORE)
    return text[start : min(found) + _WORDS_AFTER].strip(" .")


@contextlib.contextmanager
def translated(file: Path, device: str, *, loading: bool = False) -> Iterator[None]:
    """Turn the runtime's errors into ours."""
    state = require("onnxruntime.capi.onnxruntime_pybind11_state", extra="onnx", feature=FEATURE)
    kinds: tuple[type[Exception], ...] = (RuntimeError, MemoryError, ValueError)
    for value in vars(state).values():
        if isinstance(value, type) and issubclass(value, Exception):
            kinds += (value,)
    try:
        yield
    except kinds as error:
        text = " ".join(str(error).split())
        said = _no_memory(text)
        if said is not None:
            msg = (
                f"{file} does not fit into the memory of device={device!r}: {said}. Free "
                "memory there, or lower batch_size (--batch-size) or max_tokens."
            )
            raise DeviceMemoryError(msg) from error
        if loading and device != "cpu":
            msg = (
                f"{file} cannot be loaded on device={device!r}: {text:.600}. Run embedsmith doctor,"
                " or use device='cpu' (--device cpu)."
            )
            raise DeviceError(msg) from error
        what = "loaded" if loading else "run"
        msg = (
            f"{file} cannot be {what}: {text:.600}. Export the model again, or copy or download "
            "the whole folder again."
        )
        raise ModelError(msg) from error
