"""The gate lets a faithful export through, and refuses each way of being wrong, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embedsmith.backends._sample_texts import sample_texts
from embedsmith.backends.export import _export as exporting
from embedsmith.backends.export import _layers, _tail, export_model
from embedsmith.backends.export._gate import batch_invariance, check_parity, cosines
from embedsmith.backends.export._retrieval import compare_retrieval
from embedsmith.backends.export._tolerance import Tolerance
from embedsmith.datasets import Corpus, Dataset, Qrels, Queries
from embedsmith.exceptions import DeviceError, ModelError, NonFiniteError, ParityError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from embedsmith._typing import F32Array

TEXTS = sample_texts()[::3]


@dataclass(frozen=True)
class Fixed:
    """An encoder that knows its answers."""

    vectors: dict[str, F32Array]

    def encode(self, texts: Sequence[str], role: str) -> F32Array:  # noqa: ARG002
        return np.stack([self.vectors[text] for text in texts])

    encode_batch = encode


def labelled(count: int) -> Dataset:
    """Return queries q0.., each with the one relevant document d0.., of ``count`` and 20 more."""
    ids = [f"{number:03}" for number in range(count)]
    documents = [f"d{number:03}" for number in range(count + 20)]
    return Dataset.build(
        "made",
        Corpus(tuple(documents), tuple(f"document {d}" for d in documents)),
        Queries(tuple(f"q{i}" for i in ids), tuple(f"query {i}" for i in ids)),
        Qrels({f"q{i}": {f"d{i}": 1} for i in ids}),
    )


def searching(data: Dataset, *, missed: int) -> Fixed:
    """Return an encoder that finds each query's document first, but for the first ``missed``."""
    width = len(data.corpus.ids)
    vectors = dict(zip(data.corpus.texts, np.eye(width), strict=True))
    for at, text in enumerate(data.queries.texts):
        wanted = np.eye(width)[at] if at >= missed else -np.eye(width)[at]
        vectors[text] = wanted
    return Fixed({text: row.astype(np.float32) for text, row in vectors.items()})


def verdicts(count: int, missed: int) -> dict[str, Any]:
    data = labelled(count)
    found = compare_retrieval(
        searching(data, missed=0),
        searching(data, missed=missed),
        data,
        margin=0.01,
        metric="dot",
        tell=str,
    )
    return {name: one["verdict"] for name, one in found["measures"].items()}


def test_retrieval_is_equivalent_different_or_not_known() -> None:
    assert verdicts(40, 0) == {"nDCG@10": "equivalent", "R@10": "equivalent"}
    # 4 of 40 queries lose all: ten points.
    assert verdicts(40, 4) == {"nDCG@10": "different", "R@10": "different"}
    # 1 of 120 is 0.0083, under a point; the interval reaches beyond it.
    assert verdicts(120, 1)["nDCG@10"] == "not enough evidence"


def test_a_difference_is_the_export_less_the_original() -> None:
    data = labelled(40)
    found = compare_retrieval(
        searching(data, missed=0),
        searching(data, missed=4),
        data,
        margin=0.01,
        metric="dot",
        tell=str,
    )["measures"]["R@10"]
    assert (found["original"], found["export"]) == (1.0, 0.9)
    assert found["difference"] == pytest.approx(-0.1)
    assert found["ci"][0] < -0.1 < found["ci"][1] < 0


def test_a_faithful_export_is_accepted_and_says_so(
    families: Callable[[str], Path], tmp_path: Path
) -> None:
    result = export_model(families("mpnet"), tmp_path / "out", texts=TEXTS)
    parity = result.manifest.parity
    assert parity["cosine"]["min"] > 0.999999
    assert parity["texts"] == len(TEXTS)
    assert parity["retrieval"] is None
    assert result.manifest.batch_invariance["bound"] < 1e-5
    assert "accepted; checked on cpu" in str(result)
    assert "retrieval was not compared" in str(result)


def wrong_pooling(monkeypatch: pytest.MonkeyPatch) -> None:
    own = _tail._pooled
    monkeypatch.setattr(_tail, "_pooled", lambda layers, hidden, _mode: own(layers, hidden, "cls"))


def wrong_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        _layers.Layers, "scale", lambda self, _width: self.graph.scalar(1.0, np.float32)
    )


def no_padding_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        _layers.Layers,
        "additive_mask",
        lambda self, _keep: self.graph.constant("nothing", np.zeros((1, 1, 1, 1), np.float32)),
    )


def scale_per_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quantise what was written as onnxruntime's dynamic quantisation does."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    own = exporting.write_model

    def write(source: Any, plan: Any, folder: Path) -> Any:
        graph = own(source, plan, folder)
        file = folder / "model.onnx"
        quantize_dynamic(file, folder / "small.onnx", weight_type=QuantType.QInt8)
        (folder / "small.onnx").replace(file)
        return graph

    monkeypatch.setattr(exporting, "write_model", write)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("spoil", "tolerance", "reason"),
    [
        (wrong_pooling, {}, r"cosine to the original, min: .* \(cosine_min\)"),
        (wrong_scale, {}, r"cosine to the original, mean: .* \(cosine_mean\)"),
        (no_padding_mask, {}, r"a vector depends on its batch: .* \(batch\)"),
        # Loosened to what dynamic quantisation may reach, so that its dependence on the batch is
        # what is left to refuse.
        (
            scale_per_tensor,
            {"cosine_min": -1.0, "cosine_p1": -1.0, "cosine_mean": -1.0},
            r"a vector depends on its batch: .* \(batch\)",
        ),
        (scale_per_tensor, {}, r"cosine to the original, min"),
    ],
)
def test_an_export_that_is_wrong_is_refused_and_leaves_nothing(  # noqa: PLR0917 - fixtures
    families: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[pytest.MonkeyPatch], None],
    tolerance: dict[str, float],
    reason: str,
) -> None:
    spoil(monkeypatch)
    with pytest.raises(ParityError, match=reason):
        export_model(families("bert"), tmp_path / "out", texts=TEXTS, tolerance=tolerance)
    assert list(tmp_path.iterdir()) == []


