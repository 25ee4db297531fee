"""``embedsmith eval`` with models at services: price, limit, offline, and what the result says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import embedsmith as es
from embedsmith.cli import main
from tests.loopback import Loopback, loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]

pytest.importorskip("openai", reason="the extra 'api' is not installed")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    for name in ("OPENAI_BASE_URL", "EMBEDSMITH_OFFLINE", "EMBEDSMITH_PRICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-integration")
    with loopback() as state:
        yield state


@pytest.fixture
def prices(server: Loopback, tmp_path: Path) -> Path:
    price = {
        "host": f"127.0.0.1:{server.port}",
        "model": "m",
        "usd_per_million_tokens": "2",
        "date": "2026-11",
        "source": "the contract",
    }
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({"schema": "embedsmith.prices/1", "prices": [price]}))
    return path


@pytest.fixture
def run(server: Loopback, prices: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str) -> tuple[int, str, str]:
        command = ["eval", "--data", "sample:bank", "--model", "openai:m", "--quiet"]
        command += ["--base-url", server.url, "--cache", str(tmp_path / "cache")]
        with pytest.raises(SystemExit) as caught:
            main([*command, "--prices", str(prices), *words])
        out, err = capfd.readouterr()
        code = caught.value.code
        return (0 if code is None else int(code)), out, err

    return call


def test_a_dry_run_tells_texts_tokens_and_price_and_sends_nothing(
    run: Run, server: Loopback, tmp_path: Path
) -> None:
    code, out, _ = run("--dry-run", "--model", "fake:8", "--out", str(tmp_path / "out"))
    assert code == 0
    assert server.asked == []
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "out").exists()
    row = next(line for line in out.splitlines() if line.startswith("m "))
    assert "127.0.0.1" in row
    assert " 221 " in row
    assert "at most $0." in row
    assert "$2 per million tokens, 2026-11, the contract" in out
    code, out, _ = run("--dry-run", "--json")
    (found,) = json.loads(out)
    assert (found["n_texts"], found["n_cached"], found["exact"]) == (221, 0, False)
    assert float(found["cost"]) == pytest.approx(2e-6 * found["n_tokens"])


def test_a_run_says_where_texts_went_and_what_that_cost(
    run: Run, server: Loopback, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    code, out, _ = run("--out", str(tmp_path / "out"))
    assert code == 0
    # A warning, which Python shows on stderr unless told otherwise; --quiet does not hide it.
    assert f"texts are sent to 127.0.0.1:{server.port}" in caplog.text
    result = es.EvaluationResult.load(tmp_path / "out")
    model = result.models[0]
    assert model.encoder is not None
    assert model.encoder.service is not None
    assert model.encoder.service["host"] == f"127.0.0.1:{server.port}"
    used: Any = model.timing.usage
    assert used["n_requests"] == len(server.asked)
    assert used["cost_usd"] == f"{used['n_tokens'] * 2 / 1e6:f}"
    assert f"${used['cost_usd']}" in " ".join(out.split())
    # A paid text is not paid for again to be timed.
    assert model.timing.latency is None
    assert len(server.texts) == len(set(server.texts))
    n_asked = len(server.asked)
    code, out, _ = run()
    assert (code, len(server.asked)) == (0, n_asked)
    assert "This run sent nothing" in " ".join(out.split())
    code, out, _ = run("--dry-run", "--json")
    assert json.loads(out)[0]["n_tokens"] == 0


def test_latency_is_measured_where_it_is_asked_for(run: Run, server: Loopback) -> None:
    code, out, _ = run("--latency-queries", "3")
    assert code == 0
    assert "3 queries after a warm-up" in out
    # The warm-up of the measurement, and the queries themselves; no batches.
    assert len(server.texts) - len(set(server.texts)) <= 6


def test_the_limit_ends_the_run_before_it_is_passed_and_a_higher_one_goes_on(
    run: Run, server: Loopback
) -> None:
    code, _, err = run("--max-cost", "0.025", "--batch-size", "10", "--in-flight", "1")
    assert code == 1
    assert "Stopped before the limit of cost" in err
    assert "Traceback" not in err
    paid = len(server.texts)
    assert 0 < paid < 221
    code, _, _ = run("--max-cost", "1")
    assert code == 0
    # Each text once, and the probe once a run.
    assert len(server.texts) == 221 + 2


def test_offline_refuses(run: Run, server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = run("--offline")
    assert code == 4
    assert "--offline" in err
    monkeypatch.setenv("EMBEDSMITH_OFFLINE", "1")
    assert run()[0] == 4
    assert server.asked == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--max-cost", "much"], 2, "no number of US dollars"),
        (["--truncate", "middle"], 2, "none of NONE, START, END"),
        (["--base-url", "http://embed.bank.internal/v1"], 2, "unencrypted"),
        (["--truncate-dim", "8"], 2, "--dimensions"),
        (["--model", "cohere:x"], 2, "base_url would be that of two vendors"),
        (["--prices", "absent.json"], 3, "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_a_text_leaves(  # noqa: PLR0917 - fixtures
    words: list[str],
    code: int,
    message: str,
    run: Run,
    server: Loopback,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CO_API_KEY", "x")
    found, _, err = run(*words)
    assert (found, server.asked) == (code, [])
    assert message in " ".join(err.split())


def test_options_of_services_without_one_are_refused() -> None:
    with pytest.raises(es.exceptions.ModelError, match="base_url is for services, and no model"):
        es.evaluate("fake:8", "sample:bank", base_url="http://localhost:1", cache=False)


def test_estimates_in_python_cover_other_tasks_and_open_encoders(server: Loopback) -> None:
    encoder = es.load_encoder("openai:m", base_url=server.url, cache=False, dimensions=16)
    (found,) = es.estimate_cost({"ours": encoder}, "sample:bank")
    assert (found.name, found.host) == ("ours", f"127.0.0.1:{server.port}")
    assert found.cost is None
    encoder.close()
    assert server.asked == []
