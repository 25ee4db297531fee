"""ModernBERT in the native encoder: what transformers computes, at every edge of its tiles."""

from __future__ import annotations

import json
import shutil
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedsmith import _core
from embedsmith.backends import load_encoder
from embedsmith.backends.native import NativeEncoder
from embedsmith.exceptions import ModelError
from tests.unit.backends.export.conftest import make_export_model

# Around tiles of 16, 32 and 64 rows and spans of 48 and 256, within windows and far beyond them;
# at far places angles are large, and rounded as torch rounds them.
LENGTHS = (1, 2, 8, 9, 31, 32, 33, 47, 48, 49, 127, 128, 129, 255, 256, 257, 300, 3000)
PLACES = 4096
SMALL: dict[str, Any] = {
    "hidden_size": 128,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "intermediate_size": 208,
    "max_position_embeddings": PLACES,
}
SHAPES: dict[str, dict[str, Any]] = {
    "narrow heads": SMALL,
    "wide heads, odd window": {**SMALL, "num_attention_heads": 2, "local_attention": 35},
    # A fourth of the published base model, with its window.
    "as published": {
        **SMALL,
        "hidden_size": 192,
        "num_attention_heads": 3,
        "intermediate_size": 288,
        "local_attention": 128,
    },
    "all biases": {**SMALL, "norm_bias": True, "attention_bias": True, "mlp_bias": True},
    "own order and bases": {
        **SMALL,
        "hidden_activation": "silu",
        "norm_eps": 1e-3,
        "layer_types": ["sliding_attention"] * 3 + ["full_attention", "sliding_attention"],
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": 80_000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 300.0},
        },
    },
}


needs_bf16 = pytest.mark.skipif(
    not _core.has_fast_bf16(), reason="this processor has no fast bfloat16"
)


def tokens(lengths, seed=3):
    draw = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths], dtype=np.int64)
    return draw.integers(5, 300, offsets[-1], dtype=np.uint32), offsets


