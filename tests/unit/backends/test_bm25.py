"""BM25: its formula, its order, and what it does with nothing to go by."""

from __future__ import annotations

import sys
from collections import Counter
from math import log
from typing import Any

import numpy as np
import pytest

from embedsmith.backends import Bm25
from embedsmith.exceptions import DataError, MissingDependencyError, ShapeError

pytest.importorskip("bm25s", reason="needs the extra 'bm25'")
pytest.importorskip("Stemmer", reason="needs the extra 'bm25'")

DOCUMENTS = ["red fox fox", "red hen", "red fox hen cow", "blue whale"]


def built(documents: list[str], **options: Any) -> Bm25:
    index = Bm25(**options)
    index.build(documents)
    return index


def by_hand(query: str, document: str, documents: list[str], k1: float, b: float) -> float:
    """Compute the formula of the class's docstring."""
    mean = sum(len(d.split()) for d in documents) / len(documents)
    counts = Counter(document.split())
    total = 0.0
    for word in query.split():
        n = sum(word in d.split() for d in documents)
        idf = log(1 + (len(documents) - n + 0.5) / (n + 0.5))
        held = 1 - b + b * len(document.split()) / mean
        total += idf * counts[word] / (counts[word] + k1 * held)
    return total


@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (0.9, 0.4), (2.0, 0.0)])
def test_scores_are_those_of_the_formula(k1: float, b: float) -> None:
    hits = built(DOCUMENTS, k1=k1, b=b).search(["red fox"], k=4)
    for score, row in zip(hits.scores[0], hits.rows[0], strict=True):
        expected = by_hand("red fox", DOCUMENTS[row], DOCUMENTS, k1, b) if row >= 0 else -np.inf
        assert score == pytest.approx(expected, rel=1e-6)
    assert hits.rows.tolist() == [[0, 2, 1, -1]]


def test_the_shape_is_that_of_topk() -> None:
    hits = built(DOCUMENTS).search(["red", "cow"], k=10)
    assert hits.scores.shape == hits.rows.shape == (2, 4)
    assert hits.scores.dtype == np.float32
    assert hits.rows.dtype == np.int64
    assert built(DOCUMENTS).search([], k=2).rows.shape == (0, 2)


def test_words_are_stemmed_and_stop_words_left_out() -> None:
    index = built(["banks were lending", "the and of"])
    assert index.search(["the bank lends"], k=2).rows.tolist() == [[0, -1]]


def test_a_query_without_known_words_retrieves_nothing() -> None:
    hits = built(DOCUMENTS).search(["zebra", "", "the of"], k=2)
    assert hits.rows.tolist() == [[-1, -1]] * 3
    assert np.isneginf(hits.scores).all()


@pytest.mark.parametrize("documents", [["", " "], ["the", "of and"]])
def test_documents_without_words_are_never_retrieved(documents: list[str]) -> None:
    assert built(documents).search(["word"], k=5).rows.tolist() == [[-1, -1]]


@pytest.mark.parametrize("k", [1, 2, 3, 7, 40])
def test_equal_scores_are_ordered_by_row_whatever_k(k: int) -> None:
    # Documents 0, 4, 8, ... hold the word twice; all others tie.
    documents = ["fox fox hen" if n % 4 == 0 else "fox hen cow" for n in range(40)]
    rows = built(documents).search(["fox"], k=k).rows[0]
    expected = [*range(0, 40, 4), *(n for n in range(40) if n % 4)]
    assert rows.tolist() == expected[:k]


def test_building_again_forgets_the_earlier_documents() -> None:
    index = built(DOCUMENTS)
    index.build(["green newt"])
    assert index.search(["fox"], k=1).rows.tolist() == [[-1]]
    assert index.search(["newt"], k=1).rows.tolist() == [[0]]


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    built(DOCUMENTS).search(["fox"])
    assert capfd.readouterr() == ("", "")


def test_the_parameters_are_in_the_fingerprint() -> None:
    assert Bm25().fingerprint == Bm25(k1=1.2, b=0.75).fingerprint
    assert Bm25(k1=0.9).fingerprint.differences(Bm25(b=0.4).fingerprint) == ("b", "k1")


def test_wrong_use_is_refused() -> None:
    with pytest.raises(DataError, match="Pass at least one text"):
        Bm25().build([])
    with pytest.raises(DataError, match=r"texts\[1\] holds a lone surrogate"):
        Bm25().build(["fine", "\udc80"])
    with pytest.raises(ShapeError, match=r"Call build\(documents\) first"):
        Bm25().search(["a"])
    with pytest.raises(ShapeError, match="k=0 is too small"):
        built(DOCUMENTS).search(["a"], k=0)
    with pytest.raises(ShapeError, match="k='3' is no integer"):
        built(DOCUMENTS).search(["a"], k="3")  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"k1": -1.0}, {"b": 1.1}, {"b": float("nan")}])
def test_parameters_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ShapeError, match="from 0 to 1"):
        Bm25(**options)


@pytest.mark.parametrize("package", ["bm25s", "Stemmer"])
def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'embedsmith\[bm25\]'"):
        Bm25()
