"""What was paid for is kept, and is kept apart from what another model would answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embedsmith.backends import EmbeddingCache, load_encoder
from embedsmith.backends.api import ApiOptions
from embedsmith.backends.api._canary import PROBE
from embedsmith.exceptions import CacheError, NonFiniteError, ServiceError
from tests.loopback import Loopback, changed, status

if TYPE_CHECKING:
    from pathlib import Path

    from embedsmith.backends import Encoder

TEXTS = [f"text number {n}{' and more' * (n % 5)}" for n in range(60)]


def opened(server: Loopback, cache: Path, spec: str = "openai:m", **options: Any) -> Encoder:
    url = server.url if spec.startswith("openai") else server.url.removesuffix("/v1")
    return load_encoder(spec, base_url=url, cache=cache, **options)


def test_a_second_run_asks_for_nothing(server: Loopback, tmp_path: Path) -> None:
    first = opened(server, tmp_path)
    found = first.encode(TEXTS, role="document").vectors
    first.close()
    n_asked = len(server.asked)
    # Another process knows neither the width of a vector nor the probe's, and asks for neither.
    second = opened(server, tmp_path)
    again = second.encode(TEXTS, role="document")
    second.close()
    np.testing.assert_array_equal(again.vectors, found)
    assert again.n_cached == len(TEXTS)
    assert len(server.asked) == n_asked


def test_neither_batch_size_nor_threads_make_texts_be_paid_again(
    server: Loopback, tmp_path: Path
) -> None:
    for size, in_flight in ((7, 1), (50, 4)):
        encoder = opened(
            server, tmp_path, batch_size=size, api=ApiOptions(in_flight=in_flight, canary=False)
        )
        encoder.encode(TEXTS, role="document")
        encoder.close()
    sent = Counter(server.texts)
    assert sent.pop(PROBE) == 1
    assert set(sent.values()) == {1}


@pytest.mark.parametrize("spec", ["openai:m", "cohere:m"])
def test_after_a_failure_only_the_rest_is_sent(spec: str, server: Loopback, tmp_path: Path) -> None:
    options = {"batch_size": 5, "dimensions": 16, "api": ApiOptions(in_flight=3, canary=False)}
    # Two requests are answered, then the account is closed.
    server.tricks.extend([changed(lambda _: None)] * 2 + [status(401)] * 3)
    first = opened(server, tmp_path, spec, **options)
    with pytest.raises(ServiceError, match="401"):
        first.encode(TEXTS, role="document")
    first.close()
    kept = 10
    server.asked.clear()
    server.tricks.clear()
    second = opened(server, tmp_path, spec, **options)
    assert second.encode(TEXTS, role="document").n_cached >= kept
    second.close()
    assert max(Counter(server.texts).values()) == 1
    assert len(server.texts) <= len(TEXTS) - kept


_CHILD = """
import sys
from embedsmith.backends import load_encoder
from embedsmith.backends.api import ApiOptions
texts = [f"text number {n}" for n in range(100)]
encoder = load_encoder("openai:m", base_url=sys.argv[1], cache=sys.argv[2], batch_size=4,
                       dimensions=16, api=ApiOptions(in_flight=4, canary=False))
