"""A model at a service that writes text, asked within a limit of cost."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from typing import TYPE_CHECKING, Protocol

from embedsmith.backends._offline import refuse_offline
from embedsmith.backends.api._attempts import Attempts, advice_for
from embedsmith.backends.api._budget import Budget, Meter
from embedsmith.backends.api._chat_service import ChatAnswer, ChatRequest, OpenAIChat
from embedsmith.backends.api._endpoint import Endpoint
from embedsmith.backends.api._failure import Failure
from embedsmith.backends.api._load import OPENAI_HOST, OPENAI_KEYS, OPENAI_URL
from embedsmith.backends.api._openai_client import OpenAIClient
from embedsmith.backends.api._options import ApiOptions
from embedsmith.backends.api._price import PRICES_VARIABLE, find_price
from embedsmith.backends.api._secret import Secret
from embedsmith.backends.api._tokens import ByteBound, token_counter
from embedsmith.exceptions import ModelError, ServiceError

if TYPE_CHECKING:
    from decimal import Decimal

    from embedsmith.backends.api._tokens import TokenCounter

__all__ = ["CHAT_PREFIX", "ChatAnswer", "ChatModel", "ChatRequest", "Watch", "load_chat_model"]

_logger = logging.getLogger(__name__)

CHAT_PREFIX = "openai:"
# Marks around each message, and what a server adds of its own accord, such as a date.
_TOKENS_PER_MESSAGE = 16
_TOKENS_PER_REQUEST = 64
_REFUSED = frozenset({400, 413, 422})


class Watch(Protocol):
    """Hears of each attempt at a request: each may be billed."""

    def sending(self) -> None:
        """Hear that it is sent now."""

    def failed(self, *, read: bool) -> None:
        """Hear that it has no usable answer, and whether the service may have read it."""


class _Refused(Exception):  # noqa: N818 - it says what the request is, and ends in this module
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class ChatModel:
    """Writes text at a service; made by `load_chat_model`.

    Sends nothing before the first request, and then says first where to.

    Parameters
    ----------
    service : OpenAIChat
        The vendor's client.
    spec, name : str
        What to show.
    counter : TokenCounter
        Counts tokens here.
    meter : Meter
        Counts tokens and cost.
    options : ApiOptions
        How to ask.

    Attributes
    ----------
    host : str
        Where texts go.
    meter : Meter
        What was used so far.
    """

    def __init__(
        self,
        service: OpenAIChat,
        *,
        spec: str,
        name: str,
        counter: TokenCounter,
        meter: Meter,
        options: ApiOptions,
    ) -> None:
        self.spec, self.name, self.counter, self.meter = spec, name, counter, meter
        self.host, self.place = service.endpoint.host, service.endpoint.place
        self.in_flight = options.in_flight
        self._service, self._options = service, options
        self._who = f"{name} at {self.host}"
        self._attempts = Attempts(meter, options, who=self._who)
        self._lock = threading.Lock()
        self._announced = False

    def __repr__(self) -> str:
        return f"ChatModel({self.spec!r}, host={self.host!r})"

    def key(self, request: ChatRequest) -> str:
        """Return the SHA-256 of all that decides the answer: place, model, and the request."""
        content = {
            "schema": "embedsmith.prompt/1",
            "endpoint": self.place,
            "model": self.name,
            **request.to_dict(),
        }
        text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def most_tokens(self, request: ChatRequest) -> int:
        """Return a number of tokens that the service will not read more of in a request."""
        texts = [text for _, text in request.messages]
        texts += [] if request.prompt is None else [request.prompt]
        texts += [] if request.schema is None else [json.dumps(request.schema)]
        bound = int(self.counter.count(texts).sum()) + _TOKENS_PER_REQUEST
        return bound + _TOKENS_PER_MESSAGE * len(texts)

    def complete(self, request: ChatRequest, *, watch: Watch | None = None) -> ChatAnswer | Failure:
        """Return what the model writes, or why the service will not have this request.

        Parameters
        ----------
        request : ChatRequest
            What to write.
        watch : Watch, optional
            Hears of each attempt.

        Returns
        -------
        ChatAnswer or Failure
            A failure if the request itself was refused (400, 413, 422): others may be answered.

        Raises
        ------
        ServiceError
            If the service refuses all requests, stays silent, or answers nonsense.
        BudgetError
            If the request could pass the limit of cost; it is not sent.
        """
        self.announce()
        n_tokens = self.most_tokens(request)

        def ask() -> ChatAnswer | Failure:
            if watch is None:
                return self._service.ask(request)
            watch.sending()
            found = self._service.ask(request)
            if isinstance(found, Failure):
                watch.failed(read=found.read)
            return found

        what = f"the next request (up to {n_tokens + request.max_output_tokens:,} tokens)"
        try:
            return self._attempts.until_answered(
                ask,
                what=what,
                n_tokens=n_tokens,
                n_output_tokens=request.max_output_tokens,
                give_up=self._give_up,
            )
        except _Refused as refused:
            return refused.failure

    def _give_up(self, failure: Failure, failed: int, wait_s: float) -> Exception:
        if failure.status in _REFUSED:
            return _Refused(failure)
        times = f" {failed} times in a row" if failed > 1 else ""
        advice = advice_for(failure, wait_s, self._options.patience_s)
        return ServiceError(f"{self._who} {failure.reason}{times}. {advice}")

    def announce(self) -> None:
        """Say where texts go, once."""
        with self._lock:
            if self._announced:
                return
            self._announced = True
        where = "on this machine" if self._service.endpoint.loopback else "on the network"
        price = self.meter.price
        cost = (
            "at no known price"
            if price is None
            else f"at ${price.usd_per_million_tokens} per million tokens read and "
            f"${price.usd_per_million_output_tokens} written (as of {price.date})"
        )
        _logger.warning(
            "%s: texts are sent to %s, %s, %s; tokens counted here: %s.",
            self.spec,
            self.host,
            where,
            cost,
            self.counter.how,
        )

    def halt(self) -> None:
        """Let requests that failed, or wait for a better moment, end: their run has failed."""
        self._attempts.halt()

    def close(self) -> None:
        """Close the connections; they are opened again if they are needed again."""
        self._service.close()


def load_chat_model(
    spec: str,
    *,
    base_url: str | None = None,
    max_cost: Budget | float | str | Decimal | None = None,
    offline: bool = False,
    options: ApiOptions | None = None,
) -> ChatModel:
    """Return a model that writes text, behind an OpenAI-compatible endpoint. Sends nothing.

    Parameters
    ----------
    spec : str
        ``"openai:MODEL"``.
    base_url : str, optional
        Of the server; default: ``$OPENAI_BASE_URL``, else OpenAI's own.
    max_cost : Budget, float, str or Decimal, optional
        US dollars.
    offline : bool, default False
        Refuse, as ``EMBEDSMITH_OFFLINE=1`` does.
    options : ApiOptions, optional
        How the service is asked.

    Raises
    ------
    ModelError
        If the spec names no model, the URL would not do, there is no key, or ``max_cost`` has no
        price to go by.
    OfflineError
        If the network is forbidden.
    """
    name = spec.removeprefix(CHAT_PREFIX)
    if not spec.startswith(CHAT_PREFIX) or not name.strip():
        msg = (
            f"{spec!r} names no model that writes. Write openai:MODEL, for any OpenAI-compatible "
            "server: openai:gpt-4.1-mini."
        )
        raise ModelError(msg)
    refuse_offline(spec, offline=offline)
    options = options or ApiOptions()
    variable, default = OPENAI_URL
    named = base_url if base_url is not None else os.environ.get(variable, "").strip() or None
    endpoint = Endpoint.of(named or default, allow_http=options.allow_http)
    own_host = endpoint.host == OPENAI_HOST
    counter: TokenCounter = token_counter(name) if own_host else ByteBound()
    budget = max_cost if isinstance(max_cost, Budget) else Budget(max_cost)
    price = find_price(endpoint.host, name, options.prices)
    if price is not None and price.usd_per_million_output_tokens is None:
        # What it writes would be counted as free.
        price = None
    if price is None and budget.max_cost is not None:
        msg = (
            f"max_cost needs a price, and none is known of what {name} at {endpoint.host} reads "
            "and writes. Write it into a table of your own, with usd_per_million_tokens and "
            f"usd_per_million_output_tokens: ApiOptions(prices=FILE) (--prices) or "
            f"{PRICES_VARIABLE}. Or leave max_cost out."
        )
        raise ModelError(msg)
    secret = Secret(
        (options.key_variable,) if options.key_variable else OPENAI_KEYS,
        # A server of one's own mostly asks for none.
        required=named is None or options.key_variable is not None,
    )
    client = OpenAIClient(
        endpoint, secret, timeout_s=options.timeout_s, feature="A model at a service"
    )
    return ChatModel(
        OpenAIChat(client, name, own_host=own_host),
        spec=spec,
        name=name,
        counter=counter,
        meter=Meter(price, budget),
        options=options,
    )
