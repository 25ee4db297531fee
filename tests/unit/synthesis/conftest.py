"""A clean environment, and a server that writes as it is told to, for every test."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from embedsmith.backends.api import ApiOptions
from embedsmith.synthesis import synthesize_queries
from tests.loopback import Loopback, loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from embedsmith._typing import Json

KEY = "sk-planted-4c1b8e7d2a"
HOST_PRICE = {"usd_per_million_tokens": "1000", "usd_per_million_output_tokens": "4000"}

# Each is about one thing, and its honest query shares few of its words.
CORPUS = {
    "card": "A debit card that was reported lost is replaced free of charge once a year by us.",
    "loan": "Loans above ten thousand need two signatures and the approval of the branch manager.",
    "trip": "Employees book train journeys through the portal at least a week before departure.",
    "gift": "Presents from customers worth more than fifty must be reported to compliance staff.",
    "fraud": "Suspicious transfers are stopped and handed over to the money laundering desk.",
}
HONEST = {
    "debit card": [
        "who pays for a new plastic card after theft",
        "lost debit card replacement fee",
    ],
    "Loans above": ["which big credits require a second approval", "two signatures loans limit"],
    "train journeys": ["how early must I reserve rail travel", "train portal booking deadline"],
    "Presents from": ["when do I tell compliance about a present", "customer presents threshold"],
    "Suspicious": ["who looks at doubtful payments", "suspicious transfers laundering desk"],
}


def passage_of(body: Json) -> str:
    """Return what stands between the marks of a prompt."""
    text = body.get("prompt") or body["messages"][-1]["content"]
    (found,) = re.findall(r"<passage (\w+)>\n(.*?)\n</passage \1>", text, re.DOTALL)
    return str(found[1])


def answer(*queries: str, kinds: tuple[str, ...] = ("question", "keyword")) -> str:
    pairs = zip(kinds, queries, strict=False)
    return json.dumps({"queries": [{"kind": kind, "query": query} for kind, query in pairs]})


def honest(body: Json) -> str:
    passage = passage_of(body)
    return answer(*next(queries for start, queries in HONEST.items() if start in passage))


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("openai", "py3langid"):
        pytest.importorskip(name, reason="the extra 'synth' is not installed")
    for name in ("EMBEDSMITH_OFFLINE", "EMBEDSMITH_PRICES", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    # Back-off takes no time; what a service asks for still does.
    monkeypatch.setattr("embedsmith.backends.api._backoff._FIRST_S", 0.001)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with loopback() as state:
        state.writer = honest
        yield state


@pytest.fixture
def prices(server: Loopback, tmp_path: Path) -> Path:
    """Return a table of prices for the server: a dollar for a thousand tokens read."""
    entry = {
        "host": f"127.0.0.1:{server.port}",
        "model": "m",
        **HOST_PRICE,
        "date": "2026-11",
        "source": "this test",
    }
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({"schema": "embedsmith.prices/1", "prices": [entry]}))
    return path


@pytest.fixture
def synthesize(server: Loopback) -> Callable[..., Any]:
    """Return the function, with the server and a corpus of five passages."""

    def call(corpus: Any = None, **options: Any) -> Any:
        api = {
            name: options.pop(name)
            for name in ("in_flight", "timeout_s", "attempts", "patience_s", "prices")
            if name in options
        }
        options = {"encoder": None, "kinds": ["question", "keyword"], "seed": 3, **options}
        return synthesize_queries(
            list(CORPUS.values()) if corpus is None else corpus,
            "openai:m",
            base_url=server.url,
            api=ApiOptions(**api),
            **options,
        )

    return call
