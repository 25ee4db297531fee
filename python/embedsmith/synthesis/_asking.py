"""Requests asked at once, each answered and paid for once."""

from __future__ import annotations

import logging
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING

from embedsmith._phrases import counted
from embedsmith.backends.api._failure import Failure
from embedsmith.exceptions import ServiceError
from embedsmith.synthesis._journal import Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from embedsmith.backends.api._chat import ChatModel, ChatRequest
    from embedsmith.synthesis._journal import Journal

    Progress = Callable[["Asked"], object]

__all__ = ["Asked", "ask_all"]

_logger = logging.getLogger(__name__)

# So many refusals before any answer are no accident of single passages.
_HOPELESS = 3
_TICK_S = 0.5


@dataclass
class Asked:
    """How far a round of requests is; handed to who shows progress.

    Attributes
    ----------
    what : str
        What is asked: ``"queries"`` or ``"verdicts"``.
    total : int
        Distinct requests.
    n_kept : int
        Of them, answered by earlier runs.
    n_answered, n_refused : int
        In this run.
    spent : Decimal or None
        US dollars of all runs of the journal; None without a price.
    started : float
        ``time.monotonic()`` when the first request was sent.
    answers : dict of str to Kept or Failure
        By hash of the prompt.
    """

    what: str
    total: int
    n_kept: int = 0
    n_answered: int = 0
    n_refused: int = 0
    spent: Decimal | None = None
    started: float = field(default_factory=time.monotonic)
    answers: dict[str, Kept | Failure] = field(default_factory=dict)

    @property
    def answers_any(self) -> bool:
        """Whether the service has answered at all, in this run or an earlier one."""
        return self.n_kept + self.n_answered > 0

    @property
    def left_s(self) -> float | None:
        """Seconds until all is answered, at the pace so far; None before there is one."""
        done = self.n_answered + self.n_refused
        if not done:
            return None
        left = self.total - self.n_kept - done
        return (time.monotonic() - self.started) / done * left


def ask_all(
    model: ChatModel,
    requests: Mapping[str, ChatRequest],
    journal: Journal,
    *,
    what: str,
    progress: Progress | None = None,
) -> Asked:
    """Return the answer to every request, those of the journal without asking again.

    Parameters
    ----------
    model : ChatModel
        Who is asked.
    requests : mapping of str to ChatRequest
        By hash of the prompt.
    journal : Journal
        Open.
    what : str
        For progress.
    progress : callable, optional
        Called with the `Asked` twice a second, and at the end.

    Raises
    ------
    ServiceError
        If the service fails, or refuses the first requests one after another.
    BudgetError
        If a request could pass the limit of cost. What was answered before is in the journal.
    """
    state = Asked(what, len(requests))
    for key in requests:
        if (kept := journal.get(key)) is not None:
            state.answers[key] = kept
    state.n_kept = len(state.answers)
    missing = [key for key in requests if key not in state.answers]
    _ask_missing(model, {key: requests[key] for key in missing}, journal, state, progress)
    _refuse_hopeless(model, state, requests, 1)
    _show(state, model, progress)
    return state


def _ask_missing(
    model: ChatModel,
    requests: Mapping[str, ChatRequest],
    journal: Journal,
    state: Asked,
    progress: Progress | None,
) -> None:
    pool = ThreadPoolExecutor(model.in_flight, thread_name_prefix="embedsmith-synth")
    running: dict[Future[Kept | Failure], str] = {}
    waiting = iter(requests)
    try:
        while True:
            # No more is begun than can be under way.
            for key in islice(waiting, model.in_flight - len(running)):
                running[pool.submit(_ask, model, key, requests[key], journal)] = key
            if not running:
                return
            done, _ = wait(running, timeout=_TICK_S, return_when=FIRST_COMPLETED)
            # In the order of the requests: which of two errors is told depends on no clock.
            for future in [one for one in running if one in done]:
                _count(state, running.pop(future), future.result())
            _refuse_hopeless(model, state, requests, _HOPELESS)
            _show(state, model, progress)
    except BaseException as error:
        # Whatever it is goes on its way below, Ctrl-C as well. Before, nothing more is asked, and
        # what is under way, which will be billed, is waited for and kept in the journal.
        model.halt()
        if isinstance(error, KeyboardInterrupt) and running:
            _logger.warning(
                "%s: %s under way, and paid for: waiting for the answers. Ctrl-C again gives them "
                "up.",
                model.name,
                counted(len(running), "request"),
            )
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class _Watched:
    """Writes each attempt down before it is sent."""

    journal: Journal
    key: str
    most: Decimal | None

    def sending(self) -> None:
        self.journal.sending(self.key, self.most)

    def failed(self, *, read: bool) -> None:
        self.journal.unanswered(self.key, (self.most or Decimal(0)) if read else Decimal(0))


def _ask(model: ChatModel, key: str, request: ChatRequest, journal: Journal) -> Kept | Failure:
    price = model.meter.price
    n_tokens = model.most_tokens(request)
    most = None if price is None else price.cost(n_tokens, request.max_output_tokens)
    found = model.complete(request, watch=_Watched(journal, key, most))
    if isinstance(found, Failure):
        return found
    read = n_tokens if found.n_tokens is None else found.n_tokens
    wrote = request.max_output_tokens if found.n_output_tokens is None else found.n_output_tokens
    kept = Kept(found.text, found.finish, None if price is None else price.cost(read, wrote))
    journal.answer(
        key,
        kept,
        model=model.name,
        host=model.host,
        n_tokens=found.n_tokens,
        n_output_tokens=found.n_output_tokens,
    )
    return kept


def _count(state: Asked, key: str, found: Kept | Failure) -> None:
    state.answers[key] = found
    if isinstance(found, Failure):
        state.n_refused += 1
    else:
        state.n_answered += 1


def _show(state: Asked, model: ChatModel, progress: Progress | None) -> None:
    state.spent = None if model.meter.price is None else model.meter.budget.spent
    if progress is not None:
        progress(state)


def _refuse_hopeless(
    model: ChatModel, state: Asked, requests: Mapping[str, ChatRequest], least: int
) -> None:
    """Stop where the service refuses everything: ``least`` requests, and none was answered."""
    if state.answers_any or state.n_refused < least:
        return
    refused = next(found for found in state.answers.values() if isinstance(found, Failure))
    schema = any(request.schema is not None for request in requests.values())
    advice = (
        "If the server does not know response_format with a JSON schema, ask for JSON in the "
        "prompt alone: answer='json' (--answer json)."
        if schema
        else "Check the model's name, its longest context, and the base URL (--base-url)."
    )
    msg = f"{model.name} at {model.host} {refused.reason}, to every request. {advice}"
    raise ServiceError(msg)
