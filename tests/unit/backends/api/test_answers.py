"""Answers that no honest service gives: each is told, none is taken or breaks the run."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from embedsmith.backends.api._failure import Failure, retry_after_s
from embedsmith.backends.api._openai_answer import read_answer
from embedsmith.backends.api._service import Unusable

DEEP = b"[" * 200_000


def answer(*items: Any, **more: Any) -> bytes:
    data = [{"index": index, "embedding": embedding} for index, embedding in items]
    return json.dumps({"data": data, **more}).encode()


def read(content: bytes, n_texts: int) -> Any:
    return read_answer(content, "application/json", n_texts, str)


def test_vectors_are_put_into_the_order_of_the_texts() -> None:
    found = read(answer((1, [3.0, 4.0]), (0, [1.0, 2.0]), usage={"total_tokens": 7}), 2)
    np.testing.assert_array_equal(found.vectors, [[1.0, 2.0], [3.0, 4.0]])
    assert found.n_tokens == 7


@pytest.mark.parametrize(
    ("content", "n_texts", "said"),
    [
        # To Python False is 0, and to numpy a mask that leaves a row as it was in memory.
        (answer((False, [1.0])), 1, "does not number the texts"),
        (answer((False, [1.0]), (True, [2.0])), 2, "does not number the texts"),
        (answer((0.0, [1.0]), (1.0, [2.0])), 2, "does not number the texts"),
        (answer((None, [1.0])), 1, "does not number the texts"),
        (answer(("0", [1.0])), 1, "does not number the texts"),
        (answer(([0], [1.0])), 1, "does not number the texts"),
        (answer((0, [1.0]), (0, [2.0])), 2, "does not number the texts"),
        (answer((0, [10**400])), 1, "no list of numbers"),
        (answer((0, {"a": 1.0})), 1, "no list of numbers"),
        (answer((0, [[1.0]])), 1, "columns"),
        (answer((0, [])), 1, "columns"),
        (answer((0, "AAA=")), 1, "no base64 of float32"),
        (DEEP, 1, "JSON that is cut off, or none at all"),
        (b'{"data": ' + DEEP, 1, "JSON that is cut off, or none at all"),
    ],
)
def test_an_answer_that_cannot_be_used_is_told(content: bytes, n_texts: int, said: str) -> None:
    with pytest.raises(Unusable) as error:
        read(content, n_texts)
    assert said in error.value.failure.reason


def test_an_error_that_is_nested_without_end_is_shown_as_it_is() -> None:
    failure = Failure.of_status(400, {}, DEEP.decode())
    assert failure.reason.startswith("answered 400 ([[[[")
    assert len(failure.reason) < 400


@pytest.mark.parametrize(
    "value",
    ["Mon, 01 Jan 99999 00:00:00 GMT", "soon", "", "nan", "inf"],
)
def test_a_wait_that_is_none_is_not_waited_for(value: str) -> None:
    assert retry_after_s({"retry-after": value}) is None


def test_a_wait_until_a_date_in_the_past_is_none_at_all() -> None:
    seconds = retry_after_s({"Retry-After": "Thu, 01 Jan 1970 00:00:10 GMT"})
    assert seconds is not None
    assert math.isclose(seconds, 0.0)
