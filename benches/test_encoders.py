"""Encoders of one model over the same texts: torch and ONNX, the peers' ways and ours.

``test_passages`` embeds 1,500 passages of widely mixed length in one call, in the caller's order
and from nothing: tokenising, padding and pooling count. Its shape tells the tokens, so that
tokens a second are ``tokens / median_s``; the rate of operations counts the products of matrices
for the tokens that the model has to see, and none for padding. ``test_single_query`` embeds 50
queries one after another, each in a call of its own.

Each peer runs at its defaults, as its documentation calls it; ours too. Every answer is compared
with sentence-transformers in float32 on the same passages, to the cosine that its precision allows.
"""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benches import passages
from benches.engines import THREADS
from embedsmith._core import available_isas
from embedsmith.backends import load_encoder, resolve_model
from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benches.conftest import Bench

    Encode = Callable[[], np.ndarray]

BASELINE = "sentence-transformers"
# In place of a folder: the model's own, in the extension.
NATIVE = "native"
# The least cosine to float32, by precision.
CLOSE = {"fp32": 0.99999, "bf16": 0.999, "int8": 0.995, "fp16": 0.9999}
ENGINES = {
    "sentence-transformers": "fp32",
    "sentence-transformers-bf16": "bf16",
    "sentence-transformers-onnx": "fp32",
    "fastembed": "fp32",
    "embedsmith": "fp32",
    "embedsmith-bf16": "bf16",
    "embedsmith-onnx": "fp32",
    "embedsmith-onnx-int8": "int8",
    "embedsmith-native": "fp32",
    "embedsmith-native-bf16": "bf16",
    "embedsmith-native-int8": "int8",
}
# Of a model eight times as large, over fewer passages.
LARGER = {name: ENGINES[name] for name in ENGINES if name == BASELINE or "native-" in name}
GPU_ENGINES = {
    "sentence-transformers-fp16": "fp16",
    "embedsmith-fp16": "fp16",
    "embedsmith-onnx-fp16": "fp16",
}
HAS_BF16 = bool({"avx512bf16", "amx"}.intersection(available_isas()))


def sentence_transformers(
    texts: list[str],
    folder: str,
    precision: str,
    device: str = "cpu",
    name: str = passages.MODEL,
) -> Encode:
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(THREADS)
    backend = "onnx" if folder else "torch"
    path = folder or str(resolve_model(name))
    options: dict[str, Any] = {"backend": backend} if folder else {}
    if precision == "fp16":
        options["model_kwargs"] = {"torch_dtype": "float16"}
    model = SentenceTransformer(path, device=device, local_files_only=True, **options)
    lower = precision == "bf16"

    def encode() -> np.ndarray:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=lower):
            return np.asarray(model.encode(texts, show_progress_bar=False), dtype=np.float32)

    return encode


def embedsmith(
    texts: list[str],
    folder: str,
    precision: str,
    device: str = "cpu",
    name: str = passages.MODEL,
) -> Encode:
    import torch

    torch.set_num_threads(THREADS)
    kind = "native" if folder == NATIVE else "st"
    whole = folder in ("", NATIVE)
    spec = f"{kind}:{name}" if whole else f"onnx:{folder}"
    options: dict[str, Any] = {"precision": precision} if whole else {}
    encoder = load_encoder(spec, device=device, cache=False, **options)
    return lambda: encoder.encode(texts, role="document").vectors


def fastembed(texts: list[str], folder: str, precision: str, device: str = "cpu") -> Encode:
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    assert (precision, device) == ("fp32", "cpu")
    TextEmbedding.add_custom_model(
        model="local",
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(hf="local"),
        dim=384,
        model_file="onnx/model.onnx",
    )
    model = TextEmbedding("local", specific_model_path=folder, threads=THREADS)
    return lambda: np.stack(list(model.embed(texts)))


def latencies(engine: str, queries: list[str], *how: str) -> Callable[[], np.ndarray]:
    """Return a call that answers with the seconds of each query alone."""
    import time

    box = [queries[0]]
    encode = PREPARE[engine](box, *how)
    # The first call reads the weights.
    encode()

    def each() -> np.ndarray:
        seconds = []
        for query in queries:
            box[0] = query
            start = time.perf_counter()
            encode()
            seconds.append(time.perf_counter() - start)
        return np.asarray(seconds)

    return each


PREPARE = {
    name: next(
        prepare
        for prefix, prepare in (
            ("sentence-transformers", sentence_transformers),
            ("embedsmith", embedsmith),
            ("fastembed", fastembed),
        )
        if name.startswith(prefix)
    )
    for name in (*ENGINES, *GPU_ENGINES)
}


@cache
def drawn(name: str = passages.MODEL) -> passages.Passages:
    return passages.passages(name)


@cache
def reference(name: str = passages.MODEL) -> np.ndarray:
    return sentence_transformers(drawn(name).texts, "", "fp32", "cpu", name)()


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Return a maker of exports, each made once."""
    from embedsmith.backends.export import export_model

    folder = tmp_path_factory.mktemp("exports")

    def make(precision: str, target: str) -> Path:
        path = folder / f"{precision}-{target}"
        if not path.exists():
            export_model(passages.MODEL, path, precision=precision, target=target, data=None)
        return path

    return make


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Return a maker of a folder as sentence-transformers lays out an ONNX model.

    Its own exporter needs optimum, which cannot be installed beside transformers 5; the graph is
    the one that torch writes of the model, with the names that the library looks for.
    """
    folder = tmp_path_factory.mktemp("layout")

    def make() -> Path:
        if not (folder / "onnx").exists():
            plain_export(folder)
        return folder

    return make


