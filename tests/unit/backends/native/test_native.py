"""The native encoder: torch's vectors, the same bits in any batch, and no file that harms it.

Models with random weights show that each family's arithmetic is torch's; all-MiniLM-L6-v2 that a
real model's is.
"""

from __future__ import annotations

import json
import shutil
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedsmith import _core
from embedsmith.backends import load_encoder, resolve_model
from embedsmith.backends._packaged import PACKAGED
from embedsmith.backends._sample_texts import sample_texts
from embedsmith.backends.native import NativeEncoder
from embedsmith.backends.native._precision import _candidates
from embedsmith.exceptions import DeviceError, ModelError
from tests.integration.test_odd_texts import ODD, SCRIPTS
from tests.unit.backends.export.conftest import make_export_model

TEXTS = sample_texts()
TWO_HEADS: dict[str, Any] = {"hidden_size": 64, "num_attention_heads": 2}
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": TWO_HEADS,
    "roberta": TWO_HEADS,
    "xlm-roberta": {**TWO_HEADS, "num_attention_heads": 1},
    "camembert": TWO_HEADS,
    "mpnet": {**TWO_HEADS, "hidden_act": "relu"},
    "distilbert": {"dim": 64, "n_heads": 2},
    "modernbert": TWO_HEADS,
}


def torch_vectors(folder, texts=TEXTS, **changes):
    encoder = load_encoder(f"st:{folder}", cache=False, **changes)
    return encoder.encode(texts, role="document").vectors


def cosines(a, b):
    a, b = a.astype("f8"), b.astype("f8")
    return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))


@pytest.fixture(scope="module")
def minilm():
    return resolve_model("all-MiniLM-L6-v2")


@pytest.fixture(scope="module")
def exact(minilm):
    return NativeEncoder(minilm, precision="f32")


@pytest.fixture(scope="module")
def fast(minilm):
    # Where bf16 is not fast the portable products still say what it is.
    return NativeEncoder(minilm, precision="bf16" if _core.has_fast_bf16() else "f32")


@pytest.fixture(scope="module")
def coarse(minilm):
    return NativeEncoder(minilm, precision="int8" if _core.has_fast_int8() else "f32")


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_gives_the_vectors_of_torch(family, tmp_path):
    folder = make_export_model(tmp_path, family, **FAMILIES[family])
    found = NativeEncoder(folder, precision="f32").encode(TEXTS, role="document")
    expected = torch_vectors(folder)
    assert np.abs(found.vectors - expected).max() < 2e-5
    assert found.truncated.any()
    assert not found.truncated.all()


@pytest.mark.parametrize("family", ["bert", "modernbert"])
@pytest.mark.parametrize(
    "pooling", ["cls", "max", "lasttoken", "mean_sqrt_len_tokens", "weightedmean", ["cls", "mean"]]
)
def test_each_pooling_gives_the_vectors_of_torch(pooling, family, tmp_path):
    folder = make_export_model(tmp_path, family, pooling=pooling, after=[], **TWO_HEADS)
    found = NativeEncoder(folder, precision="f32").encode(TEXTS, role="document").vectors
    assert np.allclose(found, torch_vectors(folder), rtol=2e-4, atol=2e-4)


def test_dense_maps_and_cut_columns_are_those_of_torch(tmp_path):
    import torch
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize

    after = [Dense(64, 48, activation_function=torch.nn.Tanh()), Normalize()]
    folder = make_export_model(tmp_path, "bert", after=after, **TWO_HEADS)
    for changes in ({}, {"truncate_dim": 20}, {"max_tokens": 9}, {"document_prompt": "passage: "}):
        encoder = NativeEncoder(folder, precision="f32", **changes)
        found = encoder.encode(TEXTS, role="document")
        expected = torch_vectors(folder, **changes)
        assert found.vectors.shape == expected.shape == (len(TEXTS), encoder.dim)
        assert np.abs(found.vectors - expected).max() < 2e-5


