"""Where texts may go, and with which key."""

from __future__ import annotations

import logging
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from embedsmith.backends import load_encoder, resolve_model
from embedsmith.backends.api import ApiOptions
from embedsmith.backends.api._endpoint import Endpoint
from embedsmith.backends.api._secret import Secret
from embedsmith.exceptions import ModelError, OfflineError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.loopback import Loopback


@pytest.mark.parametrize(
    ("url", "place", "loopback"),
    [
        ("https://api.openai.com/v1", "api.openai.com/v1", False),
        ("https://API.example.com:443/v1/", "api.example.com/v1", False),
        ("https://example.com:8443", "example.com:8443", False),
        ("http://localhost:8000/v1", "localhost:8000/v1", True),
        ("http://127.0.0.9/v1", "127.0.0.9/v1", True),
        ("http://[::1]:80/v1", "[::1]/v1", True),
    ],
)
def test_an_address_is_known_by_host_and_path(url: str, place: str, *, loopback: bool) -> None:
    endpoint = Endpoint.of(url)
    assert (endpoint.place, endpoint.loopback) == (place, loopback)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://embed.bank.internal/v1", r"unencrypted.*allow_http='embed\.bank\.internal'"),
        ("http://127.0.0.1.evil.example/v1", "unencrypted"),
        ("http://localhost.evil.example/v1", "unencrypted"),
        ("http://10.0.0.1/v1", "unencrypted"),
        ("https://user:hush@example.com/v1", "user name or password for example.com"),
        ("https://hush@example.com/v1", "user name or password"),
        ("https://example.com/v1?key=hush", r"after '\?' or '#'"),
        ("https://example.com/v1#hush", r"after '\?' or '#'"),
        ("example.com/v1", "write https://host/path"),
        ("ftp://example.com", "write https://host/path"),
        ("https://", "write https://host/path"),
        ("https://example.com:x/", "no address"),
        ("", "write https://host/path"),
    ],
)
def test_an_address_that_leaks_is_refused(url: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        Endpoint.of(url)
    assert "hush" not in str(caught.value)


def test_plain_http_is_allowed_by_name_only() -> None:
    url = "http://embed.bank.internal:8080/v1"
    assert Endpoint.of(url, allow_http="embed.bank.internal").host == "embed.bank.internal:8080"
    with pytest.raises(ModelError, match="unencrypted"):
        Endpoint.of(url, allow_http="bank.internal")


@pytest.mark.parametrize("spec", ["openai:m", "cohere:m"])
def test_offline_refuses_every_service(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OfflineError, match=r"offline=True \(--offline\) forbids"):
        load_encoder(spec, offline=True, cache=False)
    monkeypatch.setenv("EMBEDSMITH_OFFLINE", "1")
    with pytest.raises(OfflineError, match="EMBEDSMITH_OFFLINE=1 forbids"):
        load_encoder(spec, cache=False)
    monkeypatch.setenv("EMBEDSMITH_OFFLINE", "0")
    load_encoder(spec, cache=False).close()


def test_offline_refuses_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OfflineError, match="allow_download needs the network"):
        load_encoder("st:owner/model", allow_download=True, offline=True)
    monkeypatch.setenv("EMBEDSMITH_OFFLINE", "1")
    with pytest.raises(OfflineError, match="EMBEDSMITH_OFFLINE=1"):
        resolve_model("owner/model", allow_download=True)


def test_what_runs_here_runs_offline() -> None:
    encoder = load_encoder("fake:8", cache=False, offline=True)
    assert encoder.encode(["a"], role="query").vectors.shape == (1, 8)


@pytest.mark.parametrize(
    ("spec", "variables"),
    [("openai:m", "OPENAI_API_KEY"), ("cohere:m", "CO_API_KEY or COHERE_API_KEY")],
)
def test_a_vendor_s_own_host_needs_a_key(
    spec: str, variables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "CO_API_KEY", "COHERE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ModelError, match=f"No key: {variables} is not set"):
        load_encoder(spec, cache=False)


def test_a_server_of_one_s_own_needs_none(
    server: Loopback, connect: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    connect().encode(["a"], role="query")
    assert server.asked[0].headers["authorization"] == "Bearer none"


def test_another_variable_may_hold_the_key(
    server: Loopback, connect: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM_KEY", "  team-key\n")
    connect(key_variable="TEAM_KEY").encode(["a"], role="query")
    assert server.asked[0].headers["authorization"] == "Bearer team-key"
    with pytest.raises(ModelError, match="No key: OTHER_KEY is not set"):
        connect(key_variable="OTHER_KEY")


@pytest.mark.parametrize("key", ["sk-hush\nX-Evil: 1", "sk hush", "sk-hüsh", "sk-\x00hush"])
def test_what_cannot_be_a_key_is_refused_without_showing_it(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.environ", {"OPENAI_API_KEY": key})
    with pytest.raises(ModelError, match="OPENAI_API_KEY is not a key") as caught:
        Secret(("OPENAI_API_KEY",), required=True)
    assert "hush" not in str(caught.value)


def test_a_key_shows_itself_to_nobody() -> None:
    secret = Secret(("OPENAI_API_KEY",), required=True)
    assert repr(secret) == str(secret) == "Secret(OPENAI_API_KEY)"
    assert secret.scrub(f"a {secret.reveal()} b") == "a $OPENAI_API_KEY b"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)


def test_the_host_is_said_before_the_first_text_leaves(
    server: Loopback, connect: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    said_first: list[bool] = []

    def listen(handler: Any, _: Any) -> None:
        said_first.append(any(encoder.device in line for line in caplog.messages))
        handler.send(200, b"{}")

    server.always = listen
    encoder = connect(attempts=1, dimensions=16)
    with caplog.at_level(logging.WARNING), pytest.raises(Exception, match="answered"):
        encoder.encode(["a"], role="query")
    assert said_first == [True]
    assert sum("texts are sent to" in line for line in caplog.messages) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"in_flight": 0},
        {"attempts": 0},
        {"timeout_s": 0},
        {"timeout_s": float("nan")},
        {"patience_s": "1"},
        {"encoding_format": "int8"},
        {"truncate": "end"},
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ShapeError, match=next(iter(options))):
        ApiOptions(**options)
