"""Order, duplicates, counts and refused texts; with an encoder that needs no weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embedsmith.backends import Role, load_encoder
from embedsmith.backends._texts import text_key
from embedsmith.backends.fake import FakeEncoder
from embedsmith.exceptions import DataError, ModelError, NonFiniteError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import F32Array


class Recorder(FakeEncoder):
    """Remembers its batches; ``answer`` replaces the vector of the text "bad"."""

    def __init__(self, *, answer: float | None = None, max_tokens: int | None = None) -> None:
        super().__init__(8, max_tokens=max_tokens)
        self.batches: list[list[str]] = []
        self.answer = answer

    def encode_batch(self, texts: Sequence[str], role: Role) -> F32Array:
        self.batches.append(list(texts))
        vectors = super().encode_batch(texts, role)
        if self.answer is not None and "bad" in texts:
            vectors[list(texts).index("bad")] = self.answer
        return vectors


def test_vectors_come_in_the_caller_s_order() -> None:
    texts = ["c c c", "a", "b b", "", "a"]
    encoder = Recorder()
    together = encoder.encode(texts, role="document", batch_size=2).vectors
    alone = [encoder.encode([text], role="document").vectors[0] for text in texts]
    np.testing.assert_array_equal(together, np.stack(alone))
    assert together.dtype == np.float32
    assert together.flags.c_contiguous


def test_batches_hold_unique_texts_longest_first() -> None:
    encoder = Recorder()
    encoder.encode(["b b", "a", "c c c", "b b", "a a"], role="document", batch_size=2)
    assert encoder.batches == [["c c c", "a a"], ["b b", "a"]]


def test_batches_do_not_depend_on_the_caller_s_order() -> None:
    texts = [f"{'word ' * (n % 5)}{n}" for n in range(40)]
    one, other = Recorder(), Recorder()
    one.encode(texts, role="document", batch_size=7)
    other.encode(texts[::-1], role="document", batch_size=7)
    assert one.batches == other.batches


def test_length_counts_only_up_to_the_limit() -> None:
    encoder = Recorder(max_tokens=2)
    encoder.encode(["z " * 9, "a a", "m m m"], role="document", batch_size=9)
    assert encoder.batches == [["a a", "m m m", "z " * 9]]


def test_tokens_and_cuts_are_counted_with_the_prompt() -> None:
    encoder = load_encoder("fake:8", cache=False, max_tokens=3, query_prompt="ask: ")
    embedded = encoder.encode(["one two", "one two three", ""], role="query")
    assert embedded.n_tokens.tolist() == [3, 4, 1]
    assert embedded.truncated.tolist() == [False, True, False]
    assert (embedded.n_truncated, embedded.n_cached) == (1, 0)


def test_the_role_chooses_the_prompt() -> None:
    encoder = load_encoder("fake:64", cache=False, query_prompt="ask ")
    query = encoder.encode(["one"], role="query").vectors
    document = encoder.encode(["ask one"], role="document").vectors
    np.testing.assert_array_equal(query, document)


def test_progress_counts_the_caller_s_texts_to_the_end() -> None:
    seen: list[int] = []
    encoder = Recorder()
    encoder.encode(["a", "a", "b b", "c"], role="document", batch_size=2, progress=seen.append)
    assert seen == [3, 4]


def test_no_texts_give_no_rows() -> None:
    embedded = Recorder().encode([], role="document")
    assert embedded.vectors.shape == (0, 8)
    assert embedded.n_tokens.shape == embedded.truncated.shape == (0,)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["fine", None], r"texts\[1\] is NoneType"),
        (["fine", float("nan")], r"texts\[1\] is float \(nan\)"),
        (["fine", b"raw"], r"texts\[1\] is bytes"),
        (["fine", "half \ud800 pair"], r"texts\[1\] .*U\+D800 at character 5"),
        ("one text", r"Pass \[text\]"),
    ],
)
def test_what_is_no_text_is_refused_by_position(texts: Sequence[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Recorder().encode(texts, role="document")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_vector_that_is_not_finite_names_the_text(value: float) -> None:
    with pytest.raises(NonFiniteError, match=r"texts\[2\] \('bad'\)"):
        Recorder(answer=value).encode(["a b", "c", "bad", "bad"], role="document")


def test_a_zero_vector_names_the_text() -> None:
    with pytest.raises(ModelError, match=r"zero vector for texts\[1\] \('bad'\)"):
        Recorder(answer=0.0).encode(["a", "bad"], role="document")


def test_a_wrong_number_of_columns_is_refused() -> None:
    class Narrow(FakeEncoder):
        def encode_batch(self, texts: Sequence[str], role: Role) -> F32Array:
            return super().encode_batch(texts, role)[:, 1:]

    with pytest.raises(ModelError, match=r"shape \(1, 8\) .* \(1, 9\) was expected"):
        Narrow(9).encode(["a"], role="document")


@pytest.mark.parametrize("size", [0, -1, "a", 1.5, True])
def test_a_batch_size_that_is_no_count_is_refused(size: Any) -> None:
    with pytest.raises(ShapeError, match=r"batch_size=.*; pass batch_size=1 or more"):
        Recorder().encode(["a"], role="document", batch_size=size)
    with pytest.raises(ShapeError, match=r"batch_size=.*; pass batch_size=1 or more"):
        load_encoder("fake:8", batch_size=size, cache=False)


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(DataError, match="'query' or 'document'"):
        Recorder().encode(["a"], role="passage")  # type: ignore[arg-type]


def test_no_two_ways_to_cut_prompt_and_text_share_a_key() -> None:
    keys = [
        text_key("query", "ab", "c"),
        text_key("query", "a", "bc"),
        text_key("query", "", "abc"),
        text_key("document", "ab", "c"),
    ]
    assert len(set(keys)) == len(keys)
