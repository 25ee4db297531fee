"""Options of the GPU providers; for TensorRT also the few lengths that texts are padded to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from embedsmith.backends._folders import make_private_folder, user_cache_folder
from embedsmith.backends.onnx._devices import gpu_count, gpu_memory_bytes

if TYPE_CHECKING:
    from embedsmith._typing import Json
    from embedsmith.backends._fingerprint import Fingerprint
    from embedsmith.backends.onnx._devices import Device

__all__ = ["LENGTHS", "padded_width", "provider_options"]

_logger = logging.getLogger(__name__)

# TensorRT plans anew for every shape that it has not seen: few lengths, few plans.
LENGTHS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
_USUAL_TOKENS = 128
_USUAL_ROWS = 32
# Of a GPU's memory, for the arena that weights and batches lie in. CUDA's libraries take their
# workspaces beside it, and fail in ways of their own where nothing is left.
_ARENA_SHARE = 0.9


class _Model(Protocol):
    """What the options depend on."""

    batch_size: int

    @property
    def max_tokens(self) -> int | None: ...

    @property
    def inputs(self) -> tuple[str, ...]: ...

    @property
    def precision(self) -> str: ...

    @property
    def fingerprint(self) -> Fingerprint: ...


def padded_width(device: Device, longest: int, model: _Model) -> int:
    """Return how many columns a batch gets whose longest text has so many tokens."""
    if device.kind != "tensorrt":
        return longest
    width = min((width for width in LENGTHS if width >= longest), default=longest)
    # Not beyond what the model has positions for.
    return width if model.max_tokens is None else max(longest, min(width, model.max_tokens))


def provider_options(device: Device, index: int, model: _Model) -> Json:
    """Return the options of each provider of a device, for one GPU.

    Parameters
    ----------
    device : Device
        A GPU.
    index : int
        Which one.
    model : encoder
        Its limits make TensorRT's profile of shapes; its fingerprint names the cache of engines.
    """
    cuda = {
        "device_id": str(index),
        # Doubling each time would leave up to half of the memory unused.
        "arena_extend_strategy": "kSameAsRequested",
        # float32 means float32: TF32 keeps 10 bits of 23.
        "use_tf32": "0",
    }
    memory_bytes = gpu_memory_bytes(index)
    if memory_bytes is not None:
        cuda["gpu_mem_limit"] = str(int(memory_bytes * _ARENA_SHARE))
    elif gpu_count():
        _logger.warning(
            "The driver does not tell the memory of GPU %d, so onnxruntime may take all of it.",
            index,
        )
    options: Json = {"CUDAExecutionProvider": cuda}
    if device.kind == "tensorrt":
        folder = make_private_folder(
            user_cache_folder() / "tensorrt" / f"{model.fingerprint.digest[:32]}-{index}"
        )
        longest = padded_width(device, model.max_tokens or LENGTHS[-1], model)
        options["TensorrtExecutionProvider"] = {
            "device_id": str(index),
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(folder),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(folder),
            "trt_fp16_enable": "1" if model.precision == "fp16" else "0",
            "trt_bf16_enable": "1" if model.precision == "bf16" else "0",
            "trt_profile_min_shapes": _shapes(model, 1, min(LENGTHS[0], longest)),
            "trt_profile_opt_shapes": _shapes(
                model, min(_USUAL_ROWS, model.batch_size), min(_USUAL_TOKENS, longest)
            ),
            "trt_profile_max_shapes": _shapes(model, model.batch_size, longest),
        }
    return options


def _shapes(model: _Model, rows: int, tokens: int) -> str:
    # Of every input: a profile that leaves one out is refused.
    return ",".join(f"{name}:{rows}x{tokens}" for name in model.inputs)
