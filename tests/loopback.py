"""A service on this machine that answers as OpenAI and Cohere do, and misbehaves when told to.

Its vectors are those of an encoder of ours, so that what comes back can be compared bit for bit.
It counts what it is asked: what is paid for twice shows here.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from embedsmith.backends import load_encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from embedsmith._typing import F32Array, Json
    from embedsmith.backends import Encoder

    Trick = Callable[["_Handler", "Asked"], None]

__all__ = [
    "Asked",
    "Loopback",
    "body",
    "changed",
    "hang",
    "hang_up",
    "html",
    "loopback",
    "status",
    "torn",
]


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: Json

    @property
    def texts(self) -> list[Any]:
        return list(self.body["texts"] if "texts" in self.body else self.body["input"])


@dataclass
class Loopback:
    """What the server does, and what it was asked."""

    encoder: Encoder
    # What a model writes, by the body of the request; for chats and completions.
    writer: Callable[[Json], str] | None = None
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    # Done to the next requests, in turn, in place of an answer.
    tricks: deque[Trick] = field(default_factory=deque)
    # Done to every request that no trick is done to.
    always: Trick | None = None
    delay_s: float = 0.0
    in_flight: int = 0
    most_in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def texts(self) -> list[Any]:
        """Every text that was sent, in order, probes included."""
        return [text for one in self.asked for text in one.texts]

    def vectors(self, texts: list[Any]) -> F32Array:
        words = [text if isinstance(text, str) else " ".join(map(str, text)) for text in texts]
        return self.encoder.encode(words, role="document").vectors

    def answer(self, asked: Asked) -> Json:
        """Return what an honest service answers."""
        if asked.path.endswith("/completions"):
            return self._written(asked)
        vectors = self.vectors(asked.texts)
        n_tokens = sum(max(1, len(str(text).split())) for text in asked.texts)
        if asked.path.endswith("/embed"):
            return {
                "id": "x",
                "embeddings": {"float": [[float(x) for x in row] for row in vectors]},
                "texts": asked.texts,
                "meta": {"billed_units": {"input_tokens": n_tokens}},
            }
        dimensions = asked.body.get("dimensions")
        packed = asked.body.get("encoding_format") == "base64"
        return {
            "object": "list",
            "model": asked.body["model"],
            "data": [
                {
                    "object": "embedding",
                    "index": at,
                    "embedding": base64.b64encode(row[:dimensions].tobytes()).decode()
                    if packed
                    else [float(x) for x in row[:dimensions]],
                }
                for at, row in enumerate(vectors)
            ],
            "usage": {"prompt_tokens": n_tokens, "total_tokens": n_tokens},
        }

    def _written(self, asked: Asked) -> Json:
        assert self.writer is not None
        text = self.writer(asked.body)
        sent = asked.body.get("prompt") or " ".join(
            message["content"] for message in asked.body["messages"]
        )
        chat = asked.path.endswith("/chat/completions")
        written = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        return {
            "object": "chat.completion" if chat else "text_completion",
            "model": asked.body["model"],
            "choices": [{"index": 0, **written, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": len(sent.split()),
                "completion_tokens": len(text.split()),
            },
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Loopback

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Keep quiet."""

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        asked = Asked(
            self.path,
            {name.lower(): value for name, value in self.headers.items()},
            json.loads(content),
        )
        state = self.state
        with state.lock:
            state.asked.append(asked)
            state.in_flight += 1
            state.most_in_flight = max(state.most_in_flight, state.in_flight)
            trick = state.tricks.popleft() if state.tricks else state.always
        try:
            time.sleep(state.delay_s)
            if trick is None:
                self.send(200, json.dumps(state.answer(asked)).encode())
            else:
                trick(self, asked)
        except (BrokenPipeError, ConnectionResetError):
            # Who asked has gone: killed, or tired of waiting.
            self.close_connection = True
        finally:
            with state.lock:
                state.in_flight -= 1

    def send(
        self,
        code: int,
        content: bytes,
        headers: dict[str, str] | None = None,
        kind: str = "application/json",
    ) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def status(code: int, headers: dict[str, str] | None = None, message: str = "no") -> Trick:
    """Answer with a status, as an error of the API."""
    content = json.dumps({"error": {"message": message, "type": "x", "code": None}}).encode()
    return lambda handler, _: handler.send(code, content, headers)


def hang(seconds: float) -> Trick:
    """Answer late, and then not at all."""

    def trick(handler: _Handler, _: Asked) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return trick


def hang_up() -> Trick:
    """Close the connection without a word."""

    def trick(handler: _Handler, _: Asked) -> None:
        handler.close_connection = True

    return trick


def torn(share: float = 0.5) -> Trick:
    """Answer a part of the JSON, with the length of that part."""

    def trick(handler: _Handler, asked: Asked) -> None:
        content = json.dumps(handler.state.answer(asked)).encode()
        handler.send(200, content[: int(share * len(content))])

    return trick


def html() -> Trick:
    """Answer with a page to log in at."""
    page = b"<!doctype html><title>Sign in</title>"
    return lambda handler, _: handler.send(200, page, kind="text/html")


def body(content: bytes) -> Trick:
    """Answer with some bytes."""
    return lambda handler, _: handler.send(200, content)


def changed(change: Callable[[Json], object]) -> Trick:
    """Answer honestly but for a change, made in place."""

    def trick(handler: _Handler, asked: Asked) -> None:
        answer = handler.state.answer(asked)
        change(answer)
        handler.send(200, json.dumps(answer).encode())

    return trick


@contextmanager
def loopback(encoder: Encoder | None = None) -> Iterator[Loopback]:
    """Run the server for the block."""
    state = Loopback(encoder or load_encoder("fake:16", cache=False))
    handler = type("Handler", (_Handler,), {"state": state})

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        # A hanging request is not waited for.
        block_on_close = False
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