@pytest.mark.model
def test_a_real_model_agrees_with_torch_on_texts_of_all_kinds(exact, fast, coarse):
    texts = [*TEXTS, *ODD.values(), *SCRIPTS.values()]
    torch_encoder = load_encoder("st:all-MiniLM-L6-v2", cache=False)
    expected = torch_encoder.encode(texts, role="document")
    found = exact.encode(texts, role="document")
    assert np.abs(found.vectors - expected.vectors).max() < 2e-6
    assert found.n_tokens.tolist() == expected.n_tokens.tolist()
    assert found.truncated.tolist() == expected.truncated.tolist()
    near = cosines(fast.encode(texts, role="document").vectors, expected.vectors)
    assert near.mean() >= 0.9999
    assert near.min() >= 0.9995
    rough = cosines(coarse.encode(texts, role="document").vectors, expected.vectors)
    assert rough.mean() >= 0.999
    assert rough.min() >= 0.997


@pytest.mark.skipif(not _core.has_fast_int8(), reason="this processor has no fast int8")
@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_keeps_near_in_int8(family, tmp_path):
    # Random weights spread evenly: no outliers to even out, but peaked attention.
    folder = make_export_model(tmp_path, family, **FAMILIES[family])
    exact, coarse = (NativeEncoder(folder, precision=name) for name in ("f32", "int8"))
    near = cosines(*(one.encode(TEXTS, role="document").vectors for one in (exact, coarse)))
    assert near.mean() >= 0.998
    assert near.min() >= 0.99
    assert (coarse.choice.least or 0.0) == pytest.approx(near.min(), abs=1e-4)


@pytest.mark.model
@pytest.mark.skipif(not _core.has_fast_int8(), reason="this processor has no fast int8")
def test_ranges_of_inputs_make_int8_finer(exact, coarse):
    texts = list(SCRIPTS.values())
    source = coarse._source
    plain = source.load("int8")
    ids, offsets, _ = plain.tokenize(texts)
    truth = exact.encode(texts, role="document").vectors
    evened = cosines(coarse.encode(texts, role="document").vectors, truth)
    assert 1 - evened.mean() < 0.7 * (1 - cosines(plain.encode(ids, offsets), truth).mean())
    with pytest.raises(ModelError, match="ranges of inputs are those of another model"):
        source.load("int8", np.ones((3, 384), dtype=np.float32))


@pytest.mark.model
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    order=st.lists(st.sampled_from(range(len(TEXTS))), min_size=1, max_size=12, unique=True),
    threads=st.integers(1, 3),
)
def test_a_text_has_the_same_bits_in_any_batch_order_and_number_of_threads(
    exact, fast, coarse, order, threads
):
    for encoder in (exact, fast, coarse):
        model = encoder._running()[0]
        ids, offsets, _ = model.tokenize([TEXTS[at] for at in order])
        together = model.encode(ids, offsets, threads=threads)
        for row, at in enumerate(order):
            alone = model.encode(*model.tokenize([TEXTS[at]])[:2], threads=1)
            assert alone.tobytes() == together[row].tobytes()


@pytest.mark.model
@pytest.mark.parametrize("isa", ["scalar", "avx2", "avx512", "avx512bf16", "amx"])
def test_every_instruction_set_gives_the_same_vectors_to_rounding(isa, minilm, exact, monkeypatch):
    texts = TEXTS[:6]
    expected = exact.encode(texts, role="document").vectors
    monkeypatch.setenv("EMBEDSMITH_ISA", isa)
    try:
        forced = NativeEncoder(minilm, precision="f32")
        found = forced.encode(texts, role="document").vectors
    except DeviceError as error:
        pytest.skip(f"this processor lacks it: {error}")
    assert forced.producer["isa"] == isa
    assert np.abs(found - expected).max() < 1e-6


