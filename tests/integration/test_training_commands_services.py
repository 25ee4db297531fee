"""``mine`` and ``check-data`` with models at services: host, price, limit, and nothing sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from embedsmith.cli import main
from tests.loopback import Loopback, loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]

pytest.importorskip("openai", reason="the extra 'api' is not installed")

PAIRS = [(f"what is fee {n}", f"Fee {n} is {n} euros a month.") for n in range(6)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    for name in ("OPENAI_BASE_URL", "EMBEDSMITH_OFFLINE", "EMBEDSMITH_PRICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-integration")
    with loopback() as state:
        yield state


@pytest.fixture(params=["mine", "check-data"])
def run(
    request: pytest.FixtureRequest,
    server: Loopback,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> Run:
    train, prices = tmp_path / "train.jsonl", tmp_path / "prices.json"
    rows = [{"query": q, "positive": p} for q, p in PAIRS]
    train.write_text("".join(json.dumps(row) + "\n" for row in rows))
    price = {
        "host": f"127.0.0.1:{server.port}",
        "model": "m",
        "usd_per_million_tokens": "2",
        "date": "2026-11",
        "source": "the contract",
    }
    prices.write_text(json.dumps({"schema": "embedsmith.prices/1", "prices": [price]}))
    command = [request.param, str(train), "--model", "openai:m", "--base-url", server.url]
    command += ["--prices", str(prices), "--cache", str(tmp_path / "cache")]
    if request.param == "mine":
        command += ["--out", str(tmp_path / "out"), "--num-negatives", "1", "--anchor", "query"]
        command += ["--relative-margin", "-1", "--shingles", "0", "--near-duplicate", "0"]

    def call(*words: str) -> tuple[int, str, str]:
        code = 0
        try:
            main([*command, *words])
        except SystemExit as ended:
            code = 0 if ended.code is None else int(ended.code)
        out, err = capfd.readouterr()
        return code, out, err

    return call


def test_a_dry_run_counts_texts_and_sends_and_writes_nothing(
    run: Run, server: Loopback, tmp_path: Path
) -> None:
    code, out, err = run("--dry-run", "--json")
    assert code == 0, err
    (found,) = json.loads(out)
    assert (found["n_texts"], found["n_cached"]) == (12, 0)
    assert found["host"].startswith("127.0.0.1")
    assert float(found["cost"]) == pytest.approx(2e-6 * found["n_tokens"])
    assert server.asked == []
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "cache").exists()


def test_the_host_is_said_and_the_estimate_was_right(
    run: Run, server: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    code, _, err = run()
    assert code == 0, err
    assert f"texts are sent to 127.0.0.1:{server.port}" in caplog.text
    assert server.asked
    code, out, err = run("--dry-run", "--json")
    (found,) = json.loads(out)
    assert (code, found["n_texts"], found["n_cached"]) == (0, 12, 12), err


def test_offline_refuses_before_a_text_leaves(run: Run, server: Loopback, tmp_path: Path) -> None:
    code, _, err = run("--offline")
    assert code == 4
    assert "offline" in err
    assert server.asked == []
    assert not (tmp_path / "out").exists()


def test_a_limit_of_cost_ends_as_a_failed_gate(run: Run, server: Loopback) -> None:
    code, _, err = run("--max-cost", "0.0000001")
    assert code == 1
    assert "Stopped before the limit of cost" in err
    assert server.asked == []


def test_a_dry_run_without_a_model_is_a_mistake_in_usage(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps({"query": "fee", "positive": "Five."}) + "\n")
    with pytest.raises(SystemExit) as caught:
        main(["check-data", str(path), "--dry-run"])
    assert caught.value.code == 2
    assert "name the model" in capfd.readouterr().err
