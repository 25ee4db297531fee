"""``leakage``: which training texts stand in the evaluation texts, and in which way."""

from __future__ import annotations

import numpy as np
import pytest

from embedsmith.exceptions import DataError, NonFiniteError, ShapeError
from embedsmith.hygiene import LeakedText, leakage

ASKED = "How do I block a stolen card?"


def test_each_row_of_training_is_named_once_with_the_surest_way() -> None:
    training = [
        "how do I BLOCK a stolen\tcard?",
        "What is the monthly fee",
        "how do i block a stolen card",
        "",
        "Which card was lost",
        "how do I BLOCK a stolen\tcard?",
    ]
    evaluation = ["", "nothing of the kind", ASKED, "My card is gone"]
    found = leakage(training, evaluation)
    assert [(one.row, one.evaluation_row, one.how) for one in found] == [
        (0, 2, "equal"),
        (2, 2, "near"),
        (5, 2, "equal"),
    ]
    # By embedding the paraphrase is found; empty texts are like nothing, whatever their vectors.
    left = np.array([[1, 0], [0, 1], [1, 0], [1, 1], [-1, 0.1], [1, 0]], dtype=np.float32)
    right = np.array([[1, 1], [3, -9], [1, 0], [-1, 0]], dtype=np.float32)
    found = leakage(training, evaluation, training_embeddings=left, evaluation_embeddings=right)
    assert [(one.row, one.evaluation_row, one.how) for one in found] == [
        (0, 2, "equal"),
        (2, 2, "near"),
        (4, 3, "embedding"),
        (5, 2, "equal"),
    ]
    assert found[2].similarity == pytest.approx(1 / np.sqrt(1.01))


def test_the_most_similar_evaluation_text_is_named() -> None:
    evaluation = [ASKED + " Please tell me", ASKED + " Now", ASKED + " now!"]
    assert leakage([ASKED + " Now?"], evaluation, near=0.5) == (LeakedText(0, 1, "near", 1.0),)
    # Marks count when texts are to be equal.
    assert leakage([ASKED + " Now?"], evaluation, near=None) == ()
    assert leakage([ASKED + "  NOW!"], evaluation, near=None) == (LeakedText(0, 2, "equal", 1.0),)


def test_many_copies_on_both_sides_are_no_product() -> None:
    found = leakage([ASKED] * 20_000, [ASKED.upper()] * 20_000)
    assert len(found) == 20_000
    assert found[-1] == LeakedText(19_999, 0, "equal", 1.0)


def test_texts_without_letters_and_of_other_forms_are_equal_or_not() -> None:
    training = ["?!", "caf\u00e9", "\ud800 lone"]
    evaluation = ["\ud800 lone", "cafe\u0301", "?!"]
    found = leakage(training, evaluation)
    assert [(one.evaluation_row, one.how) for one in found] == [
        (2, "equal"),
        (1, "equal"),
        (0, "equal"),
    ]


def test_nothing_leaks_where_there_is_nothing() -> None:
    assert leakage([], ["a"]) == leakage(["a"], []) == ()
    none = np.zeros((0, 2), dtype=np.float32)
    one = np.ones((1, 2), dtype=np.float32)
    assert leakage([], ["a"], training_embeddings=none, evaluation_embeddings=one) == ()


def test_what_cannot_be_compared_is_refused() -> None:
    one = np.ones((1, 2), dtype=np.float32)
    with pytest.raises(DataError, match="one string"):
        leakage("text", ["a"])
    with pytest.raises(DataError, match="evaluation has 5 at position 1"):
        leakage(["a"], ["a", 5])  # type: ignore[list-item]
    with pytest.raises(ShapeError, match="training_embeddings are missing"):
        leakage(["a"], ["a"], evaluation_embeddings=one)
    with pytest.raises(ShapeError, match="1 rows for 2 texts"):
        leakage(["a", "b"], ["a"], training_embeddings=one, evaluation_embeddings=one)
    with pytest.raises(NonFiniteError):
        leakage(["a"], ["b"], training_embeddings=one * np.nan, evaluation_embeddings=one)
    for wrong in (float("nan"), 1.5):
        with pytest.raises(ShapeError, match="cosine"):
            leakage(["a"], ["a"], cosine=wrong)
        with pytest.raises(ShapeError, match="threshold"):
            leakage(["a"], ["a"], near=wrong)