@pytest.mark.model
def test_auto_says_which_format_it_took_and_how_near_that_is(minilm, monkeypatch):
    encoder = NativeEncoder(minilm)
    choice = encoder.choice
    least = {"f32": 2.0, "bf16": 0.9995, "int8": 0.997}[choice.precision]
    assert choice.precision != "f32" or not _core.has_fast_bf16()
    assert choice.precision == "f32" or (choice.least or 0.0) > least
    assert not choice.refused
    assert encoder.fingerprint.fields["precision"][0] == choice.precision
    monkeypatch.setenv("EMBEDSMITH_ISA", "avx2")
    try:
        assert NativeEncoder(minilm).choice.precision == "f32"
    except DeviceError as error:
        pytest.skip(f"this processor lacks it: {error}")
    with pytest.raises(DeviceError, match="AVX-512 BF16 or AMX"):
        NativeEncoder(minilm, precision="bf16")
    with pytest.raises(DeviceError, match="AVX-512 VNNI or AMX"):
        NativeEncoder(minilm, precision="int8")


def test_a_format_that_strays_too_far_is_not_taken(tmp_path, monkeypatch):
    folder = make_export_model(tmp_path, "bert", **TWO_HEADS)
    module = "embedsmith.backends.native._precision"
    monkeypatch.setattr(f"{module}._candidates", lambda: ["int8", "bf16"])
    monkeypatch.setattr(f"{module}._CLOSE", {"bf16": (0.9, 0.9), "int8": (1.1, 1.1)})
    choice = NativeEncoder(folder).choice
    assert choice.precision == "bf16"
    assert "1.1 and 1.1 are asked" in choice.refused["int8"]
    monkeypatch.setattr(f"{module}._CLOSE", {"bf16": (1.1, 1.1), "int8": (1.1, 1.1)})
    choice = NativeEncoder(folder).choice
    assert (choice.precision, set(choice.refused)) == ("f32", {"int8", "bf16"})


@pytest.mark.parametrize(
    ("peaks", "expected"),
    [
        ({"f32": 100, "int8": 400, "amx_int8": 3000, "amx_bf16": 1500}, ["int8", "bf16"]),
        ({"f32": 200, "int8": 400, "bf16": 110}, ["int8"]),
        ({"f32": 200}, []),
    ],
)
def test_a_format_that_is_no_faster_is_no_candidate(peaks, expected, monkeypatch):
    module = "embedsmith.backends.native._precision"
    monkeypatch.setattr(f"{module}._core.peak_rates", lambda: peaks)
    yes = {"bf16": ("", lambda: True), "int8": ("", lambda: True)}
    monkeypatch.setattr(f"{module}._NEEDS", yes)
    assert _candidates() == expected


def test_the_space_is_that_of_the_folder_and_of_the_format(minilm):
    native = {name: NativeEncoder(minilm, precision=name) for name in ("f32",)}
    torch_encoder = load_encoder("st:all-MiniLM-L6-v2", cache=False)
    differ = native["f32"].fingerprint.differences(torch_encoder.fingerprint)
    assert differ == ("backend", "precision")
    shorter = NativeEncoder(minilm, precision="f32", max_tokens=32)
    assert shorter.fingerprint != native["f32"].fingerprint


@pytest.fixture
def copied(minilm, tmp_path):
    return shutil.copytree(minilm, tmp_path / "model")


def test_another_models_weights_under_a_known_name_are_refused(copied):
    config = json.loads((copied / "config.json").read_text())
    assert config["num_hidden_layers"] == 6
    known = PACKAGED["all-MiniLM-L6-v2"]
    weights = copied / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    encoder = NativeEncoder(copied, precision="f32", packaged=known)
    with pytest.raises(ModelError, match="model.safetensors"):
        _ = encoder.fingerprint


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "t5"}, "t5"),
        ({"num_attention_heads": 48}, "heads of 32, 64 and 128"),
        ({"num_hidden_layers": 7}, "no tensor .*encoder.layer.6"),
        ({"intermediate_size": 1024}, "config.json asks for"),
        ({"vocab_size": 40000}, "of shape"),
        ({"vocab_size": 30000}, "promises weights for 30000 ids"),
        ({"hidden_act": "mish"}, "mish"),
        ({"hidden_size": 10**9}, "."),
        ({"max_position_embeddings": 100}, "."),
    ],
)
def test_a_configuration_that_does_not_fit_is_a_named_error(copied, change, said):
    file = copied / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ModelError, match=said):
        NativeEncoder(copied, precision="f32").encode(["a text"], role="query")


