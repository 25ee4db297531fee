"""Graphs that are refused before any runtime sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the extra 'onnx'")
pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")

from onnx import TensorProto, helper

from embedsmith.backends import load_encoder
from embedsmith.backends.onnx import _encoder
from embedsmith.exceptions import ModelError, UnsafeModelError
from tests.unit.backends.onnx_folders import DIM, TABLE, expected, graph, value, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_session(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if a session is made: all that is refused here is refused before."""
    if "allowed" not in request.node.name:
        monkeypatch.setattr(_encoder, "SessionMaker", pytest.fail)


def load(path: Path) -> None:
    load_encoder(f"onnx:{path}", cache=False)


def external(location: str, **facts: int) -> Any:
    """Return a graph whose table lies in another file."""
    model = graph()
    table = model.graph.initializer[0]
    table.ClearField("raw_data")
    table.data_location = TensorProto.EXTERNAL
    for key, entry in {"location": location, **facts}.items():
        table.external_data.add(key=key, value=str(entry))
    return model


@pytest.mark.parametrize("keep", [0, 1, 40, 0.5, 0.99])
def test_a_graph_that_is_cut_off_is_refused(tmp_path: Path, keep: float) -> None:
    path = write(tmp_path / "m")
    file = path / "onnx" / "model.onnx"
    content = file.read_bytes()
    file.write_bytes(content[: int(keep if keep >= 1 else keep * len(content))])
    with pytest.raises(ModelError, match=r"model\.onnx .*cut off or damaged.*[Cc]opy or download"):
        load(path)


def test_a_git_lfs_pointer_is_told_from_a_graph(tmp_path: Path) -> None:
    path = write(tmp_path / "m")
    (path / "onnx" / "model.onnx").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ModelError, match="lfs pull"):
        load(path)


@pytest.mark.parametrize(
    ("domain", "kind"),
    [("my.ops", "Gather"), ("ai.onnx.contrib", "BertTokenizer"), ("com.microsoft", "EPContext")],
)
def test_an_operator_that_runs_foreign_code_is_refused(
    tmp_path: Path, domain: str, kind: str
) -> None:
    node = helper.make_node(kind, ["table", "input_ids"], ["last_hidden_state"], domain=domain)
    with pytest.raises(UnsafeModelError, match=rf"{domain}::{kind}"):
        load(write(tmp_path / "m", graph(nodes=[node])))


def test_an_operator_that_hides_in_an_inner_graph_is_refused(tmp_path: Path) -> None:
    def branch(name: str, domain: str) -> Any:
        inner = helper.make_node("Gather", ["table", "input_ids"], [name], domain=domain)
        return helper.make_graph([inner], name, [], [value(name, TensorProto.FLOAT, [])])

    nodes = [
        helper.make_node("Constant", [], ["yes"], value_int=1),
        helper.make_node("Cast", ["yes"], ["flag"], to=TensorProto.BOOL),
        helper.make_node(
            "If",
            ["flag"],
            ["last_hidden_state"],
            then_branch=branch("a", ""),
            else_branch=branch("b", "evil"),
        ),
    ]
    with pytest.raises(UnsafeModelError, match="evil::Gather"):
        load(write(tmp_path / "m", graph(nodes=nodes)))


def test_an_operator_that_hides_in_a_function_is_refused(tmp_path: Path) -> None:
    model = graph()
    inner = helper.make_node("Gather", ["a"], ["b"], domain="evil")
    model.functions.append(
        helper.make_function("ai.onnx", "F", ["a"], ["b"], [inner], [helper.make_opsetid("", 17)])
    )
    with pytest.raises(UnsafeModelError, match="evil::Gather"):
        load(write(tmp_path / "m", model))


@pytest.mark.parametrize(
    "location",
    ["../secret", "/etc/passwd", "a/b", "..", "", "C:\\x", "*/_ORT_MEM_ADDR_/*", "~/x", ".hidden"],
)
def test_weights_outside_the_folder_are_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "secret").write_bytes(b"0" * 4096)
    with pytest.raises(UnsafeModelError, match="no file of its own folder"):
        load(write(tmp_path / "m", external(location)))


def test_weights_of_a_constant_outside_the_folder_are_refused(tmp_path: Path) -> None:
    away = external("../secret").graph.initializer[0]
    nodes = [
        helper.make_node("Constant", [], ["away"], value=away),
        helper.make_node("Gather", ["away", "input_ids"], ["last_hidden_state"]),
    ]
    with pytest.raises(UnsafeModelError, match="no file of its own folder"):
        load(write(tmp_path / "m", graph(nodes=nodes)))


def test_weights_beside_the_graph_that_are_missing_or_short_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "m", external("model.onnx_data", offset=0, length=TABLE.nbytes))
    with pytest.raises(ModelError, match=r"model\.onnx_data is missing"):
        load(path)
    (path / "onnx" / "model.onnx_data").write_bytes(TABLE.tobytes()[:-1])
    with pytest.raises(ModelError, match=r"model\.onnx_data is cut off"):
        load(path)


def test_weights_beside_the_graph_are_allowed(tmp_path: Path) -> None:
    path = write(tmp_path / "m", external("model.onnx_data", offset=0, length=TABLE.nbytes))
    data = path / "onnx" / "model.onnx_data"
    data.write_bytes(TABLE.tobytes())
    encoder = load_encoder(f"onnx:{path}", cache=False)
    np.testing.assert_allclose(
        encoder.encode(["w1 w2"], role="document").vectors[0], expected("w1 w2"), atol=1e-6
    )
    before = encoder.fingerprint
    data.write_bytes((TABLE + 1).tobytes())
    again = load_encoder(f"onnx:{path}", cache=False)
    assert again.fingerprint.differences(before) == ("graph",)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (("input_ids", "attention_mask", "pixel_values"), "asks for the input 'pixel_values'"),
        (("input_ids",), "needs input_ids and attention_mask"),
    ],
)
def test_a_graph_that_takes_no_texts_is_refused(
    tmp_path: Path, inputs: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        load(write(tmp_path / "m", graph(inputs=inputs)))


def test_a_graph_without_vectors_is_refused(tmp_path: Path) -> None:
    # A pooler's output is not the model's vector, whatever its shape.
    with pytest.raises(ModelError, match="neither an output of token vectors"):
        load(write(tmp_path / "m", graph(output=("pooler_output", ["b", DIM]))))


def test_a_module_that_is_not_in_the_graph_is_named(tmp_path: Path) -> None:
    kind = "sentence_transformers.models."
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": f"{kind}Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{kind}Pooling"},
        {"idx": 2, "name": "2", "path": "2_Dense", "type": f"{kind}Dense"},
    ]
    path = write(tmp_path / "m", **{"modules": modules, "2_Dense/config": {"out_features": 4}})
    with pytest.raises(ModelError, match="the module Dense, which is not part of the ONNX graph"):
        load(path)


def test_a_folder_without_a_graph_says_how_to_make_one(tmp_path: Path) -> None:
    path = write(tmp_path / "m")
    (path / "onnx" / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"no ONNX graph.*embedsmith export"):
        load(path)
    with pytest.raises(ModelError, match=r"does not exist.*Did you mean .*m\?"):
        load(tmp_path / "mm")
