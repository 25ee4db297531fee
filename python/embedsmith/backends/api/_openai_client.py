"""The vendor's client for OpenAI-compatible servers, of which no error and no key gets out."""

from __future__ import annotations

import importlib.util
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedsmith._deps import require
from embedsmith.backends.api._failure import Failure, said
from embedsmith.backends.api._service import connection_failure, timeout_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedsmith.backends.api._endpoint import Endpoint
    from embedsmith.backends.api._secret import Secret

__all__ = ["OpenAIClient", "RawAnswer"]

# The client insists on a key; a server on this machine mostly does not.
_NO_KEY = "none"


@dataclass(frozen=True)
class RawAnswer:
    """Body of an answer with a status of success.

    Attributes
    ----------
    content : bytes
        As it came.
    kind : str
        What its header says it is.
    """

    content: bytes
    kind: str


class OpenAIClient:
    """Opened with the first request, and again after it was closed.

    Parameters
    ----------
    endpoint : Endpoint
        Base URL of the API.
    secret : Secret
        The key.
    timeout_s : float
        Of each wait for the network.
    feature : str
        What needs the client, for the message if it is not installed.
    """

    def __init__(
        self, endpoint: Endpoint, secret: Secret, *, timeout_s: float, feature: str
    ) -> None:
        # Said now if it is missing; imported with the first text.
        if importlib.util.find_spec("openai") is None:
            require("openai", extra="api", feature=feature)
        self.endpoint, self.secret = endpoint, secret
        self._timeout_s, self._feature = timeout_s, feature
        self._lock = threading.Lock()
        self._client: Any = None

    def call(self, request: Callable[[Any], Any]) -> RawAnswer | Failure:
        """Send one request, once.

        Parameters
        ----------
        request : callable
            Takes the vendor's client and returns its raw response.
        """
        openai = require("openai", extra="api", feature=self._feature)
        try:
            raw = request(self._opened())
            return RawAnswer(raw.content, raw.headers.get("content-type", ""))
        except openai.APITimeoutError:
            return timeout_failure(self._timeout_s)
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            return connection_failure(cause, self.secret.scrub(str(cause)))
        except openai.APIStatusError as error:
            body = self.secret.scrub(error.response.text)
            return Failure.of_status(error.status_code, error.response.headers, body)
        except openai.OpenAIError as error:
            return Failure(f"could not be asked{said(self.secret.scrub(str(error)))}", again=False)

    def _opened(self) -> Any:
        with self._lock:
            if self._client is None:
                openai = require("openai", extra="api", feature=self._feature)
                self._client = openai.OpenAI(
                    api_key=self.secret.reveal() or _NO_KEY,
                    base_url=self.endpoint.url,
                    max_retries=0,
                    timeout=self._timeout_s,
                    http_client=openai.DefaultHttpxClient(
                        timeout=self._timeout_s,
                        # A redirect would carry the texts to a host that nobody named.
                        follow_redirects=False,
                        # A proxy would take what is meant to stay on this machine out of it.
                        trust_env=not self.endpoint.loopback,
                    ),
                )
                self.secret.guard_logs()
                # For those who drop an encoder without closing it.
                weakref.finalize(self, self._client.close)
            return self._client

    def close(self) -> None:
        """Close connections. Calling twice does no harm."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()
