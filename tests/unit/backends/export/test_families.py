"""Every family gives the vectors of transformers, plain and fused, in each precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embedsmith.backends._sample_texts import sample_texts
from embedsmith.backends._transformer_folder import TransformerFolder
from embedsmith.backends.export._export import write_export, write_model
from embedsmith.backends.export._layers import Plan
from embedsmith.backends.export._mpnet_bias import bucket_of
from embedsmith.backends.export._runner import ExportRunner
from embedsmith.backends.sentence_transformers import SentenceTransformerEncoder
from tests.unit.backends.export.conftest import CONFIGS, make_export_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from embedsmith._typing import F32Array

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
TEXTS = [*sample_texts()[:24:2], *sample_texts()[-2:], "", "<pad> in the <pad> middle"]


def written(model: Path, folder: Path, plan: Plan) -> tuple[F32Array, dict[str, Any]]:
    """Return what a graph of the model answers to the texts, and what is said of it."""
    source = TransformerFolder.read(model)
    folder.mkdir()
    identity = source.declared.fingerprint(source.folder)
    graph = write_export(source, plan, folder, "made", identity).graph
    return ExportRunner(folder, "cpu").encode(TEXTS, "document"), graph


def original(model: Path) -> F32Array:
    return SentenceTransformerEncoder(model).encode(TEXTS, role="document").vectors


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_each_family_gives_the_vectors_of_transformers(
    families: Callable[[str], Path], tmp_path: Path, family: str
) -> None:
    model = families(family)
    expected = original(model)
    plain, graph = written(model, tmp_path / "plain", Plan("fp32", "cpu", fused=False))
    fused, fused_graph = written(model, tmp_path / "fused", Plan("fp32", "cuda", fused=True))
    # Sums of some hundred products in another order.
    np.testing.assert_allclose(plain, expected, atol=5e-6)
    np.testing.assert_allclose(fused, expected, atol=5e-6)
    assert graph["fused_layers"] == 0
    assert fused_graph["fused_layers"] == graph["layers"] == 3


@pytest.mark.parametrize(
    ("family", "room"), [("bert", 40), ("roberta", 38), ("mpnet", 38), ("distilbert", 40)]
)
def test_texts_are_cut_where_the_table_of_places_ends(
    tmp_path: Path, family: str, room: int
) -> None:
    """Families that count places from the one after the padding's have as many fewer.

    torch is no measure: it fails at a text that long.
    """
    model = make_export_model(tmp_path, family, max_position_embeddings=40)
    source = TransformerFolder.read(model)
    assert source.space.max_tokens == room
    answer, _ = written(model, tmp_path / "out", Plan("fp32", "cpu", fused=False))
    assert np.isfinite(answer).all()


@pytest.mark.parametrize("family", ["bert", "modernbert"])
@pytest.mark.parametrize(
    ("plan", "least"),
    [
        (Plan("fp16", "cuda", fused=True), 0.9999),
        (Plan("int8", "cpu", fused=False), 0.99),
        (Plan("int8", "cuda", fused=True), 0.99),
    ],
)
def test_coarser_precisions_stay_near(
    families: Callable[[str], Path], tmp_path: Path, family: str, plan: Plan, least: float
) -> None:
    model = families(family)
    answer, _ = written(model, tmp_path / "out", plan)
    cosine = (answer * original(model)).sum(axis=1)
    assert cosine.min() > least
    # And is not simply float32.
    assert cosine.max() < 1.0 - 1e-9


def test_bf16_rounds_the_products_only(families: Callable[[str], Path], tmp_path: Path) -> None:
    """Run by onnx's reference implementation: onnxruntime has no bfloat16 product for CPUs."""
    from onnx.reference import ReferenceEvaluator
    from tokenizers import Tokenizer

    model = families("bert")
    source = TransformerFolder.read(model)
    write_model(source, Plan("bf16", "cuda", fused=False), tmp_path)
    plain, _ = written(model, tmp_path / "plain", Plan("fp32", "cpu", fused=False))
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    session = ReferenceEvaluator(str(tmp_path / "model.onnx"))
    for at in (0, 3):
        ids = tokenizer.encode(TEXTS[at]).ids[:100]
        feeds = {"input_ids": np.asarray([ids]), "attention_mask": np.ones((1, len(ids)), int)}
        (found,) = session.run(None, feeds)
        cosine = float((found[0] * plain[at]).sum())
        assert 0.995 < cosine < 1.0 - 1e-7


