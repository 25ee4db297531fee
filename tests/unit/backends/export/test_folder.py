"""The folder of an export appears whole or not at all, and a bad model never gets that far."""

from __future__ import annotations

import json
import resource
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from embedsmith.backends import export_model
from embedsmith.backends._export_manifest import ExportManifest
from embedsmith.backends._sample_texts import sample_texts
from embedsmith.backends.export._folder import folder_aside
from embedsmith.backends.export._texts import read_texts
from embedsmith.exceptions import (
    DataError,
    MissingDependencyError,
    ModelError,
    OutputError,
    ParseError,
)
from tests.unit.backends.export.conftest import make_export_model

if TYPE_CHECKING:
    from collections.abc import Callable

TEXTS = sample_texts()[:6]


@pytest.fixture
def model(families: Callable[[str], Path], tmp_path: Path) -> Path:
    """Copy a BERT folder that a test may spoil."""
    return shutil.copytree(families("bert"), tmp_path / "source")


def export(model: Path, to: Path, **options: Any) -> Any:
    return export_model(model, to, texts=TEXTS, **options)


def test_a_finished_folder_holds_what_its_manifest_lists(model: Path, tmp_path: Path) -> None:
    result = export(model, tmp_path / "out")
    read = ExportManifest.read(tmp_path / "out")
    assert read == result.manifest
    read.check_files(tmp_path / "out")
    found = {file.name for file in (tmp_path / "out").iterdir()}
    assert found == {*read.files, "embedsmith_export.json"}
    assert set(read.files) == {"model.onnx", "tokenizer.json", "tokenizer_config.json"}
    assert read.source["name"] == "source"


def test_the_same_model_gives_the_same_bytes(model: Path, tmp_path: Path) -> None:
    files = [export(model, tmp_path / name).manifest.files for name in ("a", "b")]
    assert files[0] == files[1]


def test_prompts_limit_and_cut_become_part_of_the_export(model: Path, tmp_path: Path) -> None:
    space = export(
        model, tmp_path / "out", query_prompt="ask: ", max_tokens=40, truncate_dim=16
    ).manifest.space
    assert (space.query_prompt, space.max_tokens, space.dim) == ("ask: ", 40, 16)


def test_a_folder_that_holds_something_is_left_alone(model: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "thesis.txt").write_text("three years")
    for force in (False, True):
        with pytest.raises(OutputError, match="holds files that are no export"):
            export(model, taken, force=force)
    assert (taken / "thesis.txt").read_text() == "three years"
    with pytest.raises(OutputError, match="does not exist. Create it"):
        export(model, tmp_path / "no" / "such")
    with pytest.raises(OutputError, match="is no folder"):
        export(model, taken / "thesis.txt")


def test_an_export_is_replaced_only_when_asked(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    first = export(model, out)
    with pytest.raises(OutputError, match="--force"):
        export(model, out)
    second = export(model, out, force=True, truncate_dim=8)
    assert ExportManifest.read(out) == second.manifest != first.manifest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]


def test_what_stood_there_still_stands_after_a_failure(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    first = export(model, out)

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("embedsmith.backends.export._export.check_parity", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(model, out, force=True)
    assert ExportManifest.read(out) == first.manifest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]


def test_what_stood_there_comes_back_after_a_stop_between_the_two_renames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "export"
    target.mkdir()
    (target / "a").write_text("before")
    real = Path.rename

    def rename(self: Path, to: Path) -> Path:
        # The new folder's turn: the one before has left its place already.
        if to == target and not self.name.endswith(".old"):
            raise KeyboardInterrupt
        return real(self, to)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(KeyboardInterrupt), folder_aside(target) as aside:
        (aside / "a").write_text("after")
    assert [(file.name, file.read_text()) for file in target.iterdir()] == [("a", "before")]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda tokenizer: tokenizer["model"]["vocab"].update(unheard=400),
            "has ids up to 400, .* for 400 ids, from 0 on: they are of two models. Copy both",
        ),
        (
            lambda tokenizer: tokenizer["added_tokens"].append({"id": 999, "content": "<new>"}),
            "has ids up to 999",
        ),
        (lambda tokenizer: tokenizer.pop("model"), "cannot be used: Model missing"),
    ],
    ids=["a word too many", "a token too many", "no model"],
)
def test_a_tokenizer_that_does_not_fit_is_refused_by_its_name_before_anything_is_written(
    model: Path, tmp_path: Path, change: Callable[[Any], Any], said: str
) -> None:
    file = model / "tokenizer.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    told: list[str] = []
    with pytest.raises(ModelError, match=said) as error:
        export(model, tmp_path / "out", progress=told.append)
    assert str(file) in str(error.value)
    assert told == []


