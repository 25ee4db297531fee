"""What comes back from an OpenAI-compatible service, and what is made of it when it is wrong."""

from __future__ import annotations

import email.utils
import gc
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embedsmith.backends import load_encoder
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


def test_vectors_arrive_bit_for_bit_in_the_caller_s_order(
    server: Loopback, connect: Connect
) -> None:
    many = [f"{n} {'word ' * (n % 9)}" for n in range(300)]
    found = connect(batch_size=7).encode(many, role="document")
    np.testing.assert_array_equal(found.vectors, server.vectors(many))


@pytest.mark.parametrize("encoding_format", ["base64", "float"])
def test_both_ways_to_write_vectors_give_the_same_bits(
    encoding_format: str, connect: Connect
) -> None:
    # Vectors with 24 significant bits, which no short decimal holds.
    rng = np.random.default_rng(0)
    odd = rng.standard_normal((len(TEXTS), 16)).astype(np.float32)

    class Odd:
        def encode(self, texts: list[str], *, role: str) -> Any:  # noqa: ARG002
            return type("E", (), {"vectors": odd[[TEXTS.index(text) for text in texts]]})

    known: Any = Odd()
    with loopback(known) as server:
        encoder = connect(
            base_url=server.url, encoding_format=encoding_format, batch_size=20, dimensions=16
        )
        found = encoder.encode(TEXTS, role="document")
    assert server.asked[0].body["encoding_format"] == encoding_format
    np.testing.assert_array_equal(found.vectors, odd)


def test_a_server_that_ignores_base64_is_understood(server: Loopback, connect: Connect) -> None:
    def to_floats(answer: Json) -> None:
        for item in answer["data"]:
            item["embedding"] = server.vectors(TEXTS)[item["index"]].tolist()

    server.always = changed(to_floats)
    sent = connect(batch_size=32, dimensions=16).encode(TEXTS, role="document")
    assert sent.vectors.shape == (20, 16)


def test_reordered_items_are_put_in_order(server: Loopback, connect: Connect) -> None:
    server.always = changed(lambda answer: answer["data"].reverse())
    found = connect(batch_size=6).encode(TEXTS, role="document")
    np.testing.assert_array_equal(found.vectors, server.vectors(TEXTS))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda answer: answer["data"].pop(), r"answered 19 vectors for 20 texts"),
        (
            lambda answer: answer["data"].append(dict(answer["data"][0], index=20)),
            r"answered 21 vectors for 20 texts",
        ),
        (lambda answer: answer["data"][3].update(index=4), "'index' does not number the texts"),
        (lambda answer: answer["data"][3].pop("index"), "'index' does not number the texts"),
        (
            lambda answer: answer["data"][3].update(index=True),
            "'index' does not number the texts",
        ),
        (
            lambda answer: answer["data"][3].update(embedding=[1.0, 2.0]),
            "answered vectors of 2, 16 columns",
        ),
        (lambda answer: answer["data"][3].update(embedding=[]), "answered vectors of 0, 16"),
        (lambda answer: answer["data"][3].update(embedding=None), "no list of numbers"),
        (lambda answer: answer["data"][3].update(embedding="x?"), "no base64 of float32"),
        (lambda answer: answer["data"][3].update(embedding="AAA="), "no base64 of float32"),
        (lambda answer: answer["data"][3].update(embedding=["a"] * 16), "no list of numbers"),
        (lambda answer: answer.pop("data"), "no list 'data'"),
        (lambda answer: answer.update(data=[1, 2]), "no list 'data'"),
    ],
)
def test_an_answer_that_cannot_be_matched_is_refused_and_not_paid_again(
    change: Callable[[Json], object], message: str, server: Loopback, connect: Connect
) -> None:
    server.always = changed(change)
    with pytest.raises(ServiceError, match=message):
        connect(dimensions=16).encode(TEXTS, role="document")
    assert len(server.asked) == 1


def test_vectors_of_another_width_are_refused(server: Loopback, connect: Connect) -> None:
    # A service that does not know the argument answers all columns.
    server.always = changed(lambda answer: answer.update(_whole(server)))
    with pytest.raises(ServiceError, match=r"of 16 columns; 8 were expected.*'dimensions'"):
        connect(dimensions=8).encode(["a"], role="document")


def _whole(server: Loopback) -> Json:
    row = server.vectors(["a"])[0].tolist()
    return {"data": [{"index": 0, "embedding": row}]}


