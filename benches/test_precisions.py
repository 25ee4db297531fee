"""What lower precision costs in quality: models on labelled sets, beside themselves in float32.

Each entry tells nDCG@10 and Recall@10 of one engine. Of a lower precision it also tells, under
``against_float32``, the paired difference of each with its interval and the p-value of two
one-sided tests that the difference is below the margin, and the cosines of the documents' vectors.
The times are of one call that embeds the documents, without repetition: the suite `encoders` is the
one to read for speed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import embedsmith as es
from benches import paraphrase, passages
from benches.engines import THREADS
from embedsmith.backends import load_encoder, resolve_model
from embedsmith.backends.export._gate import cosines
from embedsmith.backends.export._retrieval import compare_retrieval
from embedsmith.backends.native._precision import PRECISIONS
from embedsmith.exceptions import DeviceError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from embedsmith.backends import Encoder

# The largest model takes an hour and more for all of ObliQA on two cores.
MODELS = {
    "all-MiniLM-L6-v2": ("cranfield", "obliqa", "squad"),
    paraphrase.NAME: ("cranfield", "obliqa", "squad"),
    "all-mpnet-base-v2": ("cranfield", "squad"),
}
# Kind of the encoder, its precision, and the engine that it is compared with.
ENGINES = {
    "st": ("st", "fp32", "st"),
    "st-bf16": ("st", "bf16", "st"),
    "native": ("native", "fp32", "native"),
    "native-bf16": ("native", "bf16", "native"),
    "native-int8": ("native", "int8", "native"),
}
MARGINS = {"bf16": 0.005, "int8": 0.01}
# The least cosine of a document's vector to float32: on average, and of any.
LEAST_MEAN = {"bf16": 0.9999, "int8": 0.999}
LEAST = {"bf16": 0.999, "int8": 0.997}


@dataclass
class Kept:
    """An encoder that embeds the texts of each role once."""

    encoder: Encoder
    vectors: dict[str, np.ndarray] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def encode(self, texts: Sequence[str], role: Any) -> np.ndarray:
        if role not in self.vectors:
            start = time.perf_counter()
            self.vectors[role] = self.encoder.encode(texts, role=role).vectors
            self.seconds[role] = time.perf_counter() - start
        return self.vectors[role]


@cache
def labelled(name: str) -> Any:
    return es.load_dataset(passages.data_folder().parent / name, split="test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function from a model's name to its folder; it skips what is not here."""
    made: dict[str, Path] = {}

    def find(name: str) -> Path:
        if name == paraphrase.NAME:
            reason = paraphrase.absent()
            if reason is not None:
                pytest.skip(reason)
            if name not in made:
                made[name] = paraphrase.torch_folder(tmp_path_factory.mktemp("l3") / name)
            return made[name]
        try:
            return resolve_model(name)
        except ModelError as error:
            pytest.skip(str(error))

    return find


def opened(path: Path, engine: str) -> Encoder:
    kind, precision, _ = ENGINES[engine]
    if kind == "native" and precision not in ("fp32", *PRECISIONS):
        pytest.skip(f"native models do not run in {precision}; they run in {', '.join(PRECISIONS)}")
    try:
        return load_encoder(f"{kind}:{path}", precision=precision, cache=False)
    except DeviceError as error:
        pytest.skip(str(error))


@cache
def in_float32(base: str, path: Path, data: str) -> Kept:  # noqa: ARG001 - one for each set
    """Return the encoder in float32, whose vectors its lower precisions share."""
    return Kept(opened(path, base))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("model", "data"), [(model, data) for model, names in MODELS.items() for data in names]
)
def test_quality(
    benchmark: Any,
    engine: str,
    model: str,
    data: str,
    folder: Callable[[str], Path],
) -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(THREADS)
    if not (passages.data_folder().parent / data).is_dir():
        pytest.skip(f"no {data} in {passages.data_folder().parent}")
    path, precision = folder(model), ENGINES[engine][1]
    one, judged = Kept(opened(path, engine)), labelled(data)
    exact = in_float32(ENGINES[engine][2], path, data)
    if precision == "fp32":
        one = exact
    documents = judged.corpus.texts
    one.encoder.encode(["loads the model"], role="document")
    benchmark.pedantic(one.encode, args=(documents, "document"), rounds=1, iterations=1)
    found = compare_retrieval(
        exact,
        one,
        judged,
        margin=MARGINS.get(precision, 0.01),
        metric="cosine",
        tell=lambda _: None,
    )
    benchmark.extra_info.update(
        engine=engine,
        baseline=ENGINES[engine][2],
        data=f"{model}/{data}",
        shape={"docs": len(documents), "queries": found["queries"], "dim": one.encoder.dim},
        dtype="float32",
        k=10,
        threads=THREADS,
        precision=precision,
        embedding_s=round(one.seconds["document"], 3),
        measures={name: of["export"] for name, of in found["measures"].items()},
    )
    if precision == "fp32":
        return
    near = cosines(exact.vectors["document"], one.vectors["document"])
    benchmark.extra_info["against_float32"] = {
        "measures": found["measures"],
        "test": found["test"],
        "cosine": {
            "mean": float(near.mean()),
            "p1": float(np.percentile(near, 1)),
            "min": float(near.min()),
        },
    }
    assert near.mean() >= LEAST_MEAN[precision]
    assert near.min() >= LEAST[precision]
    assert all(of["verdict"] != "different" for of in found["measures"].values())
