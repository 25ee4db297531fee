"""The manifest of an export: there and back, and every way in which it or a file can be wrong."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from embedsmith._files import sha256_of
from embedsmith.backends import Fingerprint
from embedsmith.backends._export_manifest import (
    MANIFEST_FILE,
    ExportedFile,
    ExportedSpace,
    ExportManifest,
)
from embedsmith.exceptions import ModelError, UnsafeModelError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FIELDS = {"schema": "embedsmith.fingerprint/1", "weights": {"model.safetensors": "00"}, "dim": 4}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write an export whose graph is a text: nothing here looks into it."""
    for name in ("model.onnx", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_text(f"content of {name}")
    manifest(tmp_path).write(tmp_path)
    return tmp_path


def manifest(folder: Path) -> ExportManifest:
    files = {
        file.name: ExportedFile(sha256_of(file), file.stat().st_size)
        for file in sorted(folder.iterdir())
    }
    return ExportManifest(
        source={"name": "m", "fingerprint": Fingerprint(FIELDS).digest, "fields": FIELDS},
        space=ExportedSpace(
            dim=4,
            max_tokens=256,
            truncation_side="right",
            query_prompt="query: ",
            document_prompt="",
            metric="cosine",
            pooling=("mean",),
            normalize=True,
            pad_token_id=0,
        ),
        precision="fp32",
        target="cpu",
        graph={"family": "bert", "opset": 17, "layers": 6, "fused_layers": 0, "operators": {}},
        files=files,
        batch_invariance={"bitwise": True, "bound": 0.0, "texts": 8, "method": "alone and in 8"},
        parity={"cosine": {"min": 0.99999}},
        versions={"onnx": "1.0"},
        made_at="2026-01-01T00:00:00Z",
    )


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = folder / MANIFEST_FILE
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def test_what_was_written_reads_back(folder: Path) -> None:
    read = ExportManifest.read(folder)
    (folder / MANIFEST_FILE).unlink()
    assert read == manifest(folder)
    read.check_files(folder)


def test_a_folder_without_a_manifest_is_no_finished_export(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no finished export.*embedsmith export MODEL --to DIR"):
        ExportManifest.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(schema="embedsmith.export/2"), "schema 'embedsmith.export/2'"),
        (lambda m: m.pop("parity"), "lacks 'parity'"),
        (lambda m: m.update(more=1), "unknown 'more'"),
        (lambda m: m.update(precision="fp8"), "'precision' is 'fp8', not one of fp32"),
        (lambda m: m["space"].update(dim=0), "'dim' is 0"),
        (lambda m: m["space"].update(dim=True), "'dim' is True"),
        (lambda m: m["space"].update(max_tokens="all"), "'max_tokens' is 'all'"),
        (lambda m: m["space"].update(truncation_side="up"), "'truncation_side' is 'up'"),
        (lambda m: m["space"].pop("normalize"), "'space' lacks 'normalize'"),
        (lambda m: m["source"]["fields"].update(dim=8), "fingerprint of 'source'"),
        (lambda m: m["files"].pop("model.onnx"), "lists no model.onnx"),
        (lambda m: m["files"]["model.onnx"].update(sha256="x"), "hash of 'model.onnx'"),
    ],
)
def test_a_manifest_that_was_changed_is_refused_by_name(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    rewrite(folder, change)
    with pytest.raises(ModelError, match=message):
        ExportManifest.read(folder)


@pytest.mark.parametrize("name", ["../model.onnx", "/etc/passwd", "a/b", "..", ".hidden", "a\\b"])
def test_a_manifest_cannot_name_a_file_outside_its_folder(folder: Path, name: str) -> None:
    rewrite(folder, lambda m: m["files"].update({name: m["files"]["model.onnx"]}))
    with pytest.raises(UnsafeModelError, match="none of its folder"):
        ExportManifest.read(folder)


def test_a_changed_byte_is_found(folder: Path) -> None:
    known = ExportManifest.read(folder)
    (folder / "model.onnx").write_text("content of model.onny")
    with pytest.raises(ModelError, match=r"model\.onnx was changed since it was exported"):
        known.check_files(folder)


def test_a_truncated_file_is_found_by_its_size(folder: Path) -> None:
    known = ExportManifest.read(folder)
    (folder / "model.onnx").write_text("content")
    with pytest.raises(ModelError, match="has 7 bytes; 21 were exported"):
        known.check_files(folder)


def test_a_missing_file_is_found(folder: Path) -> None:
    known = ExportManifest.read(folder)
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(ModelError, match=r"tokenizer_config\.json is missing"):
        known.check_files(folder)


def test_a_link_is_refused_even_if_its_content_is_right(folder: Path) -> None:
    known = ExportManifest.read(folder)
    (folder / "model.onnx").rename(folder / "elsewhere")
    (folder / "model.onnx").symlink_to(folder / "elsewhere")
    with pytest.raises(UnsafeModelError, match="is a link"):
        known.check_files(folder)


def test_the_space_of_an_export_is_neither_the_original_s_nor_another_export_s(
    folder: Path,
) -> None:
    one = ExportManifest.read(folder)
    original = Fingerprint(FIELDS)
    other = dataclasses.replace(one, files={**one.files, "model.onnx": ExportedFile("0" * 64, 1)})
    assert len({original, one.fingerprint(), other.fingerprint()}) == 3
    assert one.fingerprint().differences(other.fingerprint()) == ("graph",)
    shorter = dataclasses.replace(one.space, max_tokens=64)
    assert one.fingerprint(shorter).differences(one.fingerprint()) == ("max_tokens",)
    coarser = dataclasses.replace(one, precision="int8")
    assert one.fingerprint().differences(coarser.fingerprint()) == ("precision",)
