"""Cohere, through the vendor's client."""

from __future__ import annotations

import importlib.util
import json
import math
import threading
import weakref
from typing import TYPE_CHECKING, Any

from embedsmith._deps import require
from embedsmith.backends.api._failure import Failure, said
from embedsmith.backends.api._service import (
    Answer,
    Unusable,
    connection_failure,
    stacked,
    timeout_failure,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith.backends._protocol import Role
    from embedsmith.backends.api._endpoint import Endpoint
    from embedsmith.backends.api._secret import Secret

__all__ = ["CohereService"]

_FEATURE = "The Cohere backend"


class CohereService:
    """One Cohere model.

    Parameters
    ----------
    endpoint : Endpoint
        Base URL of the API.
    model : str
        As Cohere names it.
    secret : Secret
        The key.
    dimensions : int or None
        Columns asked for.
    max_tokens : int or None
        Where the service is to cut texts.
    input_types : dict of role to str
        What the service is told about texts.
    truncate : str
        ``"NONE"``, ``"START"`` or ``"END"``.
    timeout_s : float
        Of each wait for the network.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        secret: Secret,
        *,
        dimensions: int | None,
        max_tokens: int | None,
        input_types: dict[Role, str],
        truncate: str,
        timeout_s: float,
    ) -> None:
        # Said now if it is missing; imported with the first text.
        if importlib.util.find_spec("cohere") is None:
            require("cohere", extra="api", feature=_FEATURE)
        self.endpoint = endpoint
        self._secret, self._timeout_s = secret, timeout_s
        self._input_types = input_types
        self._options: dict[str, Any] = {
            "model": model,
            "embedding_types": ["float"],
            "truncate": truncate,
        }
        if dimensions is not None:
            self._options["output_dimension"] = dimensions
        if max_tokens is not None:
            self._options["max_tokens"] = max_tokens
        self._lock = threading.Lock()
        self._client: Any = None
        self._http: Any = None

    def ask(self, texts: Sequence[str] | Sequence[list[int]], role: Role) -> Answer | Failure:
        """Send one request, once; see `Service.ask`."""
        httpx = require("httpx", extra="api", feature=_FEATURE)
        errors = require("cohere.core.api_error", extra="api", feature=_FEATURE)
        parsing = require("cohere.core.parse_error", extra="api", feature=_FEATURE)
        try:
            answer = self._opened().embed(
                texts=list(texts),
                input_type=self._input_types[role],
                # Ours: each attempt may be billed, and is reserved first.
                request_options={"max_retries": 0},
                **self._options,
            )
        except (httpx.HTTPError, parsing.ParsingError, errors.ApiError) as error:
            return self._failed(error)
        except (AttributeError, TypeError, ValueError) as error:
            # The client builds its answer of whatever came, unchecked.
            return Failure(f"answered nonsense{said(self._secret.scrub(str(error)))}", again=False)
        try:
            # What the client leaves unchecked may be anything.
            vectors = stacked(getattr(answer.embeddings, "float_", None) or [], len(texts))
        except Unusable as error:
            return error.failure
        billed = answer.meta and answer.meta.billed_units
        n_tokens = billed and billed.input_tokens
        counted = isinstance(n_tokens, (int, float)) and math.isfinite(n_tokens) and n_tokens >= 0
        return Answer(vectors, int(n_tokens) if counted else None)

    def _failed(self, error: Any) -> Failure:
        """Return what an error of the client means, without the error."""
        httpx = require("httpx", extra="api", feature=_FEATURE)
        if isinstance(error, httpx.TimeoutException) and type(error).__name__ != "ConnectTimeout":
            return timeout_failure(self._timeout_s)
        if isinstance(error, httpx.HTTPError):
            return connection_failure(error, self._secret.scrub(str(error)))
        body, status = self._shown(error.body), error.status_code
        if status is None or 200 <= status < 300:  # noqa: PLR2004 - a success that is none
            page = body.lstrip().startswith("<")
            what = "a web page" if page else "JSON that is cut off, or none at all"
            return Failure(f"answered {what}{said(body[:80])}", again=not page)
        return Failure.of_status(status, error.headers or {}, body)

    def _shown(self, body: object) -> str:
        text = body if isinstance(body, str) else json.dumps(body, default=str)
        return self._secret.scrub(text)

    def _opened(self) -> Any:
        with self._lock:
            if self._client is None:
                httpx = require("httpx", extra="api", feature=_FEATURE)
                cohere = require("cohere", extra="api", feature=_FEATURE)
                self._http = httpx.Client(
                    timeout=self._timeout_s,
                    # A redirect would carry the texts to a host that nobody named.
                    follow_redirects=False,
                    trust_env=not self.endpoint.loopback,
                )
                self._client = cohere.ClientV2(
                    api_key=self._secret.reveal() or "none",
                    base_url=self.endpoint.url,
                    timeout=self._timeout_s,
                    httpx_client=self._http,
                    log_warning_experimental_features=False,
                )
                self._secret.guard_logs()
                # For those who drop an encoder without closing it.
                weakref.finalize(self, self._http.close)
            return self._client

    def close(self) -> None:
        """Close connections. Calling twice does no harm."""
        with self._lock:
            http, self._http, self._client = self._http, None, None
        if http is not None:
            http.close()
