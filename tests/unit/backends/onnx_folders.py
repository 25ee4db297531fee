"""Small folders with ONNX graphs, made here: a table of token vectors, and what is asked of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

if TYPE_CHECKING:
    from pathlib import Path

WORDS = [f"w{n}" for n in range(40)]
VOCABULARY = {
    "[PAD]": 0,
    "[CLS]": 1,
    "[SEP]": 2,
    "[UNK]": 3,
    **{w: 4 + n for n, w in enumerate(WORDS)},
}
DIM = 8
TABLE = np.random.default_rng(7).normal(size=(len(VOCABULARY), DIM)).astype(np.float32)


def tokenizer() -> Tokenizer:
    made = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))  # noqa: S106 - no secret
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    # A leftover, as real files have them: nothing may obey it.
    made.enable_truncation(5)
    made.enable_padding(length=9)
    return made


def value(name: str, kind: int, shape: list[Any]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def graph(
    *,
    nodes: list[onnx.NodeProto] | None = None,
    table: np.ndarray = TABLE,
    inputs: tuple[str, ...] = ("input_ids", "attention_mask"),
    output: tuple[str, list[Any]] = ("last_hidden_state", ["b", "t", DIM]),
) -> onnx.ModelProto:
    """Return a graph that looks token vectors up, or one of these nodes over ``table``."""
    made = helper.make_graph(
        nodes or [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
        "tiny",
        [value(name, TensorProto.INT64, ["b", "t"]) for name in inputs],
        [value(output[0], TensorProto.FLOAT, output[1])],
        [numpy_helper.from_array(table, "table")],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=8)


def write(path: Path, model: onnx.ModelProto | None = None, **files: Any) -> Path:
    """Write a sentence-transformers folder around a graph; ``files`` replace JSON files."""
    kind = "sentence_transformers.models."
    contents: dict[str, Any] = {
        "modules": [
            {"idx": 0, "name": "0", "path": "", "type": f"{kind}Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{kind}Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": f"{kind}Normalize"},
        ],
        "config": {"model_type": "bert", "max_position_embeddings": 64, "hidden_size": DIM},
        "sentence_bert_config": {"max_seq_length": 12},
        "tokenizer_config": {"model_max_length": 64},
        "1_Pooling/config": {"word_embedding_dimension": DIM, "pooling_mode_mean_tokens": True},
        **files,
    }
    for name, content in contents.items():
        file = path / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))
    tokenizer().save(str(path / "tokenizer.json"))
    (path / "onnx").mkdir()
    (path / "onnx" / "model.onnx").write_bytes((model or graph()).SerializeToString())
    return path


def expected(text: str, *, max_tokens: int = 12) -> np.ndarray:
    """Return the vector of a text by hand: the mean of its tokens' rows, scaled to length 1."""
    words = [VOCABULARY.get(word, 3) for word in text.split()][: max_tokens - 2]
    mean = TABLE[[1, *words, 2]].astype(np.float64).mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))