def test_dimensions_are_asked_for(server: Loopback, connect: Connect) -> None:
    encoder = connect(dimensions=8)
    assert encoder.encode(TEXTS, role="document").vectors.shape == (20, 8)
    assert {one.body["dimensions"] for one in server.asked} == {8}
    assert encoder.fingerprint.fields["dimensions"] == 8


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (float("nan"), NonFiniteError, r"NaN or infinity for texts\[7\] \('text number 7"),
        (1e39, NonFiniteError, r"NaN or infinity for texts\[7\]"),
        (0.0, ModelError, r"zero vector for texts\[7\]"),
    ],
)
def test_a_vector_that_cannot_be_ranked_names_its_text_and_is_not_paid_again(
    value: float, error: type[Exception], message: str, server: Loopback, connect: Connect
) -> None:
    def spoil(handler: Any, asked: Any) -> None:
        at = asked.texts.index(TEXTS[7]) if TEXTS[7] in asked.texts else None
        changed(
            lambda answer: None if at is None else answer["data"][at].update(embedding=[value] * 16)
        )(handler, asked)

    server.always = spoil
    encoder = connect(dimensions=16, batch_size=32)
    with pytest.raises(error, match=message):
        encoder.encode(TEXTS, role="document")
    assert len(server.asked) == 1


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "trick",
    [status(500), status(503), status(529), status(408), hang_up(), torn(), torn(0.0), body(b"[")],
)
def test_what_passes_is_asked_again(trick: Any, server: Loopback, connect: Connect) -> None:
    server.tricks.extend([trick, trick])
    found = connect(dimensions=16, in_flight=1).encode(TEXTS, role="document")
    np.testing.assert_array_equal(found.vectors, server.vectors(TEXTS))
    assert len(server.asked) == 3


@pytest.mark.usefixtures("quick")
def test_what_does_not_pass_is_asked_as_often_as_allowed(
    server: Loopback, connect: Connect
) -> None:
    server.always = status(500, message="out of order")
    with pytest.raises(ServiceError, match=r"answered 500 \(out of order\) 3 times in a row.*kept"):
        connect(dimensions=16, attempts=3).encode(["a"], role="query")
    assert len(server.asked) == 3


@pytest.mark.usefixtures("quick")
def test_a_hang_ends_at_the_timeout(server: Loopback, connect: Connect) -> None:
    server.tricks.append(hang(5.0))
    start = time.monotonic()
    encoder = connect(dimensions=16, timeout_s=0.3)
    assert len(encoder.encode(["a"], role="query").vectors) == 1
    assert time.monotonic() - start < 3
    # What hung may be billed.
    assert encoder.meter.n_tokens_uncertain > 0
    server.always = hang(5.0)
    with pytest.raises(ServiceError, match=r"did not answer within 0\.3 s \(timeout_s\) 2 times"):
        connect(dimensions=16, timeout_s=0.3, attempts=2).encode(["a"], role="query")


@pytest.mark.parametrize("header", ["seconds", "milliseconds", "date"])
def test_retry_after_is_honoured(header: str, server: Loopback, connect: Connect) -> None:
    wait_s = 2.0 if header == "date" else 0.6
    value = {
        "seconds": {"Retry-After": "0.6"},
        "milliseconds": {"retry-after-ms": "600"},
        "date": {"Retry-After": email.utils.formatdate(time.time() + wait_s, usegmt=True)},
    }[header]
    server.tricks.append(status(429, value))
    start = time.monotonic()
    encoder = connect(dimensions=16)
    encoder.encode(["a"], role="query")
    # A date has whole seconds.
    assert wait_s - 1.05 * (header == "date") <= time.monotonic() - start < wait_s + 2
    assert len(server.asked) == 2
    assert encoder.meter.n_tokens_uncertain == 0


def test_one_429_holds_all_requests_back(server: Loopback, connect: Connect) -> None:
    arrivals: list[float] = []
    started = time.monotonic()

    def limited(handler: Any, asked: Any) -> None:
        arrivals.append(time.monotonic() - started)
        # Whatever comes within the first second is too much.
        if arrivals[-1] < 1.0:
            status(429, {"Retry-After": "1"})(handler, asked)
        else:
            changed(lambda _: None)(handler, asked)

    server.always = limited
    connect(dimensions=16, batch_size=1, in_flight=4).encode(TEXTS, role="document")
    # Only those that were under way before the first 429 came back were sent.
    assert sum(at < 1.0 for at in arrivals) <= 8
    assert len(arrivals) <= len(TEXTS) + 8


def test_more_429s_than_attempts_are_borne(server: Loopback, connect: Connect) -> None:
    server.tricks.extend([status(429, {"retry-after-ms": "20"})] * 9)
    connect(dimensions=16, attempts=2).encode(["a"], role="query")
    assert len(server.asked) == 10


