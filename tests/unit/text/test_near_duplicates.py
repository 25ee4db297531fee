"""Near-duplicate texts: the Python face, and real data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import embedsmith as es
from embedsmith.exceptions import DataError, OutOfMemoryError, ShapeError

if TYPE_CHECKING:
    from pathlib import Path


def test_forms_of_one_character_are_one_text() -> None:
    # A ligature and fullwidth digits in NFKC; composed and decomposed; a surrogate is no letter.
    texts = [
        "ﬁxed fee \uff11\uff12\uff13",
        "Fixed fee 123",
        "Gebu\u0308hr",
        "Gebühr",
        "a\ud800b c",
        "A b c",
    ]
    assert list(es.near_duplicates(texts, 1.0)) == [(0, 1, 1.0), (2, 3, 1.0), (4, 5, 1.0)]


def test_texts_without_letters_are_duplicates_of_nothing() -> None:
    assert len(es.near_duplicates(["", "", "!!!", "?", " "], 0.1)) == 0
    assert len(es.near_duplicates([])) == 0


def test_places_across_two_lists_count_in_each() -> None:
    training = ["what is the fee", "how do i pay", "what is the fee"]
    pairs = es.near_duplicates(training, 0.9, other=["How do I pay?", "What is the fee?"])
    assert sorted(pairs) == [(0, 1, 1.0), (1, 0, 1.0), (2, 1, 1.0)]


def test_groups_of_any_size_need_one_link_a_text() -> None:
    texts = [
        f"the very same and rather long notice of the bank to its customers, number {i % 3}"
        for i in range(3000)
    ]
    with pytest.raises(OutOfMemoryError, match="max_pairs"):
        es.near_duplicates(texts, max_pairs=1000)
    assert len(es.near_duplicates(texts, links=True)) == 2999


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"threshold": 0.0}, "above 0"),
        ({"threshold": 1.5}, "up to 1"),
        ({"recall": 1.0}, "such as 0.999"),
        ({"unit": "sentence"}, "'character' or 'word'"),
        ({"links": True, "other": ["b"]}, "leave out"),
        ({"size": 0}, "size"),
        ({"seed": -1}, "seed"),
    ],
)
def test_numbers_out_of_range_are_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ShapeError, match=says):
        es.near_duplicates(["a"], **change)


def test_what_is_no_list_of_strings_is_refused() -> None:
    with pytest.raises(DataError, match="position 1"):
        es.near_duplicates(["a", None])  # type: ignore[list-item]
    with pytest.raises(DataError, match="pass a list"):
        es.near_duplicates("abc")


def test_real_regulations_hold_the_duplicates_that_brute_force_finds(shared_data: Path) -> None:
    corpus = es.load_dataset(shared_data / "obliqa").corpus
    texts = corpus.texts[:1500]
    pairs = es.near_duplicates(texts, 0.7, recall=0.99999)
    from embedsmith.text._near_duplicates import _folded

    # The specification over what the core compares: lower case, one blank between words.
    plain = [
        " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
        for text in _folded("texts", texts)
    ]
    sets = [{text[i : i + 5] for i in range(max(len(text) - 4, 1))} for text in plain]
    expected = {
        (i, j)
        for i, a in enumerate(sets)
        for j in range(i + 1, len(sets))
        if 0.7 <= len(a) / max(len(sets[j]), 1) <= 1 / 0.7
        and plain[i]
        and len(a & sets[j]) / len(a | sets[j]) >= 0.7
    }
    assert len(expected) > 20
    assert {(a, b) for a, b, _ in pairs} == expected
    assert list(pairs) == list(es.near_duplicates(texts, 0.7, recall=0.99999, threads=1))
