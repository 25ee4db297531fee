"""A process that embeds what another one sends it, over its standard input and output."""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

from embedsmith.backends import load_encoder
from embedsmith.bulk._runner import ModelOrder, encode, identity_of
from embedsmith.exceptions import ClusterError

if TYPE_CHECKING:
    from typing import BinaryIO

    from embedsmith.backends import Encoder

__all__ = ["main", "receive", "send"]

_LENGTH_BYTES = 8


def send(file: BinaryIO, message: Any) -> None:
    """Write one message: its length, and it."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    file.write(len(data).to_bytes(_LENGTH_BYTES, "little"))
    file.write(data)
    file.flush()


def receive(file: BinaryIO) -> Any:
    """Read one message.

    Raises
    ------
    EOFError
        If the other side is gone.
    """
    head = file.read(_LENGTH_BYTES)
    size = int.from_bytes(head, "little")
    data = file.read(size) if len(head) == _LENGTH_BYTES else b""
    if len(head) < _LENGTH_BYTES or len(data) < size:
        raise EOFError
    # Both ends are this package's, over a pipe that nobody else holds.
    return pickle.loads(data)  # noqa: S301


def main() -> None:
    """Serve until the other side closes the pipe."""
    # What libraries print must not end up among the messages.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Ctrl-C reaches all processes of a terminal; the one that started us decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(inbox,), daemon=True).start()
    encoder: Encoder | None = None
    order: ModelOrder = inbox.get()
    while True:
        texts = inbox.get()
        try:
            if encoder is None:
                encoder = opened(order)
            encoded = encode(
                encoder, order.role, texts, lambda *done: send(answers, ("told", done))
            )
        except BaseException as error:  # noqa: BLE001 - it is raised by the process that asked
            send(answers, ("failed", _carried(error)))
        else:
            send(answers, ("done", encoded))


def _listen(inbox: queue.SimpleQueue[Any]) -> None:
    """Take messages; end the process when there is nobody left who could read an answer."""
    try:
        while True:
            inbox.put(receive(sys.stdin.buffer))
    except (EOFError, OSError):
        os._exit(0)


def opened(order: ModelOrder) -> Encoder:
    """Open the model, and refuse one that is another here.

    Raises
    ------
    ClusterError
        If its space, or what decides the last bits of its vectors, differs.
    """
    encoder = load_encoder(order.spec, **order.options)
    identity = identity_of(encoder)
    if identity != order.identity:
        msg = (
            f"{order.spec} is another model, or runs by other libraries, where it was to be "
            f"worked on: {identity}, and {order.identity} where the run was started. Install "
            "the same there."
        )
        raise ClusterError(msg)
    return encoder


def _carried(error: BaseException) -> BaseException:
    """Return an error that survives the way, with its traceback as a note in its text."""
    try:
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - whatever an error's own class does wrong
        copy = None
    if isinstance(copy, BaseException) and str(copy) == str(error):
        return error
    return RuntimeError("".join(traceback.format_exception(error)))