def test_the_buckets_of_mpnet_are_those_of_transformers_at_every_distance() -> None:
    import torch
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    distance = np.arange(-600, 601)
    theirs = MPNetEncoder.relative_position_bucket(torch.from_numpy(distance))
    np.testing.assert_array_equal(bucket_of(distance), theirs.numpy())


@pytest.mark.parametrize(
    "pooling",
    ["cls", "max", "lasttoken", "mean_sqrt_len_tokens", "weightedmean", ["cls", "mean"]],
    ids=str,
)
def test_each_pooling_gives_the_vectors_of_sentence_transformers(
    tmp_path: Path, pooling: str | list[str]
) -> None:
    from sentence_transformers.sentence_transformer.modules import Dropout

    # Not normalised: a wrong divisor would cancel out.
    model = make_export_model(tmp_path, pooling=pooling, after=[Dropout(0.1)])
    answer, _ = written(model, tmp_path / "out", Plan("fp32", "cpu", fused=False))
    np.testing.assert_allclose(answer, original(model), rtol=1e-5, atol=5e-5)


@pytest.mark.parametrize("activation", ["Tanh", "GELU", "Identity"])
def test_modules_after_the_pooling_are_in_the_graph(tmp_path: Path, activation: str) -> None:
    import torch
    from sentence_transformers.base.modules import Dense
    from sentence_transformers.sentence_transformer.modules import LayerNorm, Normalize

    torch.manual_seed(3)
    dense = Dense(32, 20, activation_function=getattr(torch.nn, activation)())
    model = make_export_model(
        tmp_path, after=[dense, LayerNorm(20), Normalize()], settings={"truncate_dim": 12}
    )
    answer, _ = written(model, tmp_path / "out", Plan("fp32", "cpu", fused=False))
    assert answer.shape == (len(TEXTS), 12)
    np.testing.assert_allclose(answer, original(model), atol=5e-6)


def test_vectors_that_are_not_normalised_keep_their_length(tmp_path: Path) -> None:
    from sentence_transformers.sentence_transformer.modules import Dropout

    model = make_export_model(tmp_path, after=[Dropout(0.1)])
    answer, _ = written(model, tmp_path / "out", Plan("fp32", "cpu", fused=False))
    np.testing.assert_allclose(answer, original(model), atol=3e-5)
    assert np.linalg.norm(answer, axis=1).max() > 1.5


def test_weights_beside_the_graph_give_the_same_bits(
    families: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from embedsmith.backends.export import _folder

    model = families("bert")
    plan = Plan("fp32", "cpu", fused=False)
    inside, _ = written(model, tmp_path / "inside", plan)
    monkeypatch.setattr(_folder, "INLINE_BYTES", 0)
    beside, _ = written(model, tmp_path / "beside", plan)
    assert sorted(file.name for file in (tmp_path / "beside").iterdir()) == [
        "embedsmith_export.json",
        "model.onnx",
        "model.onnx_data",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    np.testing.assert_array_equal(beside, inside)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_in_half_precision_are_widened_exactly(tmp_path: Path, dtype: str) -> None:
    import torch
    from safetensors.torch import load_file

    from embedsmith.backends.export._weights import Weights

    model = make_export_model(tmp_path, dtype=dtype)
    theirs = load_file(model / "model.safetensors")
    ours = Weights([model / "model.safetensors"])
    name = "encoder.layer.0.output.dense.weight"
    assert theirs[name].dtype == getattr(torch, dtype)
    np.testing.assert_array_equal(ours.read(name, (32, 48)), theirs[name].float().numpy())
