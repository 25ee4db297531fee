"""Model folders made of files only: complete enough for every check that comes before torch."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write_safetensors(path: Path, *, fill: int = 0, dtype: str = "F32") -> None:
    """Write one tensor of shape (2, 4)."""
    data = bytes([fill]) * 32
    header = {"w": {"dtype": dtype, "shape": [2, 4], "data_offsets": [0, len(data)]}}
    head = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)


def make_model(path: Path, **files: Any) -> Path:
    """Write a complete folder; ``files`` replace contents by name, None leaves a file out.

    In a name, ``__`` stands for a dot and ``___`` for a slash.
    """
    contents: dict[str, Any] = {
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {
                "idx": 1,
                "name": "1",
                "path": "1_Pooling",
                "type": "sentence_transformers.models.Pooling",
            },
            {
                "idx": 2,
                "name": "2",
                "path": "2_Normalize",
                "type": "sentence_transformers.models.Normalize",
            },
        ],
        "config.json": {"model_type": "bert", "max_position_embeddings": 512, "hidden_size": 4},
        "sentence_bert_config.json": {"max_seq_length": 256, "do_lower_case": False},
        "config_sentence_transformers.json": {"__version__": {"pytorch": "1.8"}},
        "tokenizer.json": {"truncation": {"max_length": 128, "direction": "Right"}},
        "tokenizer_config.json": {"model_max_length": 512},
        "1_Pooling/config.json": {
            "word_embedding_dimension": 4,
            "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": True,
        },
    }
    for name, content in files.items():
        contents[name.replace("___", "/").replace("__", ".")] = content
    for name, content in contents.items():
        if content is None:
            continue
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    write_safetensors(path / "model.safetensors")
    return path


@pytest.fixture
def model_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of folders; each call makes another one."""
    made = 0

    def make(**files: Any) -> Path:
        nonlocal made
        made += 1
        return make_model(tmp_path / f"model-{made}", **files)

    return make
