"""What is paid is known, and is never more than was allowed."""

from __future__ import annotations

import json
import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from embedsmith.backends import load_encoder
from embedsmith.backends.api import ApiOptions, Budget, Price
from embedsmith.backends.api._budget import Meter
from embedsmith.backends.api._price import find_price
from embedsmith.exceptions import BudgetError, DataError, ModelError, ShapeError
from tests.loopback import Loopback, changed, hang, status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Connect = Callable[..., Any]

# A word a text: the server bills one token for it. The bound is 7 bytes and 16 tokens besides.
TEXTS = [f"word{n:03}" for n in range(100)]
BOUND = 23


@pytest.fixture
def table(server: Loopback, tmp_path: Path) -> Path:
    """Write a price of one dollar per token."""
    path = tmp_path / "prices.json"
    price = {
        "host": f"127.0.0.1:{server.port}",
        "model": "m",
        "usd_per_million_tokens": "1000000",
        "date": "2026-11-23",
        "source": "the contract",
    }
    path.write_text(json.dumps({"schema": "embedsmith.prices/1", "prices": [price]}))
    return path


def test_tokens_and_cost_are_those_that_the_service_says(
    server: Loopback, connect: Connect, table: Path
) -> None:
    encoder = connect(dimensions=16, prices=table, batch_size=10)
    encoder.encode(TEXTS, role="document")
    found = encoder.meter.to_dict()
    assert (found["n_requests"], found["n_tokens"], found["cost_usd"]) == (10, 100, "100")
    assert found["price"]["source"] == "the contract"
    assert encoder.meter.budget.spent == 100
    assert sum(len(one.texts) for one in server.asked) == 100


@pytest.mark.parametrize("in_flight", [1, 4])
def test_the_limit_is_never_passed_and_what_was_paid_is_kept(
    in_flight: int, server: Loopback, table: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        "base_url": server.url,
        "dimensions": 16,
        "batch_size": 5,
        "cache": tmp_path / "cache",
        "api": ApiOptions(prices=table, in_flight=in_flight, canary=False),
    }
    server.delay_s = 0.005
    first: Any = load_encoder("openai:m", max_cost=135, **options)
    # The bound of a request is 115 dollars, its bill 5: the fifth one is the last that fits.
    with pytest.raises(BudgetError, match=r"\$25 of \$135 are spent.*could cost \$115.*not sent"):
        first.encode(TEXTS, role="document")
    first.close()
    assert len(server.texts) == 25
    second: Any = load_encoder("openai:m", max_cost=200, **options)
    found = second.encode(TEXTS, role="document")
    second.close()
    assert found.n_cached == 25
    assert sorted(server.texts) == TEXTS


def test_the_bound_holds_with_a_service_that_bills_all_of_it(
    server: Loopback, connect: Connect, table: Path
) -> None:
    billed: list[int] = []

    def greedy(handler: Any, asked: Any) -> None:
        billed.append(BOUND * len(asked.texts))
        changed(lambda answer: answer["usage"].update(total_tokens=billed[-1]))(handler, asked)

    server.always = greedy
    server.delay_s = 0.005
    encoder = connect(dimensions=16, prices=table, max_cost="333.33", batch_size=3, in_flight=8)
    with pytest.raises(BudgetError):
        encoder.encode(TEXTS, role="document")
    assert sum(billed) == encoder.meter.budget.spent == 276


@pytest.mark.usefixtures("quick")
def test_attempts_that_may_be_billed_count_in_full(
    server: Loopback, connect: Connect, table: Path
) -> None:
    server.tricks.extend([status(500), hang(1.0), status(429, {"retry-after-ms": "1"})])
    encoder = connect(dimensions=16, prices=table, timeout_s=0.2, max_cost=100)
    encoder.encode(TEXTS[:1], role="document")
    # The bound of the 500, that of the silence, nothing of the 429, and 1 of the answer.
    assert encoder.meter.budget.spent == 2 * BOUND + 1
    assert encoder.meter.n_tokens_uncertain == 2 * BOUND
    server.always = status(500)
    with pytest.raises(BudgetError):
        connect(dimensions=16, prices=table, attempts=50, max_cost=35).encode(
            TEXTS[:1], role="document"
        )


def test_the_probe_is_paid_for_as_well(server: Loopback, connect: Connect, table: Path) -> None:
    with pytest.raises(BudgetError):
        connect(prices=table, max_cost=5).encode(["a"], role="query")
    assert server.asked == []


