"""Cohere's client against a server that answers as Cohere does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embedsmith.exceptions import ModelError, NonFiniteError, ServiceError
from tests.loopback import (
    Loopback,
    body,
    changed,
    hang,
    hang_up,
    html,
    loopback,
    status,
    torn,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedsmith._typing import Json

    Connect = Callable[..., Any]

TEXTS = [f"text number {n}{' and more' * (n % 5)}" for n in range(20)]


def test_vectors_arrive_in_order_with_what_was_billed(server: Loopback, connect: Connect) -> None:
    encoder = connect("cohere:m", batch_size=6)
    found = encoder.encode(TEXTS, role="document")
    np.testing.assert_array_equal(found.vectors, server.vectors(TEXTS))
    billed = sum(len(text.split()) for text in server.texts)
    assert encoder.meter.n_tokens == billed
    assert {one.path for one in server.asked} == {"/v2/embed"}
    assert encoder.meter.n_requests == encoder.meter.n_attempts == len(server.asked) == 5


def test_no_request_holds_more_texts_than_cohere_takes(server: Loopback, connect: Connect) -> None:
    connect("cohere:m", batch_size=5000).encode([str(n) for n in range(200)], role="query")
    assert max(len(one.texts) for one in server.asked) == 96


def test_roles_and_options_reach_the_service(server: Loopback, connect: Connect) -> None:
    encoder = connect("cohere:m", dimensions=16, max_tokens=100)
    encoder.encode(["a"], role="query")
    encoder.encode(["a"], role="document")
    sent = [one.body for one in server.asked]
    assert [one["input_type"] for one in sent] == ["search_query", "search_document"]
    assert {(one["output_dimension"], one["max_tokens"], one["truncate"]) for one in sent} == {
        (16, 100, "END")
    }
    fields = encoder.fingerprint.fields
    assert (fields["query_input_type"], fields["truncate"]) == ("search_query", "END")


def test_other_input_types_make_another_space(connect: Connect) -> None:
    one = connect("cohere:m")
    other = connect("cohere:m", query_input_type="classification")
    assert one.fingerprint.differences(other.fingerprint) == ("query_input_type",)


def test_texts_that_cohere_may_cut_are_counted(connect: Connect) -> None:
    encoder = connect("cohere:embed-english-v3.0", dimensions=16, truncate="END")
    found = encoder.encode(["short", "long " * 200], role="document")
    # A bound: the second text has 1,000 bytes, and 512 tokens are looked at.
    assert found.truncated.tolist() == [False, True]
    assert "those that may be are counted" in encoder.too_long
    with pytest.raises(ModelError, match=r"Name it: max_tokens=512"):
        connect("cohere:m", truncate="END")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "trick", [status(500), status(429, {"retry-after-ms": "5"}), hang_up(), torn(), body(b"[")]
)
def test_what_passes_is_asked_again(trick: Any, server: Loopback, connect: Connect) -> None:
    server.tricks.extend([trick, trick])
    connect("cohere:m", dimensions=16).encode(["a"], role="query")
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("trick", "message"),
    [
        (status(401), r"answered 401.*Check the key"),
        (status(400, message="too long"), r"400 \(too long\).*truncate='END'"),
        (html(), "answered a web page"),
        (changed(lambda answer: answer["embeddings"]["float"].pop()), "0 vectors for 1 text"),
        (changed(lambda answer: answer.pop("embeddings")), "answered"),
        (body(b"[1, 2]"), "answered"),
        (body(b'{"embeddings": 3}'), "answered"),
    ],
)
def test_what_no_waiting_mends_ends_at_once(
    trick: Any, message: str, server: Loopback, connect: Connect
) -> None:
    server.always = trick
    with pytest.raises(ServiceError, match=message):
        connect("cohere:m", dimensions=16, attempts=2).encode(["a"], role="query")
    assert len(server.asked) == 1


def test_a_vector_with_nan_names_its_text(server: Loopback, connect: Connect) -> None:
    def spoil(answer: Json) -> None:
        answer["embeddings"]["float"][0] = [float("nan")] * 16

    server.always = changed(spoil)
    with pytest.raises(NonFiniteError, match=r"texts\[0\] \('a'\)"):
        connect("cohere:m", dimensions=16).encode(["a"], role="query")


def test_a_hang_ends_at_the_timeout(server: Loopback, connect: Connect) -> None:
    server.always = hang(5.0)
    with pytest.raises(ServiceError, match=r"did not answer within 0\.3 s"):
        connect("cohere:m", dimensions=16, timeout_s=0.3, attempts=1).encode(["a"], role="query")


@pytest.mark.parametrize("code", [302, 307])
def test_a_redirect_takes_neither_key_nor_text_to_another_host(
    code: int, server: Loopback, connect: Connect
) -> None:
    with loopback() as other:
        server.always = status(code, {"Location": f"{other.url}/embed"})
        with pytest.raises(ServiceError, match="redirect is not followed"):
            connect("cohere:m", dimensions=16).encode(["a"], role="query")
        assert other.asked == []