encoder.encode(texts, role="document")
encoder.close()
"""


def test_nothing_that_was_answered_is_paid_again_after_kill_9(
    server: Loopback, tmp_path: Path
) -> None:
    server.delay_s = 0.03
    command = [sys.executable, "-c", _CHILD, server.url, str(tmp_path)]
    texts = [f"text number {n}" for n in range(100)]
    kills = 0
    for _ in range(6):
        before = len(server.asked)
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ)
        while child.poll() is None and len(server.asked) < before + 9:
            time.sleep(0.005)
        if child.poll() is not None:
            break
        child.send_signal(signal.SIGKILL)
        child.wait()
        kills += 1
    assert child.returncode == 0
    assert kills >= 2
    sent = Counter(server.texts)
    assert set(sent) == set(texts)
    # At most the requests that were in flight at a kill, of 4 texts each, are sent again.
    assert sum(sent.values()) - len(texts) <= kills * 4 * 4
    asked = len(server.asked)
    encoder = load_encoder("openai:m", base_url=server.url, cache=tmp_path, dimensions=16)
    found = encoder.encode(texts, role="document")
    encoder.close()
    np.testing.assert_array_equal(found.vectors, server.vectors(texts))
    assert len(server.asked) == asked


def test_a_model_that_changed_behind_its_name_is_found_out(
    server: Loopback, tmp_path: Path
) -> None:
    first = opened(server, tmp_path)
    first.encode(TEXTS, role="document")
    first.close()
    server.encoder = load_encoder("fake:16", cache=False, document_prompt="another model ")
    server.asked.clear()
    second = opened(server, tmp_path)
    # What is kept is still served: it is of one model.
    assert second.encode(TEXTS, role="document").n_cached == len(TEXTS)
    assert server.asked == []
    with pytest.raises(CacheError, match=r"has changed since .*cosine 0\.\d+.*Delete the file"):
        second.encode([*TEXTS, "new"], role="document")
    assert server.texts == [PROBE]
    second.close()
    unchecked = opened(server, tmp_path, api=ApiOptions(canary=False))
    assert unchecked.encode(["new"], role="document").n_cached == 0
    unchecked.close()


def test_a_service_s_own_noise_is_no_change(server: Loopback, tmp_path: Path) -> None:
    first = opened(server, tmp_path)
    first.encode(["a"], role="document")
    first.close()
    rng = np.random.default_rng(0)

    def noisy(answer: Any) -> None:
        for item in answer["data"]:
            row = server.vectors([PROBE])[0]
            noise = 0.01 * np.linalg.norm(row) * rng.standard_normal(16) / 4
            item["embedding"] = (row + noise).tolist()

    server.always = changed(noisy)
    second = opened(server, tmp_path)
    second.encode(["b"], role="document")
    second.close()


def test_the_probe_is_sent_once_a_run(server: Loopback, tmp_path: Path) -> None:
    encoder = opened(server, tmp_path, batch_size=3)
    encoder.encode(TEXTS, role="document")
    encoder.encode(["one more"], role="query")
    encoder.close()
    assert Counter(server.texts)[PROBE] == 1


def test_another_width_than_the_cache_holds_is_said(server: Loopback, tmp_path: Path) -> None:
    first = opened(server, tmp_path)
    first.encode(["a"], role="document")
    first.close()
    server.encoder = load_encoder("fake:12", cache=False)
    second = opened(server, tmp_path, api=ApiOptions(canary=False))
    with pytest.raises(ServiceError, match=r"of 12 columns; 16 were expected.*another cache"):
        second.encode(["b"], role="document")
    second.close()
    third = opened(server, tmp_path)
    with pytest.raises(CacheError, match="has changed"):
        third.encode(["b"], role="document")
    third.close()


def test_nothing_of_a_spoiled_answer_is_kept(server: Loopback, tmp_path: Path) -> None:
    encoder = opened(server, tmp_path, dimensions=16, api=ApiOptions(canary=False))
    server.always = changed(lambda answer: answer["data"][0].update(embedding=[float("nan")] * 16))
    with pytest.raises(NonFiniteError):
        encoder.encode(["a"], role="document")
    server.always = None
    assert encoder.encode(["a"], role="document").n_cached == 0
    encoder.close()


@pytest.mark.parametrize("at_once", [1, 3])
def test_the_good_vectors_of_a_spoiled_answer_are_kept_and_the_bad_text_named(
    at_once: int, server: Loopback, tmp_path: Path
) -> None:
    def spoil(answer: Any) -> None:
        answer["data"][1].update(embedding=[float("nan")] * 16)

    options: dict[str, Any] = {"dimensions": 16, "batch_size": 4}
    options["api"] = ApiOptions(canary=False, in_flight=at_once, encoding_format="float")
    encoder = opened(server, tmp_path, **options)
    texts = ["one", "two", "three", "four"]
    server.always = changed(spoil)
    with pytest.raises(NonFiniteError) as caught:
        encoder.encode(texts, role="document")
    server.always = None
    bad = caught.value.position
    assert bad is not None
    assert repr(texts[bad]) in str(caught.value)
    before = Counter(server.texts)
    again = encoder.encode(texts, role="document")
    assert again.n_cached == 3
    # Nothing paid twice but the text that had no vector.
    assert Counter(server.texts) - before == Counter([texts[bad]])
    assert np.isfinite(again.vectors).all()
    encoder.close()


@pytest.mark.parametrize(
    "options",
    [
        {"dimensions": 8},
        {"query_prompt": "q: "},
        {"api": ApiOptions(document_input_type="passage")},
        {"spec": "openai:other"},
        {"spec": "cohere:m"},
    ],
)
def test_other_options_are_another_space(
    options: dict[str, Any], server: Loopback, tmp_path: Path
) -> None:
    one = opened(server, tmp_path)
    other = opened(server, tmp_path, **options)
    assert one.fingerprint != other.fingerprint
    assert json.dumps(dict(one.fingerprint.fields)).count(str(server.port)) == 1


def test_how_vectors_are_written_or_how_many_run_is_the_same_space(
    server: Loopback, tmp_path: Path
) -> None:
    one = opened(server, tmp_path)
    other = opened(
        server, tmp_path, batch_size=3, api=ApiOptions(encoding_format="float", in_flight=2)
    )
    assert one.fingerprint == other.fingerprint
    cache = EmbeddingCache(tmp_path)
    assert cache.path(one.fingerprint, one.producer) == cache.path(
        other.fingerprint, other.producer
    )


def test_a_look_into_a_cache_leaves_no_trace(server: Loopback, tmp_path: Path) -> None:
    folder = tmp_path / "none"
    encoder = opened(server, folder, dimensions=16)
    cache = EmbeddingCache(folder)
    assert cache.stored_dim(encoder.fingerprint, encoder.producer) is None
    assert cache.stored_keys(encoder.fingerprint, encoder.producer, [b"x"]) == set()
    assert not folder.exists()
