"""Fewer columns and fewer bits as axes of one evaluation."""

from __future__ import annotations

import json
import logging
from typing import Any

import numpy as np
import pytest

from embedsmith.backends.fake import FakeEncoder
from embedsmith.datasets import load_dataset
from embedsmith.evaluation import EvaluationResult, evaluate
from embedsmith.evaluation._small_vectors import bytes_per_vector, cut, int8_codes, int8_ranges
from embedsmith.evaluation._variants import Form, SmallSearch
from embedsmith.exceptions import MeasureError, ShapeError
from embedsmith.metrics import compare_tables

OFF: dict[str, Any] = {"latency_queries": 0, "cache": False}


@pytest.fixture(scope="module")
def bank():
    return load_dataset("sample:bank")


@pytest.fixture(scope="module")
def result(bank):
    return evaluate(
        ["fake:64", "bm25"], bank, dims=[16, 64, 32], precisions=["int8", "binary+f32"], **OFF
    )


def test_every_dimension_is_measured_at_every_precision_but_the_full_one(result):
    names = [variant.name for variant in result.model("fake:64").variants]
    assert names == [
        "64 int8",
        "64 binary+f32",
        "32 f32",
        "32 int8",
        "32 binary+f32",
        "16 f32",
        "16 int8",
        "16 binary+f32",
    ]
    assert result.model("bm25").variants == ()


def test_bytes_are_those_that_are_searched(result):
    sizes = {variant.name: variant.bytes_per_vector for variant in result.models[0].variants}
    assert (sizes["32 f32"], sizes["32 int8"], sizes["32 binary+f32"]) == (128, 32, 4)
    assert bytes_per_vector(100, "binary") == 13


def test_a_cut_model_measures_as_one_that_was_cut_before(bank, result):
    class Cut(FakeEncoder):
        def encode_batch(self, texts, role):
            whole = FakeEncoder.encode_batch(FakeEncoder(64), texts, role)
            return np.ascontiguousarray(whole[:, : self.dim])

    model = result.model("fake:64")
    for variant in (variant for variant in model.variants if variant.precision == "f32"):
        alone = evaluate({"cut": Cut(variant.dim)}, bank, **OFF).models[0]
        assert variant.mean == alone.table.mean
        assert variant.ci == alone.table.ci
        pairs = compare_tables({"full": model.table, "cut": alone.table}).pairs
        for pair in pairs:
            delta, low, high = variant.difference[pair.measure]
            assert (delta, (low, high)) == (pair.difference, pair.ci)


def test_rescoring_all_candidates_is_the_full_model(bank):
    # With every document scored again, nothing is left of the signs.
    (model,) = evaluate(
        "fake:64", bank, precisions=["binary", "binary+f32"], rescore_depth=121, **OFF
    ).models
    coarse, rescored = model.variants
    assert rescored.mean == model.table.mean
    assert set(rescored.difference.values()) == {(0.0, 0.0, 0.0)}
    assert coarse.mean["nDCG@10"] < model.table.mean["nDCG@10"]


def test_fewer_candidates_lose_what_the_signs_lost(bank):
    found = {
        depth: evaluate(
            "fake:64", bank, precisions="binary+f32", rescore_depth=depth, **OFF
        ).models[0]
        for depth in (10, 121)
    }
    few, all_of_them = (model.variants[0].mean["R@10"] for model in found.values())
    assert few < all_of_them


def test_the_texts_are_embedded_once(bank, monkeypatch):
    counts: list[int] = []
    batch = FakeEncoder.encode_batch

    def counted(self, texts, role):
        counts.append(len(texts))
        return batch(self, texts, role)

    monkeypatch.setattr(FakeEncoder, "encode_batch", counted)
    evaluate("fake:64", bank, dims=[8, 16], precisions=["int8"], **OFF)
    # And the one text that warms the model up.
    assert sum(counts) == len(bank.corpus) + len(bank.queries) + 1


def test_more_dimensions_than_a_model_has_are_left_out_with_a_warning(bank, caplog):
    with caplog.at_level(logging.WARNING, logger="embedsmith"):
        result = evaluate(["fake:16", "fake:64"], bank, dims=[32], **OFF)
    assert "fake:16 has 16 dimensions: 32 of dims can not be cut" in caplog.text
    assert "fake:64" not in caplog.text
    assert [len(model.variants) for model in result.models] == [0, 1]


