"""A clean environment, and the loopback server, for every test of services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from embedsmith.backends import load_encoder
from embedsmith.backends.api import ApiOptions
from tests.loopback import Loopback, loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = "sk-planted-7f3a9c1e5d"

VARIABLES = (
    "CO_API_URL",
    "COHERE_API_KEY",
    "EMBEDSMITH_OFFLINE",
    "EMBEDSMITH_PRICES",
    "OPENAI_BASE_URL",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai", reason="the extra 'api' is not installed")
    pytest.importorskip("cohere", reason="the extra 'api' is not installed")
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("CO_API_KEY", KEY)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with loopback() as state:
        yield state


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let back-off take no time; what a service asks for still does."""
    monkeypatch.setattr("embedsmith.backends.api._backoff._FIRST_S", 0.001)


@pytest.fixture
def connect(server: Loopback) -> Iterator[Callable[..., Any]]:
    """Return a function that opens an encoder of the server without a cache."""
    opened: list[Any] = []

    def open_encoder(spec: str = "openai:m", **options: Any) -> Any:
        url = server.url if spec.startswith("openai") else server.url.removesuffix("/v1")
        api = {
            name: options.pop(name)
            for name in list(options)
            if name in ApiOptions.__dataclass_fields__
        }
        given = {"base_url": url, "cache": False, **options}
        opened.append(load_encoder(spec, **given, api=ApiOptions(**api)))
        return opened[-1]

    yield open_encoder
    for encoder in opened:
        encoder.close()
