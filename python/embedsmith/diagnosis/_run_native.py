"""In a process of its own: how fast the native encoder multiplies here, against the processor.

A made-up BERT of two layers, of the sizes of all-MiniLM-L6-v2, so that no model has to be there.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith import _core
from embedsmith.backends.native import NATIVE_FORMATS, checked_precision
from embedsmith.exceptions import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run"]

_HIDDEN, _INNER, _HEADS, _LAYERS, _VOCABULARY, _PLACES = 384, 1536, 12, 2, 64, 128
_TEXTS, _TOKENS = 32, 64
# What of this machine is asked for something else now and then: the best round is what it can do.
_ROUNDS, _LIMIT_S = 5, 0.4
# Kinds of products by the format that they are for; the fastest of them is the peak.
_PEAKS = {"f32": ("f32",), "bf16": ("bf16", "amx_bf16"), "int8": ("int8", "amx_int8")}


def run(also: list[str], answer: Callable[[Any], None]) -> None:
    """Answer rates in 1e9 operations a second, for each precision that is fast here.

    ``{"trying": precision}``, and then ``{"precision", "alone", "together", "threads", "peak",
    "close"}``: by one thread, by all, the peak of one thread (None where none is known), and the
    least cosine with the vectors of float32.

    Parameters
    ----------
    also : list of str
        Not used.
    answer : callable
        Takes each answer.
    """
    del also
    ids = np.random.default_rng(3).integers(5, _VOCABULARY, _TEXTS * _TOKENS).astype(np.uint32)
    offsets = np.arange(_TEXTS + 1, dtype=np.int64) * _TOKENS
    exact: Any = None
    with tempfile.TemporaryDirectory() as folder:
        write_tiny_bert(Path(folder))
        for precision in NATIVE_FORMATS:
            try:
                checked_precision(precision)
            except DeviceError:
                # The processor would have to imitate it; nothing runs in it by itself.
                continue
            answer({"trying": precision})
            model = _opened(Path(folder), precision)
            start = time.perf_counter()
            vectors = model.encode(ids[:_TOKENS], offsets[:2]).astype("f8")
            exact = vectors if exact is None else exact
            # Where a text takes long, few of them tell as much.
            texts = int((time.perf_counter() - start) * _TEXTS < _LIMIT_S) * (_TEXTS - 1) + 1
            some, ends = ids[: texts * _TOKENS], offsets[: texts + 1]
            peaks = _core.peak_rates()
            known = [peaks[kind] for kind in _PEAKS.get(precision, ()) if kind in peaks]
            operations = model.operations_per_token * len(some)
            answer(
                {
                    "precision": precision,
                    "alone": operations / _best(model, some, ends, 1) / 1e9,
                    "together": operations / _best(model, some, ends, None) / 1e9,
                    "threads": _core.thread_count(),
                    "peak": max(known, default=None),
                    "close": float((vectors * exact).sum(axis=1).min()),
                }
            )


def _best(model: _core.NativeModel, ids: Any, offsets: Any, threads: int | None) -> float:
    """Return the seconds of the best of some rounds."""
    best, begun = float("inf"), time.perf_counter()
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        model.encode(ids, offsets, threads)
        best = min(best, time.perf_counter() - start)
        if time.perf_counter() - begun > _LIMIT_S:
            break
    return best


def _opened(folder: Path, precision: str) -> _core.NativeModel:
    return _core.NativeModel(
        config=(folder / "config.json").read_text(encoding="utf-8"),
        weights=[folder / "model.safetensors"],
        tokenizer=folder / "tokenizer.json",
        poolings=["mean"],
        dense=[],
        normalize=True,
        columns=_HIDDEN,
        max_tokens=_PLACES,
        truncation_side="right",
        precision=precision,
    )


def write_tiny_bert(folder: Path) -> None:
    """Write a BERT of made-up weights: configuration, tokenizer and safetensors.

    Parameters
    ----------
    folder : Path
        Where to; it exists.
    """
    config = {
        "model_type": "bert",
        "hidden_size": _HIDDEN,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": _HEADS,
        "intermediate_size": _INNER,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "vocab_size": _VOCABULARY,
        "max_position_embeddings": _PLACES,
        "type_vocab_size": 2,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += [f"w{n}" for n in range(len(words), _VOCABULARY)]
    tokenizer: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {word: number for number, word in enumerate(words)},
            "unk_token": "[UNK]",
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    draw = np.random.default_rng(5)
    header: dict[str, Any] = {}
    content = bytearray()
    for name, shape in _shapes().items():
        if name.endswith("LayerNorm.weight"):
            values = np.ones(shape, dtype="<f4")
        else:
            values = draw.normal(0, 0.05, shape).astype("<f4")
        start = len(content)
        content += values.tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(shape),
            "data_offsets": [start, len(content)],
        }
    head = json.dumps(header).encode("ascii")
    (folder / "model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + content)


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (_VOCABULARY, _HIDDEN),
        "embeddings.position_embeddings.weight": (_PLACES, _HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, _HIDDEN),
        "embeddings.LayerNorm.weight": (_HIDDEN,),
        "embeddings.LayerNorm.bias": (_HIDDEN,),
    }
    for layer in range(_LAYERS):
        place = f"encoder.layer.{layer}"
        maps = {
            "attention.self.query": (_HIDDEN, _HIDDEN),
            "attention.self.key": (_HIDDEN, _HIDDEN),
            "attention.self.value": (_HIDDEN, _HIDDEN),
            "attention.output.dense": (_HIDDEN, _HIDDEN),
            "intermediate.dense": (_INNER, _HIDDEN),
            "output.dense": (_HIDDEN, _INNER),
        }
        for name, shape in maps.items():
            shapes[f"{place}.{name}.weight"] = shape
            shapes[f"{place}.{name}.bias"] = shape[:1]
        for name in ("attention.output", "output"):
            shapes[f"{place}.{name}.LayerNorm.weight"] = (_HIDDEN,)
            shapes[f"{place}.{name}.LayerNorm.bias"] = (_HIDDEN,)
    return shapes