def torch_means(folder, ids, offsets, dtype="float32"):
    """Mean of each text's last hidden states, of length 1, by transformers."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder).to(getattr(torch, dtype)).eval()
    means = []
    for start, end in pairwise(offsets.tolist()):
        with torch.inference_mode():
            own = torch.from_numpy(ids[start:end].astype(np.int64))[None]
            states = model(input_ids=own, attention_mask=torch.ones_like(own)).last_hidden_state
        means.append(states[0].double().mean(dim=0).numpy())
    rows = np.stack(means)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def cosines(a, b):
    a, b = a.astype("f8"), b.astype("f8")
    return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    @cache
    def make(shape):
        folder = tmp_path_factory.mktemp("modernbert")
        return make_export_model(folder, "modernbert", **SHAPES[shape])

    return make


def native(folder, precision):
    return NativeEncoder(folder, precision=precision)._running()[0]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_length_gives_the_vectors_of_transformers(shape, made):
    folder = made(shape)
    ids, offsets = tokens(LENGTHS)
    expected = torch_means(folder, ids, offsets)
    found = native(folder, "f32").encode(ids, offsets)
    off = np.abs(found - expected).max(axis=1)
    assert off.max() < 2e-5, dict(zip(LENGTHS, off.tolist(), strict=True))


@needs_bf16
@pytest.mark.parametrize("shape", ["narrow heads", "as published"])
def test_bf16_is_nearer_to_f32_than_that_of_torch(shape, made):
    # These weights are far larger than trained ones, which makes attention peaked and bf16 coarse.
    folder = made(shape)
    ids, offsets = tokens(LENGTHS)
    exact, fast = (torch_means(folder, ids, offsets, of) for of in ("float32", "bfloat16"))
    own = cosines(native(folder, "bf16").encode(ids, offsets), exact)
    assert 1 - own.mean() < 0.6 * (1 - cosines(fast, exact).mean())
    assert own.min() > 0.99


@needs_bf16
def test_bf16_keeps_to_f32_where_weights_are_of_the_usual_size(made):
    import torch
    from safetensors.torch import load_file, save_file

    folder = made("as published")
    file = folder / "model.safetensors"
    kept = load_file(file)
    torch.manual_seed(5)
    # As transformers starts a model, and a trained one's layers stay near to it.
    fresh = {
        name: 0.03 * torch.randn_like(weight) if weight.ndim == 2 else torch.ones_like(weight)
        for name, weight in kept.items()
    }
    try:
        save_file(fresh, file)
        ids, offsets = tokens(LENGTHS)
        exact = torch_means(folder, ids, offsets)
        assert np.abs(native(folder, "f32").encode(ids, offsets) - exact).max() < 2e-6
        near = cosines(native(folder, "bf16").encode(ids, offsets), exact)
    finally:
        save_file(kept, file)
    assert near.mean() >= 0.9999
    assert near.min() >= 0.9995


@settings(max_examples=20, deadline=None)
@given(
    order=st.lists(st.sampled_from(range(len(LENGTHS))), min_size=1, max_size=9, unique=True),
    threads=st.integers(1, 3),
)
@pytest.mark.parametrize("precision", ["f32", pytest.param("bf16", marks=needs_bf16)])
def test_a_text_has_the_same_bits_in_any_batch_order_and_number_of_threads(
    loaded, alone, precision, order, threads
):
    ids, offsets = tokens(LENGTHS)
    parts = [ids[offsets[at] : offsets[at + 1]] for at in order]
    ends = np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)
    together = loaded(precision).encode(np.concatenate(parts), ends, threads=threads)
    for row, at in zip(together, order, strict=True):
        assert row.tobytes() == alone(precision)[at]


@pytest.fixture(scope="module")
def loaded(made):
    return cache(lambda precision: native(made("narrow heads"), precision))


@pytest.fixture(scope="module")
def alone(loaded):
    ids, offsets = tokens(LENGTHS)

    @cache
    def each(precision):
        model = loaded(precision)
        texts = (ids[start:end] for start, end in pairwise(offsets.tolist()))
        return [model.encode(text, np.array([0, len(text)])).tobytes() for text in texts]

    return each


def with_config(folder, target, drop=(), **changes):
    """Copy a model, with another config.json."""
    shutil.copytree(folder, target)
    file = target / "config.json"
    config = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({key: config[key] for key in config if key not in drop}))
    return target


def test_a_configuration_as_first_published_is_that_of_today(made, tmp_path):
    folder = made("narrow heads")
    old = with_config(
        folder,
        tmp_path / "old",
        drop=("layer_types", "rope_parameters"),
        global_attn_every_n_layers=2,
        global_rope_theta=80_000.0,
        local_rope_theta=500.0,
        position_embedding_type="absolute",
    )
    ids, offsets = tokens((5, 40, 200))
    found = native(old, "f32").encode(ids, offsets)
    assert np.abs(found - torch_means(old, ids, offsets)).max() < 2e-5
    assert np.abs(found - native(folder, "f32").encode(ids, offsets)).max() > 1e-3
    # Without bases, those of the first models.
    bare = with_config(folder, tmp_path / "bare", drop=("layer_types", "rope_parameters"))
    found = native(bare, "f32").encode(ids, offsets)
    assert np.abs(found - torch_means(bare, ids, offsets)).max() < 2e-5


def test_long_texts_are_cut_where_the_folder_says(made):
    folder = made("narrow heads")
    texts = ["a long text " * 80, "a short one"]
    for limit in (None, 17, 100):
        encoder = NativeEncoder(folder, precision="f32", max_tokens=limit)
        found = encoder.encode(texts, role="document")
        expected = load_encoder(f"st:{folder}", cache=False, max_tokens=limit).encode(
            texts, role="document"
        )
        assert found.truncated.tolist() == expected.truncated.tolist() == [True, False]
        assert np.abs(found.vectors - expected.vectors).max() < 2e-5


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"local_attention": 0}, "local_attention"),
        ({"local_attention": 1}, "local_attention"),
        ({"local_attention": "wide"}, "local_attention"),
        ({"layer_types": ["full_attention"] * 4}, "layer_types"),
        ({"layer_types": [["full_attention"]] * 5}, "layer_types"),
        ({"layer_types": "full_attention"}, "layer_types"),
        ({"layer_types": None, "global_attn_every_n_layers": 0}, "global_attn_every_n_layers"),
        ({"rope_parameters": {"full_attention": {"rope_theta": "far"}}}, "full_attention"),
        ({"rope_parameters": {"sliding_attention": {"rope_theta": 0}}}, "sliding_attention"),
        ({"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}, "yarn"),
        ({"rope_parameters": {"rope_theta": 7.0}}, "rope_parameters"),
        (
            {"rope_parameters": None, "local_rope_theta": float("nan")},
            "local_rope_theta|valid JSON",
        ),
        ({"rope_scaling": {"rope_type": "linear", "factor": 2.0}}, "rope_scaling"),
        ({"num_attention_heads": 128}, "heads of 32, 64 and 128"),
        ({"num_attention_heads": 3}, "3 heads do not divide 128"),
        ({"head_dim": 16}, "head_dim is 16"),
        ({"attention_bias": True}, "bias"),
        ({"norm_bias": True}, "no tensor .*norm.bias"),
        ({"intermediate_size": 104}, "mlp.Wi.weight.* of shape"),
        ({"num_hidden_layers": 10**9}, "."),
        ({"max_position_embeddings": 10**9}, "sizes that no model has"),
        ({"hidden_activation": "mish"}, "mish"),
    ],
)
def test_a_configuration_that_computes_otherwise_is_a_named_error(made, tmp_path, changes, said):
    folder = with_config(made("narrow heads"), tmp_path / "changed", **changes)
    with pytest.raises(ModelError, match=said):
        NativeEncoder(folder, precision="f32").encode(["a text"], role="query")
