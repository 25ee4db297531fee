"""ONNX models that are damaged, foreign or made to harm: refused by name, never a crash."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the extra 'onnx' is not installed")
pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from embedsmith.backends.onnx import OnnxEncoder  # noqa: E402
from embedsmith.exceptions import ModelError, UnsafeModelError  # noqa: E402
from tests.unit.backends import onnx_folders  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
# Fixed, so that a failure is the same everywhere; another start looks at other files.
FIRST, COUNT = 20_000, 250


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
def test_no_spoiled_file_crashes_the_process_or_ends_in_an_unnamed_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz_onnx", str(tmp_path), str(FIRST), str(COUNT)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *sys.path)))},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, (done.returncode, lines[-1:], done.stderr[-2000:])
    counts = json.loads(lines[-1].removeprefix("counts "))
    assert "unnamed" not in counts, [line for line in lines if not line.startswith("trying")]
    assert "slow" not in counts, [line for line in lines if line.startswith("slow")]
    # The fuzzer spoils: most folders are refused. And not everything is: some changes do no harm.
    assert counts["ModelError"] > COUNT / 3
    assert counts["embedded"] > COUNT / 20


def folder_of(path: Path, model: Any) -> Path:
    return onnx_folders.write(path / "model", model)


def refused(folder: Path, kind: type[ModelError], said: str) -> None:
    with pytest.raises(kind, match=said):
        OnnxEncoder(folder, threads=1).encode(["w1"], role="query")


@pytest.fixture
def outside(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that moves the weights out of a folder, and leaves a link of a kind."""

    def make(link: str) -> Path:
        folder = onnx_folders.write(tmp_path / "model")
        graph = folder / "onnx" / "model.onnx"
        onnx.save_model(
            onnx.load(graph),
            str(graph),
            save_as_external_data=True,
            location="model.onnx_data",
            size_threshold=0,
        )
        data = folder / "onnx" / "model.onnx_data"
        moved = tmp_path / "moved"
        shutil.move(data, moved)
        if link == "absolute":
            data.symlink_to(moved)
        elif link == "relative":
            data.symlink_to(Path("..") / ".." / "moved")
        else:
            (tmp_path / "between").symlink_to(moved)
            data.symlink_to(tmp_path / "between")
        return folder

    return make


@pytest.mark.parametrize("link", ["absolute", "relative", "twice"])
def test_weights_behind_a_link_out_of_the_folder_are_refused_when_it_is_opened(
    outside: Callable[[str], Path], link: str
) -> None:
    folder = outside(link)
    with pytest.raises(UnsafeModelError, match="is a link that leads out of its folder"):
        OnnxEncoder(folder)


def table_of(*dims: int, kind: int = TensorProto.FLOAT) -> Any:
    """Return a graph whose table declares these dimensions and holds four numbers."""
    model = onnx_folders.graph()
    tensor = model.graph.initializer[0]
    del tensor.dims[:]
    tensor.dims.extend(dims)
    tensor.data_type = kind
    tensor.raw_data = b"\0" * 16
    return model


@pytest.mark.parametrize("dims", [(2**40, 8), (2**62, 2**62), (-1, 8), (44, 2**33)])
def test_a_tensor_that_declares_more_than_it_holds_is_refused(
    tmp_path: Path, dims: tuple[int, ...]
) -> None:
    refused(folder_of(tmp_path, table_of(*dims)), ModelError, "cannot be loaded|does not fit")


def test_a_tensor_of_no_known_type_is_refused(tmp_path: Path) -> None:
    refused(folder_of(tmp_path, table_of(44, 8, kind=9999)), ModelError, "cannot be loaded")


def test_an_output_of_another_type_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    model = onnx_folders.graph()
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    with pytest.raises(ModelError, match="neither an output of token vectors"):
        OnnxEncoder(folder_of(tmp_path, model))


def test_an_output_of_another_shape_than_declared_is_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["all"]),
        helper.make_node("ReduceMax", ["all"], ["last_hidden_state"], axes=[1], keepdims=0),
    ]
    model = onnx_folders.graph(nodes=nodes)
    # Ranks that contradict each other only once it runs.
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    for _ in range(3):
        model.graph.output[0].type.tensor_type.shape.dim.add()
    refused(folder_of(tmp_path, model), ModelError, r"of shape \(1, 8\) for 1 texts|cannot be")


def in_8_bits() -> Any:
    """Return a graph that looks its vectors up in 8 bits, as exports in int8 do."""
    model = onnx_folders.graph(
        nodes=[
            helper.make_node(
                "GatherBlockQuantized",
                ["codes", "input_ids", "scales"],
                ["last_hidden_state"],
                domain="com.microsoft",
                bits=8,
                block_size=16,
                gather_axis=0,
                quantize_axis=1,
            )
        ]
    )
    rows = len(onnx_folders.VOCABULARY)
    codes = np.arange(rows * onnx_folders.DIM, dtype=np.uint8).reshape(rows, onnx_folders.DIM)
    tables = [
        numpy_helper.from_array(codes, "codes"),
        numpy_helper.from_array(np.ones((rows, 1), np.float32), "scales"),
    ]
    del model.graph.initializer[:]
    model.graph.initializer.extend(tables)
    return model


def with_words(folder: Path, *words: str) -> Path:
    """Give the tokenizer words that the graph does not know."""
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary.update({word: len(vocabulary) + at for at, word in enumerate(words)})
    file.write_text(json.dumps(content))
    return folder


def test_a_tokenizer_with_more_words_than_a_table_in_8_bits_is_refused(tmp_path: Path) -> None:
    # onnxruntime looks nothing up beyond such a table and says nothing: the vector would be wrong.
    folder = folder_of(tmp_path, in_8_bits())
    assert OnnxEncoder(folder, threads=1).encode(["w1"], role="query").vectors.any()
    refused(with_words(folder, "new"), ModelError, "its ids go up to 44, the graph knows 44")


def test_a_tokenizer_with_more_words_than_a_table_that_is_not_found_is_refused(
    tmp_path: Path,
) -> None:
    nodes = [
        helper.make_node("Identity", ["table"], ["hidden"]),
        helper.make_node("Gather", ["hidden", "input_ids"], ["last_hidden_state"]),
    ]
    folder = folder_of(tmp_path, onnx_folders.graph(nodes=nodes))
    assert OnnxEncoder(folder, threads=1).encode(["w1"], role="query").vectors.any()
    # No text asks for the word: it is refused when the model is loaded all the same.
    refused(with_words(folder, "new"), ModelError, "cannot be run.*idx=44")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tokenizer: tokenizer["model"]["vocab"].pop("[UNK]"), "Missing .UNK. token"),
        (lambda tokenizer: tokenizer.update(model={"type": "none"}), "cannot be used"),
        (lambda tokenizer: tokenizer.update(post_processor=None), ""),
    ],
    ids=["without its unknown word", "without a model", "without special tokens"],
)
def test_a_tokenizer_that_contradicts_itself_is_refused_or_works(
    tmp_path: Path, change: Callable[[Any], Any], said: str
) -> None:
    folder = onnx_folders.write(tmp_path / "model")
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    encoder = OnnxEncoder(folder, threads=1)
    if not said:
        assert encoder.encode(["w1 w2"], role="query").n_tokens.tolist() == [2]
        return
    with pytest.raises(ModelError, match=said) as error:
        encoder.encode(["w1", "unheard"], role="query")
    assert str(file) in str(error.value)
