"""Runs a loaded sentence-transformers model on token ids, in the precision that was asked for."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._core import available_isas
from embedsmith._deps import require
from embedsmith.backends._token_rows import TokenReader
from embedsmith.backends._torch_products import (
    fast_products,
    may_be_slow,
    measured_products,
    worth_it,
)
from embedsmith.exceptions import DeviceError, DeviceMemoryError, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embedsmith._typing import F32Array, I64Array
    from embedsmith.backends._st_config import SpaceConfig
    from embedsmith.backends._token_rows import TokenRows

__all__ = [
    "TORCH_PRECISIONS",
    "TorchForward",
    "check_precision",
    "out_of_memory",
    "products_setting",
    "reads_ids",
    "table_rows",
]

TORCH_PRECISIONS = ("fp32", "bf16", "fp16")
_FEATURE = "The sentence-transformers backend"
_log = logging.getLogger(__name__)
# The core's names of the instructions that multiply bfloat16.
_BF16_ISAS = frozenset({"avx512bf16", "amx"})
_TENSORS = frozenset({"input_ids", "attention_mask", "token_type_ids"})
_PROBE = ["a text", "another text"]


def check_precision(precision: str, device: str) -> None:
    """Accept a precision that pays on a device.

    Raises
    ------
    DeviceError
        Where it would be slower than float32 by far, or cannot run.
    ModelError
        If there is no such precision.
    """
    if precision not in TORCH_PRECISIONS:
        msg = f"precision is {precision!r}; a torch model runs in {', '.join(TORCH_PRECISIONS)}."
        raise ModelError(msg)
    if device != "cpu" or precision == "fp32":
        return
    if precision == "fp16":
        msg = (
            "precision='fp16' is for GPUs: CPUs compute it several times slower than float32. Use "
            "precision='bf16' where the CPU has AVX-512 BF16 or AMX, else 'fp32'."
        )
        raise DeviceError(msg)
    isas = available_isas()
    if not _BF16_ISAS.intersection(isas):
        msg = (
            "precision='bf16' needs a CPU with AVX-512 BF16 or AMX (Intel Sapphire Rapids, AMD "
            f"Zen 4, or newer); this one has {', '.join(isas)}. Use precision='fp32'."
        )
        raise DeviceError(msg)


def products_setting() -> str | None:
    """Return torch's setting for float32 products on this CPU; None leaves it as it is.

    Loads torch only on processors where there may be something to gain.
    """
    if not may_be_slow():
        return None
    torch = require("torch", extra="st", feature=_FEATURE)
    found = measured_products(torch.get_num_threads())
    setting = "medium" if worth_it(found) else None
    _log.info(
        "torch multiplies float32 with float32_matmul_precision=%r: of 'medium', the error is %.1e "
        "and the gain %s",
        setting or torch.get_float32_matmul_precision(),
        found.error,
        "not measured" if found.gain is None else f"{found.gain:.1f}x",
    )
    return setting


def out_of_memory(error: BaseException, path: object, device: str) -> DeviceMemoryError | None:
    """Return what to raise if torch found no memory for a model, None if it failed otherwise."""
    torch = require("torch", extra="st", feature=_FEATURE)
    if not isinstance(error, torch.cuda.OutOfMemoryError):
        return None
    torch.cuda.empty_cache()
    msg = (
        f"{path} does not fit into the memory of device={device!r}: {error}. Free memory there "
        "(nvidia-smi shows who holds it), lower batch_size (--batch-size), or use device='cpu' "
        "(--device cpu)."
    )
    return DeviceMemoryError(msg)


class TorchForward:
    """A loaded model, fed with token ids that were read once.

    Parameters
    ----------
    model : SentenceTransformer
        Loaded, on its device. Its linear layers are cast for any precision but fp32.
    space : SpaceConfig
        Where texts are cut.
    device : str
        ``"cpu"`` or ``"cuda:N"``.
    precision : {"fp32", "bf16", "fp16"}
        Of the linear layers and attention; sums, norms and pooling stay in float32.
    where : str
        Names the model in errors.
    """

    def __init__(
        self, model: Any, space: SpaceConfig, *, device: str, precision: str, where: str
    ) -> None:
        self._torch = require("torch", extra="st", feature=_FEATURE)
        # As the library's encode() does: a Dropout of modules.json would drop columns at random.
        self._model = model.eval()
        self._device = device
        self._where = where
        self._truncate_dim = model.truncate_dim
        self._pad_id = int(getattr(model.tokenizer, "pad_token_id", None) or 0)
        self._dtype = {
            "fp32": None,
            "bf16": self._torch.bfloat16,
            "fp16": self._torch.float16,
        }[precision]
        if self._dtype is not None:
            # What autocast would do anew in every call; its results are the same.
            for layer in model.modules():
                if isinstance(layer, self._torch.nn.Linear):
                    layer.to(self._dtype)
        self._fast_products = (
            precision == "fp32" and device == "cpu" and products_setting() is not None
        )
        self._reader = TokenReader(
            _own_tokenizer(model.tokenizer, where),
            max_tokens=space.max_tokens,
            side=space.truncation_side,
            where=where,
        )

    def read(self, texts: Sequence[str], prompt: str) -> tuple[TokenRows, I64Array]:
        """Return the token ids of texts, and their counts before cutting."""
        return self._reader.read(texts, prompt)

    def run(self, rows: TokenRows, positions: I64Array) -> F32Array:
        """Return the vectors of one forward pass over some rows.

        Raises
        ------
        DeviceMemoryError
            If the batch does not fit into the device's memory.
        """
        torch = self._torch
        ids, mask = rows.padded(positions, self._pad_id)
        features = {
            "input_ids": torch.from_numpy(ids).to(self._device, non_blocking=True),
            "attention_mask": torch.from_numpy(mask).to(self._device, non_blocking=True),
            "modality": "text",
        }
        with torch.inference_mode(), self.precision(), self._memory(len(positions), ids.shape[1]):
            vectors = self._model(features)["sentence_embedding"][:, : self._truncate_dim]
            return np.ascontiguousarray(vectors.float().cpu().numpy())

    def precision(self) -> contextlib.AbstractContextManager[Any]:
        """Return a context in which the model computes in its precision."""
        if self._dtype is None:
            return fast_products(self._torch) if self._fast_products else contextlib.nullcontext()
        context: contextlib.AbstractContextManager[Any] = self._torch.autocast(
            self._device.split(":")[0], dtype=self._dtype
        )
        return context

    @contextlib.contextmanager
    def _memory(self, n_texts: int, longest: int) -> Iterator[None]:
        try:
            yield
        except self._torch.cuda.OutOfMemoryError as error:
            # What the failed attempt held is free again for the smaller ones.
            self._torch.cuda.empty_cache()
            msg = (
                f"{self._where}: {n_texts} texts of {longest} tokens do not fit into the memory of "
                f"device={self._device!r}: {error}. Lower batch_size (--batch-size) or max_tokens."
            )
            raise DeviceMemoryError(msg) from error


def reads_ids(model: Any, modules: tuple[Any, ...]) -> bool:
    """Tell whether ids and mask are all that a model's modules need of a text.

    Not of models with static embeddings, nor where pooling leaves the prompt out, nor where texts
    are filled up on the left.
    """
    if modules[0].kind != "Transformer" or getattr(model.tokenizer, "padding_side", "") != "right":
        return False
    if any(module.config.get("include_prompt") is False for module in modules):
        return False
    features = model.preprocess(_PROBE)
    tensors = {name for name, value in features.items() if hasattr(value, "shape")}
    types = features.get("token_type_ids")
    return tensors <= _TENSORS and (types is None or not bool(types.any()))


def _own_tokenizer(tokenizer: Any, where: str) -> Any:
    """Return a copy of the model's tokenizer.

    A copy, because truncation and padding are states of a fast tokenizer, and the model relies on
    its own.
    """
    tokenizers = require("tokenizers", extra="st", feature=_FEATURE)
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not isinstance(backend, tokenizers.Tokenizer):
        msg = (
            f"{where} has no fast tokenizer ({type(tokenizer).__name__}), so what is cut off "
            "cannot be counted. Save it with a tokenizer.json."
        )
        raise ModelError(msg)
    return tokenizers.Tokenizer.from_str(backend.to_str())


def table_rows(module: Any) -> int | None:
    """Return how many words the table of a transformer has; None for modules without one."""
    inner = getattr(module, "auto_model", None)
    find = getattr(inner, "get_input_embeddings", None)
    weight = getattr(find(), "weight", None) if find is not None else None
    return None if weight is None else int(weight.shape[0])
