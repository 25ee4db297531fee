"""A planted key turns up nowhere: not in logs, results, caches, reprs or tracebacks."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import pickle
import pprint
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from embedsmith.backends import load_encoder
from embedsmith.backends.api import ApiOptions
from embedsmith.exceptions import EmbedsmithError
from tests.loopback import Loopback, body, changed, hang, hang_up, html, loopback, status, torn
from tests.unit.backends.api.conftest import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Whole, in base64 as a header may hold it, and in parts large enough to be of use.
TRACES = (KEY, base64.b64encode(KEY.encode()).decode().rstrip("="), KEY[3:], KEY[:-3])


def refuse_traces(text: str | bytes, where: str) -> None:
    content = text if isinstance(text, bytes) else text.encode()
    for trace in TRACES:
        assert trace.encode() not in content, f"the key is in {where}"


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """Take every log line of every library, at its most talkative."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)
    root.setLevel(before)


def echo(handler: Any, asked: Any) -> None:
    """Refuse as some services do: with the key in the message."""
    status(401, {"x-your-key": KEY}, message=f"Bad {asked.headers['authorization']}")(
        handler, asked
    )


def echo_in_answer(handler: Any, asked: Any) -> None:
    """Answer nonsense that holds the key."""
    handler.send(200, json.dumps({"oops": asked.headers["authorization"]}).encode())


def echo_in_page(handler: Any, asked: Any) -> None:
    page = f"<html>{asked.headers['authorization']}</html>".encode()
    handler.send(200, page, kind="text/html")


TRICKS: dict[str, Any] = {
    "success": changed(lambda _: None),
    "echo": echo,
    "echo in an answer": echo_in_answer,
    "echo in a page": echo_in_page,
    "500": status(500, message=KEY),
    "429": status(429, {"Retry-After": "9999"}, message=KEY),
    "400": status(400, message=KEY),
    "redirect": status(302, {"Location": f"http://localhost:9/?{KEY}"}),
    "page": html(),
    "torn": torn(),
    "bytes": body(KEY.encode()),
    "hang": hang(1.0),
    "hang up": hang_up(),
    "short": changed(lambda answer: answer.pop("data" if "data" in answer else "embeddings")),
    "NaN": changed(
        lambda answer: (
            answer["data"][0].update(embedding=[float("nan")] * 16)
            if "data" in answer
            else answer["embeddings"]["float"].__setitem__(0, [float("nan")] * 16)
        )
    ),
}


def shown(error: BaseException) -> str:
    """Return a traceback with the value of every local variable, and all that is chained."""
    # Without the frame of the test, whose server knows what it was sent.
    assert error.__traceback__ is not None
    frames = error.__traceback__.tb_next
    whole = traceback.TracebackException(type(error), error, frames, capture_locals=True)
    assert len(whole.stack) > 3
    return "".join(whole.format()) + repr(error) + pprint.pformat(vars(error))


def chained(error: BaseException | None) -> list[BaseException]:
    found = []
    while error is not None:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("spec", ["openai:m", "cohere:m"])
@pytest.mark.parametrize("name", TRICKS)
def test_no_way_that_a_request_can_end_shows_the_key(  # noqa: PLR0917 - fixtures
    name: str,
    spec: str,
    server: Loopback,
    tmp_path: Path,
    everything_logged: io.StringIO,
    capfd: pytest.CaptureFixture[str],
) -> None:
    url = server.url if spec.startswith("openai") else server.url.removesuffix("/v1")
    encoder: Any = load_encoder(
        spec,
        base_url=url,
        cache=tmp_path,
        dimensions=16,
        api=ApiOptions(attempts=2, timeout_s=0.2, canary=name == "success"),
    )
    server.always = TRICKS[name]
    error: BaseException | None = None
    try:
        encoder.encode(["a text", "another"], role="document")
    except EmbedsmithError as caught:
        error = caught
    assert (error is None) == (name == "success")
    assert server.asked[0].headers["authorization"].endswith(KEY), "the key was not even sent"
    if error is not None:
        refuse_traces(str(error), "the message")
        refuse_traces(shown(error), "the traceback")
        # No error of the vendor's, which holds the request and its headers, hangs on to ours.
        modules = {type(one).__module__.partition(".")[0] for one in chained(error)}
        assert modules == {"embedsmith"}
        refuse_traces(pickle.dumps(error), "the pickled error")
    model = encoder.encoder
    service = model._service
    secret = service._client.secret if spec.startswith("openai") else service._secret
    for one in (encoder, model, model._service, model._requests, secret):
        refuse_traces(repr(one) + str(one), f"the repr of {type(one).__name__}")
        refuse_traces(pprint.pformat(getattr(one, "__dict__", {})), f"{type(one).__name__}'s dict")
    refuse_traces(
        json.dumps([dict(encoder.fingerprint.fields), encoder.producer, model.describe()])
        + json.dumps(model.meter.to_dict()),
        "what goes into results",
    )
    encoder.close()
    refuse_traces(everything_logged.getvalue(), "the logs")
    assert everything_logged.getvalue(), "nothing was logged"
    out, err = capfd.readouterr()
    refuse_traces(out + err, "stdout and stderr")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            refuse_traces(path.read_bytes(), str(path))


def test_nobody_there_shows_no_key(everything_logged: io.StringIO, tmp_path: Path) -> None:
    encoder = load_encoder(
        "openai:m", base_url="http://127.0.0.1:9", cache=tmp_path, api=ApiOptions(attempts=1)
    )
    with pytest.raises(EmbedsmithError) as caught:
        encoder.encode(["a"], role="query")
    encoder.close()
    refuse_traces(shown(caught.value), "the traceback")
    refuse_traces(everything_logged.getvalue(), "the logs")


_COMMAND = (
    "eval --data sample:bank --model openai:m --measures ndcg@10 --out {out} --cache {cache} "
    "--base-url {url} --debug"
)


@pytest.mark.parametrize("fails", [False, True])
def test_the_command_writes_no_key(*, fails: bool, tmp_path: Path) -> None:
    with loopback() as server:
        server.always = echo if fails else None
        words = _COMMAND.format(out=tmp_path / "out", cache=tmp_path / "cache", url=server.url)
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-m", "embedsmith", *words.split()],
            capture_output=True,
            env={**os.environ, "EMBEDSMITH_DEBUG": "1", "OPENAI_LOG": "debug"},
            check=False,
        )
    assert done.returncode == (4 if fails else 0), done.stderr.decode()
    assert server.asked[0].headers["authorization"].endswith(KEY)
    refuse_traces(done.stdout + done.stderr, "the output")
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert bool(written) != fails
    for path in written:
        refuse_traces(path.read_bytes(), str(path))
