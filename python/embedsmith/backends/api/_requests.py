"""Requests that are sent until they are answered, cannot be, or would cost too much."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import numpy as np

from embedsmith._phrases import counted
from embedsmith.backends._texts import excerpt
from embedsmith.backends.api._backoff import Backoff
from embedsmith.backends.api._failure import Failure
from embedsmith.exceptions import ServiceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import F32Array, I64Array
    from embedsmith.backends._protocol import Role
    from embedsmith.backends.api._budget import Meter
    from embedsmith.backends.api._options import ApiOptions
    from embedsmith.backends.api._service import Answer, Service

__all__ = ["Requests"]

_logger = logging.getLogger(__name__)

_TOO_MANY = 429
_BAD = frozenset({400, 413, 422})
# By status, or by its hundred.
_ADVICE = {
    300: "A redirect is not followed: texts and key go to the named host only. Name the right one "
    "as base_url (--base-url).",
    401: "Check the key in the environment.",
    403: "Check the key in the environment, and what it may be used for.",
    404: "Check the model's name and the base URL (mostly it ends in /v1).",
    _TOO_MANY: "The account is out of quota: look at the vendor's billing page.",
}


class Requests:
    """Sends the requests of one encoder, from several threads.

    Parameters
    ----------
    service : Service
        What is asked.
    meter : Meter
        Reserves and counts.
    options : ApiOptions
        How patient to be.
    who : str
        Model and host, as the start of a sentence.
    """

    def __init__(self, service: Service, meter: Meter, options: ApiOptions, *, who: str) -> None:
        self._service, self._meter, self._options, self._who = service, meter, options, who
        self._backoff = Backoff()
        self._lock = threading.Lock()
        self._halted = threading.Event()

    def halt(self) -> None:
        """Try nothing again: the run has failed. What is on its way is still waited for."""
        self._halted.set()
        self._backoff.close()

    def resume(self) -> None:
        """Begin another run."""
        self._halted.clear()
        self._backoff.open()

    def send(
        self,
        texts: Sequence[str] | Sequence[list[int]],
        role: Role,
        n_tokens: I64Array,
        *,
        shown: Sequence[str],
    ) -> F32Array:
        """Return the vectors of some texts.

        Parameters
        ----------
        texts : sequence of str, or of lists of token ids
            What is sent.
        role : {"query", "document"}
            What they are.
        n_tokens : ndarray of shape (n_texts,), int64
            The most that the service can count in each.
        shown : sequence of str
            The same texts, for messages.

        Raises
        ------
        ServiceError
            If the service refuses or goes on failing.
        BudgetError
            If the request could pass the limit of cost.
        """
        total = int(n_tokens.sum())
        what = f"the next request ({counted(len(texts), 'text')}, up to {total:,} tokens)"
        failed, waited_s = 0, 0.0
        while True:
            held_s = self._backoff.pass_on()
            self._meter.waited(held_s)
            if self._halted.is_set():
                msg = f"{self._who} is not asked any more: another request of this run has failed."
                raise ServiceError(msg)
            found = self._attempt(texts, role, total, what)
            if not isinstance(found, Failure):
                return found.vectors
            if found.status == _TOO_MANY:
                waited_s += held_s
            else:
                failed += 1
            wait_s = found.wait_s
            if wait_s is None:
                wait_s = Backoff.after(max(1, failed))
            if (
                not found.again
                or failed >= self._options.attempts
                or waited_s + wait_s > self._options.patience_s
            ):
                raise ServiceError(self._message(found, failed, wait_s, n_tokens, shown))
            _logger.warning(
                "%s %s; the next request is sent in %.1f s.", self._who, found.reason, wait_s
            )
            self._backoff.hold(wait_s)

    def _attempt(
        self, texts: Sequence[str] | Sequence[list[int]], role: Role, total: int, what: str
    ) -> Answer | Failure:
        reservation = self._meter.reserve(total, what)
        try:
            found = self._service.ask(texts, role)
        except BaseException:
            self._meter.lost(reservation)
            raise
        if not isinstance(found, Failure):
            self._meter.answered(reservation, found.n_tokens)
            if found.n_tokens is not None and found.n_tokens > total:
                _logger.warning(
                    "%s counted %d tokens where at most %d were expected: max_cost may be passed "
                    "by the difference. Report the model, please.",
                    self._who,
                    found.n_tokens,
                    total,
                )
        elif found.read:
            self._meter.lost(reservation)
        else:
            self._meter.refused(reservation)
        return found

    def _message(
        self,
        failure: Failure,
        failed: int,
        wait_s: float,
        n_tokens: I64Array,
        shown: Sequence[str],
    ) -> str:
        """Return what happened and what to do; what was embedded before is in the cache."""
        times = f" {counted(failed, 'time')} in a row" if failed > 1 else ""
        status = failure.status or 0
        if status == _TOO_MANY and failure.again:
            advice = (
                f"It asks for {wait_s:,.0f} s more, past patience_s={self._options.patience_s:g}. "
                "Run again later: what was embedded is kept."
            )
        elif status in _BAD:
            longest = int(np.argmax(n_tokens))
            advice = (
                f"The longest of its {counted(len(shown), 'text')}: up to "
                f"{int(n_tokens[longest]):,} tokens ({excerpt(shown[longest])}). If it is too "
                "long, split it, or let it be cut (max_tokens=..., ApiOptions(truncate='END') for "
                "Cohere); if 'encoding_format' or 'dimensions' are not known there, "
                "ApiOptions(encoding_format='float'), or leave dimensions out."
            )
        elif failure.again:
            advice = "Run again later: what was embedded is kept."
        else:
            group = status // 100 * 100
            advice = _ADVICE.get(status, _ADVICE.get(group, "Check the base URL (--base-url)."))
        return f"{self._who} {failure.reason}{times}. {advice}"

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            self._service.close()
