from dataclasses import fields
from typing import Any

import pytest

from embedsmith.evaluation import _loading
from embedsmith.evaluation._loading import ModelOptions
from embedsmith.evaluation._settings import Settings
from embedsmith.exceptions import ModelError

PLAIN = Settings("d", "test", ("st:m", "bm25"), ("nDCG@10", "R@10"), 100)


def test_the_command_names_what_differs_from_the_defaults_only():
    assert " ".join(PLAIN.command()) == (
        "embedsmith eval --data d --split test --model st:m --model bm25 "
        "--measures nDCG@10,R@10 --depth 100"
    )


def test_the_command_carries_every_setting_that_can_change_a_number():
    settings = Settings(
        data="d",
        split="dev",
        models=("st:m",),
        measures=("AP",),
        depth=1000,
        device="cuda",
        batch_size=8,
        max_tokens=64,
        truncate_dim=32,
        query_prompt="q: ",
        document_prompt="d: ",
        trust_remote_code=True,
        allow_missing=True,
        seed=7,
        confidence=0.9,
        fine_tune_below=0.5,
        keep_above=0.6,
        task="sts",
        columns=("score=gold",),
        candidates="bm25.run",
        n_experiments=3,
        samples_per_label=4,
        n_neighbors=2,
        slices=("product", "language"),
        small_slice=5,
        worst=3,
        excerpts=False,
        collapse="#",
        excerpt_chars=20,
        dims=(64, 32),
        precisions=("int8",),
        rescore_depth=50,
        base_url="http://localhost:8000/v1",
        dimensions=64,
        query_input_type="query",
        document_input_type="passage",
        truncate="END",
        precision="bf16",
    )
    words = settings.command()
    options = {
        "models": "--model",
        "columns": "--column",
        "slices": "--slice",
        "excerpts": "--no-excerpts",
    }
    for field in fields(settings):
        assert getattr(settings, field.name) != field.default, field.name
        assert options.get(field.name, f"--{field.name.replace('_', '-')}") in words
    assert words[words.index("--dims") + 1] == "64,32"
    assert words[words.index("--slice") :][:4] == ["--slice", "product", "--slice", "language"]
    assert words[words.index("--query-prompt") + 1] == "q: "


def test_what_reached_no_model_is_not_in_the_command():
    settings = Settings("d", "test", ("bm25",), ("R@10",), 100, device=None, batch_size=None)
    assert settings.command()[-2:] == ["--depth", "100"]


def test_settings_survive_the_trip_through_json():
    assert Settings.from_dict(PLAIN.to_dict()) == PLAIN


def test_a_precision_is_for_models_that_compute_here_and_for_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(
        _loading, "load_encoder", lambda spec, **options: asked.update({spec: options})
    )
    options = ModelOptions(precision="bf16")
    for spec in ("st:a", "native:a", "a", "onnx:b", "fake:8"):
        options.load(spec)
    assert {spec: given["precision"] for spec, given in asked.items()} == {
        "st:a": "bf16",
        "native:a": "bf16",
        "a": "bf16",
        "onnx:b": None,
        "fake:8": None,
    }
    options.check(["bm25", "st:a"])
    options.check(["bm25", "native:a"])
    with pytest.raises(ModelError, match="precision='bf16' is for st: and native: models"):
        options.check(["bm25", "onnx:b"])