@pytest.mark.parametrize("cut", [0, 4, 100, 5000, -1, -(1 << 20)])
def test_truncated_weights_are_a_named_error(copied, cut):
    file = copied / "model.safetensors"
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ModelError, match="safetensors"):
        NativeEncoder(copied, precision="f32").encode(["a text"], role="query")


def test_weights_that_are_no_numbers_are_a_named_error(copied):
    file = copied / "model.safetensors"
    data = bytearray(file.read_bytes())
    size = int.from_bytes(data[:8], "little")
    name = "encoder.layer.3.output.dense.bias"
    start = json.loads(data[8 : 8 + size])[name]["data_offsets"][0] + 8 + size
    data[start + 8 : start + 12] = np.float32("nan").tobytes()
    file.write_bytes(data)
    with pytest.raises(ModelError, match=f'NaN or infinity in "{name}", value 2'):
        NativeEncoder(copied, precision="f32").encode(["a text"], role="query")


def test_a_tokenizer_of_another_model_is_refused(copied):
    file = copied / "tokenizer.json"
    whole = file.read_text()
    tokenizer = json.loads(whole)
    tokenizer["model"]["vocab"] |= {f"word{i}": 30522 + i for i in range(100)}
    file.write_text(json.dumps(tokenizer))
    with pytest.raises(ModelError, match=r"ids up to 30621, .* they are of two models\. Copy both"):
        NativeEncoder(copied, precision="f32")
    # Where no backend could run it, the one that is taken says why and advises no other.
    with pytest.raises(ModelError, match=r"ids up to 30621, .*Copy both from the same model"):
        load_encoder(str(copied), cache=False).encode(["a text"], role="query")
    # Exchanged after it was opened.
    file.write_text(whole)
    encoder = NativeEncoder(copied, precision="f32")
    file.write_text(json.dumps(tokenizer))
    with pytest.raises(ModelError, match="knows 30622 tokens and its weights 30522"):
        encoder.encode(["a text"], role="query")
    file.write_text('{"version": "1.0"')
    with pytest.raises(ModelError, match="tokenizer.json"):
        NativeEncoder(copied, precision="f32")


def test_token_ids_that_no_tokenizer_gave_are_refused(exact):
    model = exact._running()[0]
    for ids, offsets, said in (
        ([1, 40000], [0, 2], "token 40000"),
        ([1, 2], [0, 3], "offsets do not rise"),
        ([1, 2], [0, 2, 2], "text 1 has 0 tokens"),
        ([1] * 600, [0, 600], "text 0 has 600 tokens"),
        ([], [], "offsets do not rise"),
    ):
        with pytest.raises((ModelError, ValueError), match=said):
            model.encode(np.array(ids, dtype=np.uint32), np.array(offsets, dtype=np.int64))


def test_a_spec_opens_it_on_the_cpu_alone(minilm):
    encoder = load_encoder("native:all-MiniLM-L6-v2", precision="fp32", cache=False)
    assert encoder.name == "all-MiniLM-L6-v2"
    assert encoder.fingerprint == NativeEncoder(minilm, precision="f32").fingerprint
    with pytest.raises(DeviceError, match="runs on the CPU only"):
        load_encoder("native:all-MiniLM-L6-v2", device="cuda")
    with pytest.raises(ModelError, match="runs no code"):
        load_encoder("native:all-MiniLM-L6-v2", trust_remote_code=True)


def test_an_unknown_precision_is_named(minilm):
    with pytest.raises(ModelError, match="'fp16'; native models run in auto, fp32, bf16 and int8"):
        NativeEncoder(minilm, precision="fp16")