def test_vectors_of_length_1_have_it_again_and_others_keep_theirs():
    unit = np.array([[0.6, 0.0, 0.8], [0.0, 0.0, 1.0]], dtype=np.float32)
    np.testing.assert_array_equal(cut(unit, 2, unit=True), [[1, 0], [0, 0]])
    np.testing.assert_array_equal(cut(unit, 2, unit=False), unit[:, :2])
    # A dot product of vectors that were not normalised lives on their lengths.
    documents = np.array([[1, 1, 0], [3, 0, 0]], dtype=np.float32)
    queries = np.array([[1, 1, 0]], dtype=np.float32)
    search = SmallSearch(documents, queries, "dot", rescore_depth=2, threads=1)
    ((_, found),) = search.each([Form(2, "f32", None)])
    assert found.search(2).rows.tolist() == [[1, 0]]


def test_distances_of_smaller_vectors_rank_the_nearest_first(bank):
    encoder = FakeEncoder(64)
    encoder.metric = "l2"
    (model,) = evaluate(
        encoder, bank, precisions=["int8", "binary+f32"], rescore_depth=121, **OFF
    ).models
    int8, rescored = model.variants
    assert rescored.mean == model.table.mean
    assert int8.mean["R@10"] == pytest.approx(model.table.mean["R@10"], abs=0.05)


def test_a_column_of_one_value_has_one_code():
    vectors = np.array([[0.0, 5.0], [255.0, 5.0], [1.0, 5.0]], dtype=np.float32)
    codes = int8_codes(vectors, int8_ranges(vectors))
    assert codes.tolist() == [[-128, -128], [127, -128], [-127, -128]]


def test_each_variant_says_how_it_was_made(result):
    methods = {variant.name: variant.method for variant in result.models[0].variants}
    assert "256 steps" in methods["64 int8"]
    assert "Hamming" in methods["64 binary+f32"]
    assert methods["64 binary+f32"].endswith("documents in float32.")
    assert "256" not in methods["32 f32"]


def test_variants_are_saved_and_read_again(result, tmp_path):
    again = EvaluationResult.load(result.save(tmp_path / "out"))
    assert again.models[0].variants == result.models[0].variants
    command = " ".join(json.loads((tmp_path / "out" / "result.json").read_text())["command"])
    assert "--dims 16,64,32 --precisions int8,binary+f32" in command


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_no_variant(result, bank, threads):
    other = evaluate(
        "fake:64", bank, dims=[16, 32], precisions=["int8", "binary+f32"], threads=threads, **OFF
    )
    assert other.models[0].variants == result.models[0].variants


def test_one_number_and_one_name_are_enough(bank):
    (model,) = evaluate("fake:16", bank, dims=8, precisions="int8", **OFF).models
    assert [variant.name for variant in model.variants] == ["16 int8", "8 f32", "8 int8"]


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"dims": [0]}, ShapeError, "dims=0 is too small"),
        ({"dims": "64"}, ShapeError, "dims='6' is no integer"),
        ({"dims": [2.5]}, ShapeError, "dims=2.5 is no integer"),
        ({"precisions": "int4"}, MeasureError, "did you mean 'int8'"),
        ({"precisions": [8]}, MeasureError, "precisions=8 is not known"),
        ({"rescore_depth": 0}, ShapeError, "rescore_depth=0 is too small"),
        (
            {"precisions": "binary+f32", "rescore_depth": 9},
            ShapeError,
            "Raise it to 10 or more",
        ),
    ],
)
def test_wrong_arguments_are_refused_before_anything_runs(bank, arguments, error, said):
    with pytest.raises(error, match=said):
        evaluate("st:./no-such-model", bank, **arguments)


def test_documents_that_tie_when_scored_again_stand_in_the_order_of_the_corpus():
    # Both have a dot product of 1 with the query; by signs, the second one is nearer.
    documents = np.array([[2, -1], [0.5, 0.5]], dtype=np.float32)
    queries = np.array([[1, 1]], dtype=np.float32)
    search = SmallSearch(documents, queries, "dot", rescore_depth=2, threads=1)
    found = dict(search.each([Form(2, "binary", None), Form(2, "binary", "f32")]))
    signs, rescored = (one.search(2).rows.tolist() for one in found.values())
    assert (signs, rescored) == ([[1, 0]], [[0, 1]])
