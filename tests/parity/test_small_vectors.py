"""Codes and rankings of smaller vectors against sentence-transformers 6 and faiss 1.

On the embeddings of a real model: those of random vectors have no skewed columns.
"""

from __future__ import annotations

import numpy as np
import pytest

from embedsmith.backends import load_encoder
from embedsmith.datasets import load_dataset
from embedsmith.evaluation._small_vectors import cut, int8_codes, int8_ranges, int8_values, signs
from embedsmith.evaluation._variants import Form, SmallSearch

quantization = pytest.importorskip("sentence_transformers.quantization")
faiss = pytest.importorskip("faiss")


@pytest.fixture(scope="module")
def embedded():
    data = load_dataset("sample:bank")
    with_model = load_encoder("st:all-MiniLM-L6-v2", cache=False)
    documents = with_model.encode(data.corpus.texts, role="document").vectors
    queries = with_model.encode(data.queries.texts, role="query").vectors
    return documents, queries


@pytest.mark.parametrize("calibrated_on", ["documents", "queries"])
def test_int8_codes_are_those_of_sentence_transformers(embedded, calibrated_on):
    documents, queries = embedded
    # Ranges of the one, codes of the other: values beyond a range occur.
    calibration = documents if calibrated_on == "documents" else queries
    for vectors in (documents, queries):
        theirs = quantization.quantize_embeddings(
            vectors, precision="int8", calibration_embeddings=calibration
        )
        np.testing.assert_array_equal(int8_codes(vectors, int8_ranges(calibration)), theirs)


def test_signs_are_the_bits_of_sentence_transformers(embedded):
    for vectors in embedded:
        theirs = quantization.quantize_embeddings(vectors, precision="ubinary")
        np.testing.assert_array_equal(np.packbits(signs(vectors) > 0, axis=-1), theirs)


def search(embedded, form):
    documents, queries = embedded
    search = SmallSearch(documents, queries, "cosine", rescore_depth=40, threads=2)
    ((_, found),) = search.each([form])
    return found


def test_binary_search_finds_the_distances_of_faiss(embedded):
    packed = [quantization.quantize_embeddings(part, precision="ubinary") for part in embedded]
    index = faiss.IndexBinaryFlat(embedded[0].shape[1])
    index.add(packed[0])
    distances, _ = index.search(packed[1], 20)
    hits = search(embedded, Form(384, "binary", None)).search(20)
    np.testing.assert_array_equal((384 - hits.scores) / 2, distances)


@pytest.mark.parametrize("dim", [384, 100])
def test_int8_search_is_that_of_the_decoded_vectors(embedded, dim):
    documents, queries = embedded
    if dim < 384:
        documents, queries = (cut(part, dim, unit=True) for part in embedded)
        np.testing.assert_allclose(np.linalg.norm(documents, axis=1), 1, atol=1e-6)
    codes = quantization.quantize_embeddings(documents, precision="int8")
    low, high = documents.min(axis=0), documents.max(axis=0)
    decoded = low + (codes.astype(np.float64) + 128.5) * (high - low) / 255
    decoded /= np.linalg.norm(decoded, axis=1, keepdims=True)
    scores = np.sort(queries.astype(np.float64) @ decoded.T)[:, ::-1]
    hits = search(embedded, Form(dim, "int8", None)).search(20)
    np.testing.assert_allclose(hits.exact, scores[:, :20], atol=1e-5)


def test_a_code_stands_for_a_value_at_most_half_a_step_away(embedded):
    documents, _ = embedded
    ranges = int8_ranges(documents)
    errors = np.abs(int8_values(int8_codes(documents, ranges), ranges) - documents)
    assert (errors <= (ranges[1] - ranges[0]) / 255 * 0.501 + 1e-7).all()


@pytest.mark.parametrize("rescore", ["f32", "int8"])
def test_rescoring_orders_the_binary_candidates_by_the_finer_vectors(embedded, rescore):
    documents, queries = embedded
    first = search(embedded, Form(384, "binary", None)).search(40).rows
    if rescore == "int8":
        ranges = int8_ranges(documents)
        documents = int8_values(int8_codes(documents, ranges), ranges)
    unit = documents.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    every = queries.astype(np.float64) @ unit.T
    hits = search(embedded, Form(384, "binary", rescore)).search(10)
    for query in range(len(queries)):
        best = sorted(first[query], key=lambda row: -every[query, row])[:10]
        assert hits.rows[query].tolist() == best
