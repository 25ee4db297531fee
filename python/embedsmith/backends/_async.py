"""Embed beside an event loop: one call of an encoder at a time, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from embedsmith.backends._protocol import Embedded, Encoder, Role
from embedsmith.backends._texts import checked_texts
from embedsmith.exceptions import DataError, EmbedsmithError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["encode_async"]

# What is joined: queries that arrive together, not whole corpora.
_SMALL, _MOST = 32, 256


async def encode_async(encoder: Encoder, texts: Sequence[str], *, role: Role) -> Embedded:
    """Embed texts without holding up the event loop.

    One call of an encoder runs at a time, in a thread of its own: it uses all cores by itself.
    Calls that come meanwhile wait in their order. Opens no thread for each call, and keeps nothing
    of a call that is over.

    Parameters
    ----------
    encoder : Encoder
        What :func:`embedsmith.load_encoder` returns. Awaited calls may come from several tasks,
        threads and event loops; do not call ``encode`` or ``close`` meanwhile.
    texts : sequence of str
        As for `Encoder.encode`.
    role : {"query", "document"}
        Chooses the prompt.

    Returns
    -------
    Embedded
        What ``encoder.encode(texts, role=role)`` returns, to the last bit.

    Raises
    ------
    asyncio.CancelledError
        If the task is cancelled. A call that waits is never begun; one that runs ends after its
        present batch, and its result is dropped. Cached vectors stay.
    DataError
        If an item is not a string that UTF-8 can hold.
    EmbedsmithError
        Whatever ``encode`` raises.

    Notes
    -----
    Small calls (up to 32 texts) of one role that wait together are computed in one, up to 256
    texts, where that changes no bit: with an encoder that has no cache and gives a text the same
    bits in every batch, as native ones do. Nobody waits for others to come.

    Ctrl-C: ``asyncio.run`` cancels its tasks, which is as above; the process ends after the present
    batch at the latest (of a native model about a second, of a service one request).

    Examples
    --------
    >>> import asyncio
    >>> import embedsmith as es
    >>> encoder = es.load_encoder("fake:8", cache=False)
    >>> asyncio.run(encode_async(encoder, ["a text"], role="query")).vectors.shape
    (1, 8)
    """
    if role not in ("query", "document"):
        msg = f"role is {role!r}; it must be 'query' or 'document'."
        raise DataError(msg)
    call = _Call(encoder, checked_texts(texts), role)
    lane = _lane(encoder)
    lane.submit(call)
    try:
        return await asyncio.wrap_future(call.answer)
    except asyncio.CancelledError:
        call.cancelled.set()
        raise


class _DroppedError(Exception):
    """Nobody waits for the answer any more."""


@dataclass
class _Call:
    encoder: Encoder
    texts: list[str]
    role: Role
    answer: Future[Embedded] = field(default_factory=Future)
    cancelled: threading.Event = field(default_factory=threading.Event)


class _Lane:
    """The calls of one encoder, which run one after another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[_Call] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encode_async")

    def submit(self, call: _Call) -> None:
        with self._lock:
            self._waiting.append(call)
        self._thread.submit(self._run_next)

    def _run_next(self) -> None:
        """Run the call that waits longest, with those that may be joined to it, if any waits."""
        calls = self._taken()
        if not calls:
            return
        try:
            answers = _together(calls)
        except BaseException as error:  # noqa: BLE001 - raised where the answer is awaited
            if len(calls) > 1 and isinstance(error, EmbedsmithError):
                # One of them is at fault; each is told what is its own.
                for call in calls:
                    _alone(call)
                return
            for call in calls:
                call.answer.set_exception(error)
        else:
            for call, answer in zip(calls, answers, strict=True):
                call.answer.set_result(answer)

    def _taken(self) -> list[_Call]:
        with self._lock:
            first = self._pop()
        if first is None:
            return []
        calls, count = [first], len(first.texts)
        # Of some models it is found out by a run, which takes its time.
        joins = count <= _SMALL and getattr(first.encoder, "batch_invariant", False)
        while joins:
            with self._lock:
                after = self._waiting[0] if self._waiting else None
                size = 0 if after is None else len(after.texts)
                if (
                    after is None
                    or after.role != first.role
                    or size > _SMALL
                    or count + size > _MOST
                ):
                    break
                after = self._pop()
            if after is not None:
                calls.append(after)
                count += len(after.texts)
        return calls

    def _pop(self) -> _Call | None:
        """Take the first call that is still wanted."""
        while self._waiting:
            call = self._waiting.popleft()
            if call.answer.set_running_or_notify_cancel():
                return call
        return None


def _together(calls: list[_Call]) -> list[Embedded]:
    def go_on(_: int) -> None:
        if all(call.cancelled.is_set() for call in calls):
            raise _DroppedError

    first = calls[0]
    texts = [text for call in calls for text in call.texts]
    embedded = first.encoder.encode(texts, role=first.role, progress=go_on)
    if len(calls) == 1:
        return [embedded]
    answers, start = [], 0
    for call in calls:
        own = slice(start, start + len(call.texts))
        start = own.stop
        answers.append(
            Embedded(
                # Each is the receiver's own.
                embedded.vectors[own].copy(),
                embedded.n_tokens[own].copy(),
                embedded.truncated[own].copy(),
                0,
            )
        )
    return answers


def _alone(call: _Call) -> None:
    try:
        (answer,) = _together([call])
    except BaseException as error:  # noqa: BLE001 - raised where the answer is awaited
        call.answer.set_exception(error)
    else:
        call.answer.set_result(answer)


# An encoder that is dropped takes its thread with it.
_lanes: weakref.WeakKeyDictionary[Encoder, _Lane] = weakref.WeakKeyDictionary()
_lanes_lock = threading.Lock()


def _lane(encoder: Encoder) -> _Lane:
    with _lanes_lock:
        if encoder not in _lanes:
            _lanes[encoder] = _Lane()
        return _lanes[encoder]