def test_a_wait_beyond_patience_ends_the_run(server: Loopback, connect: Connect) -> None:
    server.always = status(429, {"Retry-After": "3600"})
    with pytest.raises(ServiceError, match=r"3,600 s more, past patience_s=600.*is kept"):
        connect(dimensions=16).encode(["a"], role="query")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("trick", "message"),
    [
        (status(401), r"answered 401 \(no\)\. Check the key"),
        (status(403), "Check the key"),
        (status(404), r"Check the model's name and the base URL"),
        (status(400, message="too many tokens"), r"400 \(too many tokens\).*longest of its 1 text"),
        (status(429, message="You exceeded insufficient_quota"), "out of quota"),
        (html(), r"answered a web page.*base URL"),
        (status(418), r"answered 418"),
    ],
)
def test_what_no_waiting_mends_ends_at_once(
    trick: Any, message: str, server: Loopback, connect: Connect
) -> None:
    server.always = trick
    with pytest.raises(ServiceError, match=message):
        connect(dimensions=16).encode(["a"], role="query")
    assert len(server.asked) == 1


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_takes_neither_key_nor_text_to_another_host(
    code: int, server: Loopback, connect: Connect
) -> None:
    with loopback() as other:
        server.always = status(code, {"Location": f"{other.url}/embeddings"})
        with pytest.raises(ServiceError, match="redirect is not followed"):
            connect(dimensions=16).encode(["a"], role="query")
        assert other.asked == []


def test_nobody_there_is_said(connect: Connect) -> None:
    with pytest.raises(ServiceError, match=r"could not be reached.*refused"):
        connect(base_url="http://127.0.0.1:9", dimensions=16, attempts=1).encode(
            ["a"], role="query"
        )


def test_requests_run_at_once_and_no_more_than_asked(server: Loopback, connect: Connect) -> None:
    server.delay_s = 0.05
    connect(dimensions=16, batch_size=1, in_flight=5).encode(TEXTS, role="document")
    assert 2 <= server.most_in_flight <= 5


def test_prompts_and_input_types_tell_queries_from_documents(
    server: Loopback, connect: Connect
) -> None:
    encoder = connect(
        dimensions=16,
        query_prompt="query: ",
        document_prompt="passage: ",
        query_input_type="query",
        document_input_type="passage",
    )
    encoder.encode(["a"], role="query")
    encoder.encode(["a"], role="document")
    assert [one.texts for one in server.asked] == [["query: a"], ["passage: a"]]
    assert [one.body["input_type"] for one in server.asked] == ["query", "passage"]


def test_the_environment_names_another_server(
    server: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    connect(base_url=None).encode(["a"], role="query")
    assert server.asked[-1].path == "/v1/embeddings"


def test_a_server_on_this_machine_is_not_asked_through_a_proxy(
    server: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    connect().encode(["a"], role="query")
    connect("cohere:m").encode(["a"], role="query")
    assert len(server.asked) == 4


def test_a_closed_encoder_connects_again(connect: Connect) -> None:
    encoder = connect()
    first = encoder.encode(["a"], role="query").vectors
    encoder.close()
    encoder.close()
    np.testing.assert_array_equal(encoder.encode(["a"], role="query").vectors, first)


def test_what_runs_here_takes_no_options_of_services() -> None:
    with pytest.raises(ModelError, match="base_url is for services"):
        load_encoder("fake:8", base_url="http://localhost", cache=False)
    with pytest.raises(ModelError, match=r"dimensions=64 \(--dimensions\) instead"):
        load_encoder("openai:m", truncate_dim=64, cache=False)
    with pytest.raises(ModelError, match="names no model"):
        load_encoder("openai:", cache=False)


def test_a_run_that_has_failed_waits_for_no_better_moment(
    server: Loopback, connect: Connect
) -> None:
    # Three requests are told to come back in a minute; the fourth one's key is refused.
    late = status(401)

    def refuse_later(handler: Any, asked: Any) -> None:
        time.sleep(0.3)
        late(handler, asked)

    server.tricks.extend([status(429, {"Retry-After": "60"})] * 3 + [refuse_later])
    encoder = connect(dimensions=16, batch_size=1, in_flight=4)
    start = time.monotonic()
    with pytest.raises(ServiceError, match="401"):
        encoder.encode(TEXTS, role="document")
    assert time.monotonic() - start < 10
    assert len(server.asked) == 4
    # And the encoder is as good as before.
    encoder._requests._attempts._backoff._until = 0.0
    assert len(encoder.encode(TEXTS, role="document").vectors) == len(TEXTS)


@pytest.mark.parametrize("spec", ["openai:m", "cohere:m"])
def test_an_encoder_that_is_dropped_closes_its_connections(spec: str, server: Loopback) -> None:
    url = server.url if spec.startswith("openai") else server.url.removesuffix("/v1")
    encoder: Any = load_encoder(spec, base_url=url, cache=False)
    encoder.encode(["a"], role="query")
    service = encoder._service
    http = service._http if spec.startswith("cohere") else service._client._client._client
    assert not http.is_closed
    del encoder, service
    gc.collect()
    assert http.is_closed
