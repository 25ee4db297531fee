"""A model that is named without a backend: which one runs it, and that this is said."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from embedsmith import _core, evaluate
from embedsmith.backends import load_encoder, resolve_spec
from embedsmith.exceptions import DeviceError, ModelError
from tests.unit.backends.export.conftest import make_export_model

MINILM = "all-MiniLM-L6-v2"


def choice(folder, **options) -> Any:
    return resolve_spec(str(folder), **options)


vectorised = pytest.mark.skipif(_core.isa() == "scalar", reason="needs vector instructions")


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return make_export_model(tmp_path_factory.mktemp("bert"), hidden_size=64, num_attention_heads=2)


@vectorised
@pytest.mark.model
def test_a_bare_name_runs_natively_with_the_bits_identity_and_cache_of_the_native_spec(
    tmp_path, caplog
):
    with caplog.at_level(logging.INFO, logger="embedsmith"):
        chosen = load_encoder(MINILM, cache=tmp_path)
    named = load_encoder(f"native:{MINILM}", cache=tmp_path)
    assert chosen.spec == named.spec == f"native:{MINILM}"
    assert f"{MINILM} runs as native:{MINILM}: its layers run natively" in caplog.text
    assert chosen.fingerprint == named.fingerprint
    first = named.encode(["one text", "another"], role="query")
    again = chosen.encode(["another", "one text"], role="query")
    assert again.n_cached == 2
    assert again.vectors[::-1].tobytes() == first.vectors.tobytes()


@vectorised
@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({}, "native", "its layers run natively on this CPU"),
        ({"precision": "fp32"}, "native", "natively"),
        ({"precision": "auto"}, "native", "natively"),
        ({"precision": "fp16"}, "st", "native models do not run in fp16"),
        ({"device": "cuda:1"}, "st", "the device is cuda:1"),
        ({"trust_remote_code": True}, "st", "trust_remote_code is given"),
    ],
)
def test_what_is_asked_for_decides_the_backend_and_the_reason_names_it(bert, options, kind, said):
    found = choice(bert, **options)
    assert found.spec == f"{kind}:{bert}"
    assert said in found.reason


@pytest.mark.parametrize("spec", ["st:x", "native:x", "onnx:x", "openai:x", "sr:x", "fake:8"])
def test_a_spec_that_names_a_kind_is_left_alone(spec):
    assert resolve_spec(spec) is None


def test_layers_that_do_not_run_natively_run_by_sentence_transformers(tmp_path):
    folder = make_export_model(tmp_path, "bert")
    found = choice(folder)
    assert found.spec == f"st:{folder}"
    assert "heads of 32, 64 and 128 columns run natively" in found.reason or _core.isa() == "scalar"
    assert "Load it" not in found.reason
    encoder: Any = load_encoder(str(folder), cache=False)
    assert encoder.spec == f"st:{folder}"
    assert encoder.chosen == found.reason
    with pytest.raises(ModelError, match=r"heads of 32, 64 and 128 .* Load it with st:FOLDER"):
        load_encoder(f"native:{folder}", cache=False)


def test_without_vector_instructions_torch_is_faster_and_is_taken(bert):
    program = (
        "from embedsmith.backends import resolve_spec; "
        f"print(resolve_spec({str(bert)!r}).spec, resolve_spec({str(bert)!r}).reason)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "EMBEDSMITH_ISA": "scalar"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"st:{bert} not native, since only the scalar")


def test_an_export_runs_by_onnxruntime(tmp_path):
    (tmp_path / "embedsmith_export.json").write_text("{}")
    assert choice(tmp_path).spec == f"onnx:{tmp_path}"


def test_a_path_may_hold_a_colon(bert):
    beside = bert.parent / "version:2"
    beside.symlink_to(bert)
    assert choice(beside).spec.endswith(f":{beside}")
    with pytest.raises(ModelError, match="The model folder .* does not exist"):
        resolve_spec("C:\\models\\mine")


def test_what_is_asked_for_is_refused_by_the_backend_that_was_chosen(bert):
    with pytest.raises(DeviceError, match="GPU"):
        load_encoder(str(bert), cache=False, precision="fp16")
    with pytest.raises(ModelError, match="base_url is for services"):
        load_encoder(str(bert), cache=False, base_url="http://localhost")


@vectorised
def test_the_batch_of_a_native_model_is_its_step_and_no_part_of_a_vector(bert):
    texts = [f"text number {n}" for n in range(7)]
    whole = load_encoder(str(bert), cache=False).encode(texts, role="document").vectors
    steps: list[int] = []
    encoder = load_encoder(str(bert), cache=False, batch_size=3)
    found = encoder.encode(texts, role="document", progress=steps.append).vectors
    assert steps == [3, 6, 7]
    assert np.array_equal(found, whole)


class _Notes:
    def __init__(self):
        self.lines = []

    def begin(self, model, stage, total):
        pass

    def advance(self, count):
        pass

    def end(self):
        pass

    def note(self, text):
        self.lines.append(text)


@vectorised
def test_an_evaluation_tells_and_keeps_which_backend_was_chosen(bert):
    heard = _Notes()
    result = evaluate(
        str(bert), "sample:bank", cache=False, progress=heard, latency_queries=0, max_tokens=16
    )
    model: Any = result.models[0]
    assert model.spec == result.settings.models[0] == f"native:{bert}"
    assert "natively" in model.encoder.chosen
    assert f"{model.name}: runs as {model.spec}: {model.encoder.chosen}" in heard.lines
    assert json.loads(json.dumps(result.to_dict()))["models"][0]["encoder"]["chosen"]
    with pytest.raises(ModelError, match=r"'native:.*' is given 2 times"):
        evaluate([str(bert), f"native:{bert}"], "sample:bank", cache=False)