def test_a_budget_is_shared(connect: Connect, table: Path) -> None:
    budget = Budget(BOUND)
    options = {"dimensions": 16, "prices": table, "max_cost": budget}
    connect(**options).encode(["word001"], role="query")
    assert budget.spent == 1
    with pytest.raises(BudgetError, match=r"\$1 of \$23 are spent"):
        connect(**options).encode(["word002"], role="query")


def test_a_reservation_waits_for_others_that_may_leave_enough() -> None:
    budget = Budget(10)
    first = budget.reserve(Decimal(8), "a")
    done: list[float] = []

    def second() -> None:
        budget.settle(budget.reserve(Decimal(5), "b"), Decimal(5))
        done.append(time.monotonic())

    thread = threading.Thread(target=second)
    thread.start()
    time.sleep(0.05)
    assert not done
    budget.settle(first, Decimal(2))
    thread.join(5)
    assert done
    assert budget.spent == 7
    with pytest.raises(BudgetError):
        budget.reserve(Decimal(4), "c")


def test_no_price_means_no_limit_and_no_guess(server: Loopback, connect: Connect) -> None:
    encoder = connect(dimensions=16)
    encoder.encode(["a"], role="query")
    assert encoder.meter.to_dict()["cost_usd"] is None
    assert encoder.meter.n_tokens == 1
    with pytest.raises(ModelError, match=rf"none is known of m at 127\.0\.0\.1:{server.port}"):
        connect(max_cost=1)
    # OpenAI's price is no price of somebody else who uses its model's name.
    with pytest.raises(ModelError, match="max_cost needs a price"):
        connect("openai:text-embedding-3-small", max_cost=1)


@pytest.mark.parametrize("value", [-1, "ten", float("nan"), float("inf"), True])
def test_a_limit_that_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(ShapeError, match="no number of US dollars"):
        Budget(value)


def test_dollars_are_exact() -> None:
    price = Price("h", "m", Decimal("0.02"), "2026-05", "x")
    meter = Meter(price, Budget(0.1))
    for _ in range(10):
        meter.answered(meter.reserve(500_000, "x"), 500_000)
    # Ten times a cent are ten cents, which ten times 0.01 are not.
    assert meter.budget.spent == Decimal("0.1")
    with pytest.raises(BudgetError):
        meter.reserve(1, "x")


def test_every_price_that_comes_along_has_a_source_and_a_date() -> None:
    for model, dollars in (
        ("text-embedding-3-small", "0.02"),
        ("text-embedding-3-large", "0.13"),
        ("text-embedding-ada-002", "0.10"),
    ):
        price = find_price("api.openai.com", model)
        assert price is not None
        assert str(price.usd_per_million_tokens) == dollars
        assert price.source
        assert price.date >= "2026"
    assert find_price("api.openai.com", "text-embedding-9") is None
    assert find_price("localhost:8000", "text-embedding-3-small") is None


def test_a_table_of_one_s_own_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {
        "host": "api.openai.com",
        "model": "text-embedding-3-small",
        "usd_per_million_tokens": 0.01,
        "date": "2026-11",
        "source": "framework agreement",
    }
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"schema": "embedsmith.prices/1", "prices": [entry]}))
    monkeypatch.setenv("EMBEDSMITH_PRICES", str(path))
    price = find_price("api.openai.com", "text-embedding-3-small")
    assert price is not None
    assert price.usd_per_million_tokens == Decimal("0.01")
    assert price.source == "framework agreement"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"p\.json:1:2: no JSON"),
        ("[]", "is no price table"),
        ('{"schema": "embedsmith.prices/1"}', "'prices' is no list"),
        ('{"schema": "embedsmith.prices/1", "prices": [{"host": "h"}]}', r"prices\[0\] lacks 4"),
        ('{"schema": "embedsmith.prices/1", "prices": [3]}', r"prices\[0\] lacks 5"),
        (
            json.dumps(
                {
                    "schema": "embedsmith.prices/1",
                    "prices": [
                        {
                            "host": "h",
                            "model": "m",
                            "date": "d",
                            "source": "s",
                            "usd_per_million_tokens": "-1",
                        }
                    ],
                }
            ),
            "usd_per_million_tokens is '-1'",
        ),
    ],
)
def test_a_table_that_cannot_be_read_says_where(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        find_price("h", "m", path)
    with pytest.raises(DataError, match="cannot be read"):
        find_price("h", "m", tmp_path / "absent.json")