def test_retrieval_that_differs_is_refused(
    families: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        exporting,
        "check_parity",
        lambda *a, **k: _with_different_retrieval(_OWN(*a, **k)),
    )
    data = labelled(12)
    with pytest.raises(ParityError, match=r"nDCG@10: -0\.0300 to the original.*\(retrieval\)"):
        export_model(families("bert"), tmp_path / "out", texts=TEXTS[:6], data=data)
    assert list(tmp_path.iterdir()) == []


_OWN = check_parity


def _with_different_retrieval(parity: dict[str, Any]) -> dict[str, Any]:
    parity["retrieval"]["measures"]["nDCG@10"].update(verdict="different", difference=-0.03)
    return parity


def test_int8_depends_on_no_neighbour(families: Callable[[str], Path], tmp_path: Path) -> None:
    result = export_model(
        families("bert"),
        tmp_path / "out",
        precision="int8",
        texts=TEXTS,
        # Random weights of 32 columns round more than a real model's.
        tolerance={"cosine_min": 0.98, "cosine_p1": 0.98, "cosine_mean": 0.99},
    )
    assert result.manifest.batch_invariance["bound"] < 1e-6
    operators = result.manifest.graph["operators"]
    assert operators["MatMulNBits"] == 12
    assert not {"DynamicQuantizeLinear", "MatMulInteger"} & set(operators)


def test_batch_dependence_is_measured_against_padding_too() -> None:
    class Leaks(Fixed):
        def encode_batch(self, texts: Sequence[str], role: str) -> F32Array:
            longest = max(map(len, texts))
            return np.asarray(self.encode(texts, role) + np.float32(0.001 * longest))

    texts = ["a", "bb", "ccc", "dddd" * 9]
    found = batch_invariance(Leaks({t: np.ones(3, np.float32) for t in texts}), texts)
    assert not found["bitwise"]
    assert found["bound"] == pytest.approx(0.035, rel=1e-3)


def test_the_cosine_of_nan_is_no_number_but_an_error() -> None:
    good, bad = np.ones((2, 3), np.float32), np.ones((2, 3), np.float32)
    bad[1, 0] = np.nan
    with pytest.raises(NonFiniteError, match="the export answers NaN or infinity for text 1"):
        cosines(good, bad)
    with pytest.raises(NonFiniteError, match="the original answers NaN"):
        cosines(bad, good)


def test_a_tolerance_is_changed_by_name_only() -> None:
    assert Tolerance.of("int8", {"cosine_min": 0.9}).cosine_min == 0.9
    with pytest.raises(ShapeError, match="Did you mean 'cosine_min'"):
        Tolerance.of("int8", {"cosine_mn": 0.9})
    with pytest.raises(ShapeError, match="cosine_min is 1.5; it must lie between -1 and 1"):
        Tolerance.of("fp32", {"cosine_min": 1.5})
    with pytest.raises(ShapeError, match="retrieval is 0; it must"):
        Tolerance.of("fp32", {"retrieval": 0.0})


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_on_a_cpu_is_refused_with_what_to_take(
    families: Callable[[str], Path], tmp_path: Path, precision: str
) -> None:
    with pytest.raises(ModelError, match=rf"{precision} runs on CUDA only.*fp32.*int8"):
        export_model(families("bert"), tmp_path / "out", precision=precision)


def test_bf16_is_not_accepted_where_it_cannot_be_checked(
    families: Callable[[str], Path], tmp_path: Path
) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime has a CUDA provider here, so bf16 can be checked")
    with pytest.raises(DeviceError, match="checked on a CUDA device"):
        export_model(families("bert"), tmp_path / "out", precision="bf16", target="cuda")


def test_the_same_text_has_the_same_bits_alone_and_in_any_batch_on_a_cpu(
    families: Callable[[str], Path], tmp_path: Path
) -> None:
    """Mean pooling is where it would break: its sum runs over the padding too."""
    from embedsmith.backends import load_encoder

    for precision in ("fp32", "int8"):
        out = tmp_path / precision
        export_model(
            families("bert"),
            out,
            precision=precision,
            texts=TEXTS,
            tolerance={"cosine_min": 0.98, "cosine_p1": 0.98, "cosine_mean": 0.99},
        )
        encoder: Any = load_encoder(f"onnx:{out}", cache=False)
        texts = [" ".join(["interest"] * count) for count in range(1, 34)]
        alone = np.concatenate([encoder.encode_batch([text], "document") for text in texts])
        for size in (2, 5, 33):
            for start in range(0, len(texts), size):
                batch = encoder.encode_batch(texts[start : start + size], "document")
                np.testing.assert_array_equal(batch, alone[start : start + size])
        assert encoder.batch_invariant
