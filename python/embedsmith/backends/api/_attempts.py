"""One request sent until it is answered, cannot be, or would cost too much."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Protocol, TypeVar

from embedsmith.backends.api._backoff import Backoff
from embedsmith.backends.api._failure import Failure
from embedsmith.exceptions import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedsmith.backends.api._budget import Meter
    from embedsmith.backends.api._options import ApiOptions

__all__ = ["TOO_MANY", "Attempts", "advice_for"]

_logger = logging.getLogger(__name__)

TOO_MANY = 429
# By status, or by its hundred.
_ADVICE = {
    300: "A redirect is not followed: texts and key go to the named host only. Name the right one "
    "as base_url (--base-url).",
    401: "Check the key in the environment.",
    403: "Check the key in the environment, and what it may be used for.",
    404: "Check the model's name and the base URL (mostly it ends in /v1).",
    TOO_MANY: "The account is out of quota: look at the vendor's billing page.",
}


class Billed(Protocol):
    """An answer with what the service says it counted; None where it does not say."""

    @property
    def n_tokens(self) -> int | None:
        """Tokens read."""

    @property
    def n_output_tokens(self) -> int | None:
        """Tokens written."""


A = TypeVar("A", bound=Billed)


class Attempts:
    """Sends the requests of one model, from several threads.

    Parameters
    ----------
    meter : Meter
        Reserves and counts.
    options : ApiOptions
        How patient to be.
    who : str
        Model and host, as the start of a sentence.
    """

    def __init__(self, meter: Meter, options: ApiOptions, *, who: str) -> None:
        self._meter, self._options, self._who = meter, options, who
        self._backoff = Backoff()
        self._halted = threading.Event()

    def halt(self) -> None:
        """Try nothing again: the run has failed. What is on its way is still waited for."""
        self._halted.set()
        self._backoff.close()

    def resume(self) -> None:
        """Begin another run."""
        self._halted.clear()
        self._backoff.open()

    def until_answered(
        self,
        ask: Callable[[], A | Failure],
        *,
        what: str,
        n_tokens: int,
        n_output_tokens: int = 0,
        give_up: Callable[[Failure, int, float], BaseException],
    ) -> A:
        """Return the answer to a request.

        Parameters
        ----------
        ask : callable
            Sends it, once.
        what : str
            The request, for messages.
        n_tokens, n_output_tokens : int
            The most that the service can count in it, and write.
        give_up : callable
            From the last failure, the failures before it and the seconds that would be waited, to
            the error to raise.

        Raises
        ------
        ServiceError
            If another request of the run has failed, and what ``give_up`` makes.
        BudgetError
            If the request could pass the limit of cost.
        """
        failed, waited_s = 0, 0.0
        while True:
            held_s = self._backoff.pass_on()
            self._meter.waited(held_s)
            if self._halted.is_set():
                msg = f"{self._who} is not asked any more: another request of this run has failed."
                raise ServiceError(msg)
            found = self._attempt(ask, what, n_tokens, n_output_tokens)
            if not isinstance(found, Failure):
                return found
            if found.status == TOO_MANY:
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
                raise give_up(found, failed, wait_s)
            if not self._halted.is_set():
                _logger.warning(
                    "%s %s; the next request is sent in %.1f s.", self._who, found.reason, wait_s
                )
            self._backoff.hold(wait_s)

    def _attempt(
        self, ask: Callable[[], A | Failure], what: str, n_tokens: int, n_output_tokens: int
    ) -> A | Failure:
        reservation = self._meter.reserve(n_tokens, what, n_output_tokens)
        try:
            found = ask()
        except BaseException:
            # Of any kind, Ctrl-C where the request runs in the caller's thread: it may have been
            # read, and is counted as billed. The error itself goes on.
            self._meter.lost(reservation)
            raise
        if not isinstance(found, Failure):
            self._meter.answered(reservation, found.n_tokens, found.n_output_tokens)
            for counted, most in (
                (found.n_tokens, n_tokens),
                (found.n_output_tokens, n_output_tokens),
            ):
                if counted is not None and counted > most:
                    _logger.warning(
                        "%s counted %d tokens where at most %d were expected: max_cost may be "
                        "passed by the difference. Report the model, please.",
                        self._who,
                        counted,
                        most,
                    )
        elif found.read:
            self._meter.lost(reservation)
        else:
            self._meter.refused(reservation)
        return found


def advice_for(failure: Failure, wait_s: float, patience_s: float) -> str:
    """Return what to do about a failure that has nothing to do with what was sent.

    Parameters
    ----------
    failure : Failure
        The last one.
    wait_s, patience_s : float
        What would be waited, and how long a request may wait.
    """
    status = failure.status or 0
    if status == TOO_MANY and failure.again:
        return (
            f"It asks for {wait_s:,.0f} s more, past patience_s={patience_s:g}. "
            "Run again later: what was answered is kept."
        )
    if failure.again:
        return "Run again later: what was answered is kept."
    return _ADVICE.get(status, _ADVICE.get(status // 100 * 100, "Check the base URL (--base-url)."))
