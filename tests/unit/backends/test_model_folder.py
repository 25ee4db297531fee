"""A model folder that is incomplete, damaged or unsafe is refused before torch is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embedsmith.backends import load_encoder
from embedsmith.backends._model_folder import ModelFolder
from embedsmith.backends._st_config import read_space
from embedsmith.exceptions import ModelError, UnsafeModelError
from tests.unit.backends.conftest import write_safetensors

Maker = Callable[..., Path]
LIBRARY = "sentence_transformers.models."


def modules(*kinds: str, path: str = "") -> list[dict[str, Any]]:
    return [
        {"idx": at, "name": str(at), "path": path if at == 0 else f"{at}_{kind}", "type": kind}
        for at, kind in enumerate(kinds)
    ]


def test_a_complete_folder_is_read(model_folder: Maker) -> None:
    folder = ModelFolder.read(model_folder())
    assert [module.kind for module in folder.modules] == ["Transformer", "Pooling", "Normalize"]
    assert [file.name for file in folder.weights] == ["model.safetensors"]
    assert folder.dtypes == ("F32",)


def test_a_refusal_takes_no_torch(model_folder: Maker) -> None:
    folder = model_folder()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    program = f"""
import sys
from embedsmith.backends import load_encoder
from embedsmith.exceptions import UnsafeModelError
try:
    load_encoder("st:{folder}", cache=False)
except UnsafeModelError as error:
    print(error)
heavy = {{"torch", "transformers", "sentence_transformers"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "pickle" in done.stdout


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl"])
def test_a_pickle_only_folder_is_refused_with_the_conversion(
    model_folder: Maker, name: str
) -> None:
    folder = model_folder()
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(UnsafeModelError, match=r"pickle only .*save_file"):
        ModelFolder.read(folder)
    with pytest.raises(UnsafeModelError):
        ModelFolder.read(folder, trust_remote_code=True)


def test_a_pickle_beside_safetensors_is_left_alone(model_folder: Maker) -> None:
    folder = model_folder()
    (folder / "pytorch_model.bin").write_bytes(b"x")
    assert ModelFolder.read(folder).weights == (folder / "model.safetensors",)


def test_a_pickled_layer_behind_the_transformer_is_refused(model_folder: Maker) -> None:
    layers = modules(LIBRARY + "Transformer", LIBRARY + "Pooling", LIBRARY + "Dense")
    layers[2]["path"] = "2_Dense"
    layers[1]["path"] = "1_Pooling"
    folder = model_folder(
        modules__json=layers, **{"2_Dense___config__json": {"in_features": 4, "out_features": 2}}
    )
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(UnsafeModelError, match="2_Dense holds its weights as a pickle"):
        ModelFolder.read(folder)


def test_a_pickled_layer_is_refused_beside_safetensors_of_another_name(
    model_folder: Maker,
) -> None:
    layers = modules(LIBRARY + "Transformer", LIBRARY + "Dense")
    layers[1]["path"] = "1_Dense"
    folder = model_folder(
        modules__json=layers, **{"1_Dense___config__json": {"in_features": 4, "out_features": 2}}
    )
    (folder / "1_Dense" / "pytorch_model.bin").write_bytes(b"x")
    write_safetensors(folder / "1_Dense" / "decoy.safetensors")
    with pytest.raises(UnsafeModelError, match="1_Dense holds its weights as a pickle"):
        ModelFolder.read(folder, trust_remote_code=True)


@pytest.mark.parametrize("kind", ["Router", "Asym", "CLIPModel", "LSTM", "WordEmbeddings"])
def test_a_module_that_cannot_be_checked_is_refused_by_name(model_folder: Maker, kind: str) -> None:
    folder = model_folder(modules__json=modules(LIBRARY + "Transformer", LIBRARY + kind))
    for trusted in (False, True):
        with pytest.raises(ModelError, match=rf"lists the module {kind}, .*made of Dense"):
            ModelFolder.read(folder, trust_remote_code=trusted)


@pytest.mark.parametrize("shard", ["pytorch_model-1.bin", "../model.safetensors"])
def test_a_shard_that_is_no_safetensors_file_of_the_folder_is_refused(
    model_folder: Maker, shard: str
) -> None:
    folder = model_folder()
    (folder / "model.safetensors").unlink()
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"w": shard}}))
    with pytest.raises(UnsafeModelError, match="no safetensors file of its folder"):
        ModelFolder.read(folder)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", {"transformers_weights": "other.safetensors"}, "Rename that file"),
        ("sentence_bert_config.json", {"model_args": {"variant": "x"}}, "with variant"),
        ("sentence_bert_config.json", {"model_kwargs": {"gguf_file": "x"}}, "with gguf_file"),
    ],
)
def test_settings_that_choose_other_weights_are_refused(
    model_folder: Maker, file: str, content: dict[str, Any], message: str
) -> None:
    folder = model_folder()
    (folder / file).write_text(json.dumps(content))
    with pytest.raises(ModelError, match=message):
        ModelFolder.read(folder)