def plain_export(folder: Path) -> None:
    import shutil

    import torch
    from transformers import AutoModel

    source = resolve_model(passages.MODEL)
    shutil.copytree(source, folder, dirs_exist_ok=True)
    # fastembed cuts here, where the published folder says 512: twice what the model looks at.
    settings = folder / "tokenizer_config.json"
    limit = {**json.loads(settings.read_text()), "model_max_length": passages.MAX_TOKENS}
    settings.write_text(json.dumps(limit))
    model = AutoModel.from_pretrained(source, attn_implementation="eager").eval()

    class Tokens(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
            return self.model(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).last_hidden_state

    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {name: {0: "batch", 1: "tokens"} for name in (*names, "last_hidden_state")}
    (folder / "onnx").mkdir()
    example = torch.ones(2, 16, dtype=torch.long)
    torch.onnx.export(
        Tokens(),
        (example, example, example),
        str(folder / "onnx" / "model.onnx"),
        input_names=names,
        output_names=["last_hidden_state"],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )


def folder_for(engine: str, precision: str, export: Any, layout: Any, target: str = "cpu") -> str:
    """Return the folder that an engine runs, "" for the model itself; skip what is not here."""
    reason = passages.absent()
    if reason is not None:
        pytest.skip(reason)
    if precision == "bf16" and not HAS_BF16:
        pytest.skip("no bfloat16 on this CPU")
    if engine == "fastembed":
        if importlib.util.find_spec("fastembed") is None:
            pytest.skip("fastembed is not installed")
        return str(layout())
    if engine == "sentence-transformers-onnx":
        if importlib.util.find_spec("optimum") is None:
            pytest.skip("its onnx backend needs optimum-onnx, which is not here")
        return str(layout())
    if "native" in engine:
        return NATIVE
    return str(export(precision, target)) if "onnx" in engine else ""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("engine", ENGINES)
def test_passages(bench: Bench, engine: str, export: Any, layout: Any) -> None:
    precision = ENGINES[engine]
    folder = folder_for(engine, precision, export, layout)
    texts, _, n_tokens = drawn()
    vectors = bench(
        PREPARE[engine],
        texts,
        folder,
        precision,
        engine=engine,
        baseline=BASELINE,
        shape={"texts": len(texts), "tokens": n_tokens, "dim": 384},
        dtype="float32",
        threads=THREADS,
        data="obliqa",
        operations=passages.FLOP_PER_TOKEN * n_tokens,
        rounds=3,
        environment={"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
    )
    cosines = (vectors * reference()).sum(axis=1) / np.linalg.norm(vectors, axis=1)
    assert cosines.min() >= CLOSE[precision]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("engine", LARGER)
def test_passages_of_mpnet(bench: Bench, engine: str, export: Any, layout: Any) -> None:
    precision, name = LARGER[engine], passages.LARGER
    folder = folder_for(engine, precision, export, layout)
    if not is_installed(name):
        pytest.skip(f"{name} is not installed")
    texts, _, n_tokens = drawn(name)
    vectors = bench(
        PREPARE[engine],
        texts,
        folder,
        precision,
        "cpu",
        name,
        engine=engine,
        baseline=BASELINE,
        shape={"texts": len(texts), "tokens": n_tokens, "dim": 768},
        dtype="float32",
        threads=THREADS,
        data="obliqa",
        operations=passages.LARGER_FLOP_PER_TOKEN * n_tokens,
        rounds=3,
        environment={"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
    )
    cosines = (vectors * reference(name)).sum(axis=1) / np.linalg.norm(vectors, axis=1)
    assert cosines.min() >= CLOSE[precision]


def is_installed(name: str) -> bool:
    try:
        resolve_model(name)
    except ModelError:
        return False
    return True


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("engine", ENGINES)
def test_single_query(bench: Bench, benchmark: Any, engine: str, export: Any, layout: Any) -> None:
    precision = ENGINES[engine]
    folder = folder_for(engine, precision, export, layout)
    queries = drawn().queries
    seconds = bench(
        latencies,
        engine,
        queries,
        folder,
        precision,
        engine=engine,
        baseline=BASELINE,
        shape={"queries": len(queries), "dim": 384},
        dtype="float32",
        threads=THREADS,
        data="obliqa",
        environment={"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
    )
    quantiles = np.quantile(seconds, (0.5, 0.99))
    benchmark.extra_info.update(
        zip(("query_p50_s", "query_p99_s"), map(float, quantiles), strict=True)
    )
    assert 0 < quantiles[0] <= quantiles[1]


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("engine", GPU_ENGINES)
def test_passages_on_a_gpu(bench: Bench, engine: str, export: Any, layout: Any) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device; the CPU twin is test_passages")
    precision = GPU_ENGINES[engine]
    folder = folder_for(engine, precision, export, layout, "cuda")
    texts, _, n_tokens = drawn()
    vectors = bench(
        PREPARE[engine],
        texts,
        folder,
        precision,
        "cuda",
        engine=engine,
        baseline="sentence-transformers-fp16",
        shape={"texts": len(texts), "tokens": n_tokens, "dim": 384},
        dtype="float16",
        threads=THREADS,
        data="obliqa",
        operations=passages.FLOP_PER_TOKEN * n_tokens,
        environment={"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"},
    )
    cosines = (vectors * reference()).sum(axis=1) / np.linalg.norm(vectors, axis=1)
    assert cosines.min() >= CLOSE[precision]