@pytest.mark.parametrize("library", ["tokenizers", "onnx"])
def test_a_library_that_is_missing_is_named_and_not_the_model(
    model: Path, tmp_path: Path, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingDependencyError, match=rf"needs '{library}'.*embedsmith\[onnx\]"):
        export(model, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_full_disk_is_said_and_leaves_nothing(model: Path, tmp_path: Path) -> None:
    script = (
        "import resource, signal, sys\n"
        "from embedsmith.backends import export_model\n"
        "from embedsmith.exceptions import OutputError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, {resource.RLIM_INFINITY}))\n"
        "try:\n"
        f"    export_model({str(model)!r}, {str(tmp_path / 'out')!r}, texts=['a'])\n"
        "except OutputError as error:\n"
        "    sys.stdout.write(f'refused: {error}')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.startswith(f"refused: {tmp_path / 'out'} cannot be written: File too large")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def rewrite_tensors(file: Path, change: Callable[[dict[str, Any], bytes], bytes]) -> None:
    """Rewrite a safetensors file: ``change`` edits the header and returns the data."""
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    data = change(header, content[8 + length :])
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + data)


NAME = "encoder.layer.1.output.dense.weight"


def missing(header: dict[str, Any], data: bytes) -> bytes:
    header["encoder.layer.1.output.dense.other"] = header.pop(NAME)
    return data


def another_shape(header: dict[str, Any], data: bytes) -> bytes:
    header[NAME]["shape"] = header[NAME]["shape"][::-1]
    return data


def overlapping(header: dict[str, Any], data: bytes) -> bytes:
    other = header["encoder.layer.0.output.dense.weight"]["data_offsets"]
    header[NAME]["data_offsets"] = other
    return data


def too_short(header: dict[str, Any], data: bytes) -> bytes:
    header[NAME]["shape"] = [2**40, 2**20]
    return data


def negative(header: dict[str, Any], data: bytes) -> bytes:
    header[NAME]["data_offsets"] = [-8, 8]
    return data


def not_finite(header: dict[str, Any], data: bytes) -> bytes:
    start, _ = header[NAME]["data_offsets"]
    return data[:start] + struct.pack("<f", float("nan")) + data[start + 4 :]


def of_integers(header: dict[str, Any], data: bytes) -> bytes:
    header[NAME]["dtype"] = "I32"
    return data


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (missing, rf"lacks the weight {NAME}"),
        (another_shape, rf"{NAME} is 48x32, config\.json promises 32x48"),
        (overlapping, "lies on"),
        (too_short, "bytes for the shape"),
        (negative, "has the offsets"),
        (not_finite, "holds NaN or infinity"),
        (of_integers, "is of dtype I32"),
    ],
)
def test_weights_that_are_wrong_are_refused_by_name(
    model: Path, tmp_path: Path, change: Callable[[dict[str, Any], bytes], bytes], reason: str
) -> None:
    rewrite_tensors(model / "model.safetensors", change)
    with pytest.raises(ModelError, match=reason):
        export(model, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize(
    ("file", "changes", "reason"),
    [
        ("config.json", {"model_type": "t5"}, r"family 't5'.*st:MODEL"),
        ("config.json", {"hidden_act": "mish"}, r"activation 'mish'.*st:MODEL"),
        ("config.json", {"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ("config.json", {"num_attention_heads": 5}, "5 heads do not divide 32 columns"),
        ("config.json", {"num_hidden_layers": "3"}, "num_hidden_layers is '3'"),
        ("config.json", {"num_hidden_layers": 4}, "lacks the weight encoder.layer.3"),
        ("1_Pooling/config.json", {"include_prompt": False}, "Pooling cannot be exported"),
    ],
)
def test_what_cannot_be_exported_is_named_with_what_runs_it(
    model: Path, tmp_path: Path, file: str, changes: dict[str, Any], reason: str
) -> None:
    edit(model / file, **changes)
    with pytest.raises(ModelError, match=reason):
        export(model, tmp_path / "out")


def test_a_module_that_cannot_be_exported_is_named(tmp_path: Path) -> None:
    import torch
    from sentence_transformers.base.modules import Dense

    dense = Dense(32, 32, activation_function=torch.nn.Softplus())
    model = make_export_model(tmp_path, after=[dense])
    with pytest.raises(ModelError, match=r"the module Dense.*Softplus is not known.*st:MODEL"):
        export(model, tmp_path / "out")


def test_a_folder_without_a_fast_tokenizer_is_told_how_to_get_one(
    model: Path, tmp_path: Path
) -> None:
    (model / "tokenizer.json").rename(model / "vocab.txt")
    with pytest.raises(ModelError, match=r"no tokenizer\.json.*save_pretrained"):
        export(model, tmp_path / "out")


def test_calibration_texts_are_read_by_the_line(tmp_path: Path) -> None:
    lines = tmp_path / "a.txt"
    lines.write_text("one\n\ntwo\none\n")
    assert read_texts(lines) == ["one", "two"]
    rows = tmp_path / "a.jsonl"
    rows.write_text('{"text": "one"}\n"two"\n')
    assert read_texts(rows) == ["one", "two"]
    rows.write_text('{"text": "one"}\n{"id": 1}\n')
    with pytest.raises(ParseError, match=r"a\.jsonl:2:1: no text"):
        read_texts(rows)
    rows.write_text('{"text": "one"\n')
    with pytest.raises(ParseError, match=r"a\.jsonl:1:\d+: not valid JSON"):
        read_texts(rows)
    lines.write_text("\n \n")
    with pytest.raises(DataError, match="holds no text"):
        read_texts(lines)
    with pytest.raises(ParseError, match="cannot be read"):
        read_texts(tmp_path / "none.txt")


def test_calibration_texts_are_read_as_editors_on_all_systems_write_them(tmp_path: Path) -> None:
    lines, rows = tmp_path / "a.txt", tmp_path / "a.jsonl"
    lines.write_bytes("\ufeffone\r\nline\u2028separator\x0b\x85\r\n".encode())
    assert read_texts(lines) == ["one", "line\u2028separator\x0b\x85"]
    rows.write_bytes('\ufeff{"text": "line\u2028separator"}\r\n'.encode())
    assert read_texts(rows) == ["line\u2028separator"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'"fine"\n{"text": "\\ud83d cut"}', r":2:1: the text holds a lone surrogate U\+D83D"),
        (b'{"text": ' + b"[" * 100_000, ":1:1: JSON that cannot be read"),
        (b'{"text": "x", "n": ' + b"1" * 5000 + b"}", ":1:1: JSON that cannot be read"),
        (b'{"text": "\xff"}', "cannot be read"),
    ],
)
def test_a_calibration_file_that_cannot_be_read_names_the_line(
    tmp_path: Path, line: bytes, said: str
) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(line)
    with pytest.raises(ParseError, match=rf"a\.jsonl ?{said}"):
        read_texts(file)


def test_the_sample_has_texts_of_all_lengths() -> None:
    words = [len(text.split()) for text in sample_texts()]
    assert min(words) == 1
    assert max(words) > 600
    for low, high in ((1, 4), (4, 16), (16, 64), (64, 256), (256, 1024)):
        assert any(low <= count < high for count in words)