CODE: dict[str, dict[str, Any]] = {
    "auto_map": {"config__json": {"auto_map": {"AutoModel": "modeling.Model"}}},
    "auto_map inside": {"config__json": {"text": [{"auto_map": {"AutoModel": "x.Y"}}]}},
    "auto_map of the tokenizer": {"tokenizer_config__json": {"auto_map": {"AutoTokenizer": "a.B"}}},
    "python": {"modeling__py": "print('never run')"},
    "python further down": {"code___modeling__py": "print('never run')"},
    "foreign module": {"modules__json": modules("evil.Transformer")},
    "look-alike module": {"modules__json": modules("sentence_transformers_evil.Transformer")},
    "downloaded kernel": {"config__json": {"attn_implementation": "someone/kernel"}},
    "activation": {
        "1_Pooling___config__json": {
            "word_embedding_dimension": 4,
            "activation_function": "os.system",
        }
    },
}


@pytest.mark.parametrize("files", [pytest.param(files, id=name) for name, files in CODE.items()])
def test_code_from_the_folder_is_refused_unless_trusted(
    model_folder: Maker, files: dict[str, Any]
) -> None:
    folder = model_folder(**files)
    with pytest.raises(UnsafeModelError, match=r"trust_remote_code=True \(--trust-remote-code\)"):
        ModelFolder.read(folder)
    ModelFolder.read(folder, trust_remote_code=True)


@pytest.mark.parametrize("path", ["../other", "/etc", "a/../../b", "..\\other", "C:\\x"])
def test_a_module_outside_the_folder_is_refused_even_if_trusted(
    model_folder: Maker, path: str
) -> None:
    folder = model_folder(modules__json=modules(LIBRARY + "Transformer", path=path))
    with pytest.raises(UnsafeModelError, match="outside the model folder"):
        ModelFolder.read(folder, trust_remote_code=True)


MISSING: dict[str, tuple[dict[str, Any], str]] = {
    "modules.json": ({"modules__json": None}, r"bare transformer.*Pooling"),
    "config.json": ({"config__json": None}, r"no config\.json"),
    "tokenizer": ({"tokenizer__json": None}, "has no tokenizer"),
    "module folder": (
        {"modules__json": modules(LIBRARY + "Transformer", LIBRARY + "Dense")},
        "does not exist",
    ),
    "module list": ({"modules__json": []}, "does not list any module"),
    "module entry": ({"modules__json": [{"idx": 0}]}, "lacks 'type' or 'path'"),
    "adapter": ({"adapter_config__json": {}}, "merge_and_unload"),
    "tokenizer elsewhere": (
        {"sentence_bert_config__json": {"tokenizer_name_or_path": "/other"}},
        "delete 'tokenizer_name_or_path'",
    ),
    "other kind": (
        {"config_sentence_transformers__json": {"model_type": "SparseEncoder"}},
        "SparseEncoder",
    ),
    "json": ({"config__json": '{"model_type": "bert",\n oops}'}, "line 2, column 2"),
    "json type": ({"config__json": "[1]"}, "an object was expected"),
}


@pytest.mark.parametrize(
    ("files", "message"), [pytest.param(*case, id=name) for name, case in MISSING.items()]
)
def test_what_is_missing_is_named(model_folder: Maker, files: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        ModelFolder.read(model_folder(**files))


def test_missing_weights_are_named(model_folder: Maker) -> None:
    folder = model_folder()
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"has no weights: neither model\.safetensors"):
        ModelFolder.read(folder)


