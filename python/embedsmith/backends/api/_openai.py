"""OpenAI and servers that speak its protocol, through the vendor's client.

The client signs and sends; retries are ours, since each attempt may be billed and has to be
reserved first, and so is reading the answer: a list of floats per vector, as the client makes it,
costs more than the request.
"""

from __future__ import annotations

import importlib.util
import threading
import weakref
from typing import TYPE_CHECKING, Any

from embedsmith._deps import require
from embedsmith.backends.api._failure import Failure, said
from embedsmith.backends.api._openai_answer import read_answer
from embedsmith.backends.api._service import Unusable, connection_failure, timeout_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith.backends._protocol import Role
    from embedsmith.backends.api._endpoint import Endpoint
    from embedsmith.backends.api._secret import Secret
    from embedsmith.backends.api._service import Answer

__all__ = ["OpenAIService"]

_FEATURE = "The OpenAI backend"
# The client insists on a key; a server on this machine mostly does not.
_NO_KEY = "none"


class OpenAIService:
    """One model behind an OpenAI-compatible endpoint.

    Parameters
    ----------
    endpoint : Endpoint
        Base URL of the API.
    model : str
        As the service names it.
    secret : Secret
        The key.
    dimensions : int or None
        Columns asked for.
    input_types : dict of role to str or None
        Sent as ``input_type``, which OpenAI does not have and others do.
    encoding_format : str
        ``"base64"`` or ``"float"``.
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
        input_types: dict[Role, str | None],
        encoding_format: str,
        timeout_s: float,
    ) -> None:
        # Said now if it is missing; imported with the first text.
        if importlib.util.find_spec("openai") is None:
            require("openai", extra="api", feature=_FEATURE)
        self.endpoint = endpoint
        self._model, self._secret, self._timeout_s = model, secret, timeout_s
        self._input_types = input_types
        self._options: dict[str, Any] = {"encoding_format": encoding_format}
        if dimensions is not None:
            self._options["dimensions"] = dimensions
        self._lock = threading.Lock()
        self._client: Any = None

    def ask(self, texts: Sequence[str] | Sequence[list[int]], role: Role) -> Answer | Failure:
        """Send one request, once; see `Service.ask`."""
        openai = require("openai", extra="api", feature=_FEATURE)
        options = dict(self._options)
        if self._input_types[role] is not None:
            options["extra_body"] = {"input_type": self._input_types[role]}
        try:
            raw = self._opened().embeddings.with_raw_response.create(
                model=self._model, input=list(texts), **options
            )
            content = raw.content
            kind = raw.headers.get("content-type", "")
        except openai.APITimeoutError:
            return timeout_failure(self._timeout_s)
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            return connection_failure(cause, self._secret.scrub(str(cause)))
        except openai.APIStatusError as error:
            body = self._secret.scrub(error.response.text)
            return Failure.of_status(error.status_code, error.response.headers, body)
        except openai.OpenAIError as error:
            return Failure(f"could not be asked{said(self._secret.scrub(str(error)))}", again=False)
        try:
            return read_answer(content, kind, len(texts), self._secret.scrub)
        except Unusable as error:
            return error.failure

    def _opened(self) -> Any:
        with self._lock:
            if self._client is None:
                openai = require("openai", extra="api", feature=_FEATURE)
                self._client = openai.OpenAI(
                    api_key=self._secret.reveal() or _NO_KEY,
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
                self._secret.guard_logs()
                # For those who drop an encoder without closing it.
                weakref.finalize(self, self._client.close)
            return self._client

    def close(self) -> None:
        """Close connections. Calling twice does no harm."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()
