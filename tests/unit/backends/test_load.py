"""Specs, devices and missing packages."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from embedsmith.backends import CachedEncoder, Encoder, load_encoder
from embedsmith.backends import _devices as devices
from embedsmith.exceptions import DeviceError, MissingDependencyError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable


def test_an_encoder_and_its_cached_form_are_encoders(tmp_path: Path) -> None:
    plain = load_encoder("fake:8", cache=False)
    cached = load_encoder("fake:8", cache=tmp_path)
    assert isinstance(plain, Encoder)
    assert isinstance(cached, Encoder)
    assert isinstance(cached, CachedEncoder)
    assert (cached.spec, cached.name, cached.dim, cached.metric, cached.max_tokens) == (
        "fake:8",
        "fake:8",
        8,
        "cosine",
        None,
    )
    assert cached.fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("all-MiniLM-L6-v1", r"There is no model .*Did you mean 'all-MiniLM-L6-v2'\?"),
        ("./nowhere", r"The model folder nowhere does not exist"),
        ("sst:folder", r"Valid: bm25; NAME or FOLDER.*Did you mean 'st:folder'\?"),
        ("opnai:x", r"no kind of model 'opnai'\. Valid: bm25; .*Did you mean 'openai:x'\?"),
        ("x:all-MiniLM-L6", r"no kind of model 'x'.*Did you mean 'all-MiniLM-L6-v2'\?"),
        ("onnx:all-MiniLM-L6", r"no folder .*embedsmith export st:all-MiniLM-L6-v2 --to FOLDER"),
        ("natve:dir", r"no kind of model 'natve'.*Did you mean 'native:dir'\?"),
        ("onxx:dir", r"no kind of model 'onxx'.*Did you mean 'onnx:dir'\?"),
        ("", r"name is empty\. Write a folder or a name, e\.g\. all-MiniLM-L6-v2"),
        ("bm52", r"Valid: bm25; NAME.*Did you mean 'bm25'\?"),
        ("bm25:words", r"Did you mean 'bm25'\?"),
        ("BM25", r"bm25 is not an encoder"),
        ("bm25", "Bm25"),
        ("st:", "name is empty"),
        ("fake:1", "too few dimensions"),
    ],
)
def test_a_wrong_spec_names_the_right_ones(spec: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_encoder(spec, cache=False)


def test_each_extra_installs_what_the_backends_ask_for() -> None:
    tomllib = pytest.importorskip("tomllib", reason="needs Python 3.11")
    root = Path(__file__).parents[3]
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    named = {"Stemmer": "PyStemmer"}
    asked = re.findall(
        r'require\("(\w+)[\w.]*", extra="(\w+)"',
        "".join(
            file.read_text() for file in (root / "python" / "embedsmith" / "backends").glob("*.py")
        ),
    )
    assert ("platformdirs", "st") in asked
    for module, extra in asked:
        wanted = named.get(module, module).replace("_", "-").lower()
        installed = [
            re.split(r"[<>=]", each)[0].replace("_", "-").lower() for each in extras[extra]
        ]
        assert wanted in installed, (module, extra)


def test_a_path_in_place_of_a_spec_names_the_spec(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"a string is expected.*str\(folder\)"):
        load_encoder(tmp_path, cache=False)  # type: ignore[arg-type]


def torch_like(*, cuda: str | None, gpus: int) -> SimpleNamespace:
    return SimpleNamespace(
        __version__="9.9",
        version=SimpleNamespace(cuda=cuda),
        cuda=SimpleNamespace(is_available=lambda: gpus > 0, device_count=lambda: gpus),
    )


@pytest.mark.parametrize(
    ("cuda", "gpus", "device", "message"),
    [
        (None, 0, "cuda", r"without CUDA\. Install a CUDA build .*device='cpu'"),
        ("13.0", 0, "cuda", r"built for CUDA 13\.0, but finds no usable GPU\. Check .*nvidia-smi"),
        ("13.0", 2, "cuda:2", "there are 2 GPUs"),
        ("13.0", 2, "gpu", "must be 'cpu', 'cuda' or 'cuda:N'"),
    ],
)
def test_a_device_that_is_not_there_is_an_error(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, gpus: int, device: str, message: str
) -> None:
    monkeypatch.setattr(devices, "require", lambda *_, **__: torch_like(cuda=cuda, gpus=gpus))
    with pytest.raises(DeviceError, match=message):
        devices.check_device(device)


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:1"])
def test_a_device_that_is_there_is_accepted(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    monkeypatch.setattr(devices, "require", lambda *_, **__: torch_like(cuda="13.0", gpus=2))
    devices.check_device(device)


def test_without_the_library_the_extra_is_named_at_once(
    monkeypatch: pytest.MonkeyPatch, model_folder: Callable[..., Path]
) -> None:
    real: Callable[..., Any] = importlib.util.find_spec

    def hidden(name: str, package: str | None = None) -> Any:
        return None if name == "sentence_transformers" else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", hidden)
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'embedsmith\[st\]'"):
        load_encoder(f"st:{model_folder()}", cache=False)


def test_an_encoder_with_a_cache_shows_both(tmp_path: Path) -> None:
    encoder = load_encoder("fake:8", cache=tmp_path)
    assert repr(encoder) == f"CachedEncoder('fake:8', dim=8, cache={str(tmp_path)!r})"