def test_a_missing_shard_is_named(model_folder: Maker) -> None:
    folder = model_folder()
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {"weight_map": {f"w{n}": f"model-0000{n}-of-00002.safetensors" for n in (1, 2)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"1 of 2 .*model-00002-of-00002"):
        ModelFolder.read(folder)


def test_cut_weights_are_refused(model_folder: Maker) -> None:
    folder = model_folder()
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelError, match="its header promises"):
        ModelFolder.read(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "lfs pull"),
        (b"", "do not start with a header"),
        (b"\xff" * 64, "do not start with a header"),
        (b"\x02" + b"\0" * 7 + b"[]", "not a table of tensors"),
        (b"\x02" + b"\0" * 7 + b"{x", "not a table of tensors"),
    ],
)
def test_what_is_no_safetensors_file_is_refused(
    model_folder: Maker, content: bytes, message: str
) -> None:
    folder = model_folder()
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        ModelFolder.read(folder)


def test_a_folder_that_is_not_there_offers_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "my-model").mkdir()
    with pytest.raises(ModelError, match=r"does not exist\. Did you mean .*my-model\?"):
        load_encoder(f"st:{tmp_path / 'my-modle'}", cache=False)


def test_a_file_in_place_of_a_folder_is_refused(model_folder: Maker) -> None:
    with pytest.raises(ModelError, match="is a file; name the folder"):
        load_encoder(f"st:{model_folder() / 'config.json'}", cache=False)


def test_a_folder_above_the_model_offers_the_model(model_folder: Maker) -> None:
    folder = model_folder()
    with pytest.raises(ModelError, match=f"Did you mean {folder}"):
        load_encoder(f"st:{folder.parent}", cache=False)


DEEP = '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"sentence_bert_config__json": {"max_seq_length": "256"}}, "max_seq_length is '256'"),
        ({"sentence_bert_config__json": {"max_seq_length": [256]}}, "max_seq_length is [256]"),
        ({"sentence_bert_config__json": {"max_seq_length": True}}, "max_seq_length is True"),
        ({"sentence_bert_config__json": {"max_seq_length": 0}}, "max_seq_length is 0"),
        ({"sentence_bert_config__json": {"max_seq_length": 0.5}}, "max_seq_length is 0.5"),
        ({"sentence_bert_config__json": {"tokenizer_args": [1]}}, "tokenizer_args is [1]"),
        ({"config__json": {"max_position_embeddings": {}}}, "max_position_embeddings is {}"),
        ({"1_Pooling___config__json": {"word_embedding_dimension": "4"}}, "is '4'"),
        ({"1_Pooling___config__json": {"word_embedding_dimension": -4}}, "is -4"),
        ({"1_Pooling___config__json": {"word_embedding_dimension": 2**40}}, "is 1099511627776"),
        (
            {"config_sentence_transformers__json": {"prompts": ["query: "]}},
            "prompts is ['query: ']",
        ),
        ({"config_sentence_transformers__json": {"prompts": {"query": 7}}}, "prompt 'query' is 7"),
        ({"config_sentence_transformers__json": {"truncate_dim": "4"}}, "truncate_dim is '4'"),
        ({"config_sentence_transformers__json": {"similarity_fn_name": ["dot"]}}, "['dot']"),
        ({"tokenizer_config__json": {"truncation_side": "top"}}, "truncation_side is 'top'"),
        ({"tokenizer__json": {"truncation": 128}}, "truncation is 128"),
        ({"config__json": DEEP}, "config.json cannot be read: maximum recursion"),
        ({"config__json": '{"a": ' + "9" * 5000 + "}"}, "config.json cannot be read: Exceeds"),
        ({"config__json": '{"a": "\\ud800"}'}, "config.json cannot be read: 'utf-8'"),
    ],
)
def test_settings_of_the_wrong_kind_are_named(
    model_folder: Maker, files: dict[str, Any], said: str
) -> None:
    with pytest.raises(ModelError) as error:
        read_space(ModelFolder.read(model_folder(**files)))
    assert said in str(error.value)
