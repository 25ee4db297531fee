"""OpenAI and servers that speak its protocol, through the vendor's client.

The client signs and sends; retries are ours, since each attempt may be billed and has to be
reserved first, and so is reading the answer: a list of floats per vector, as the client makes it,
costs more than the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedsmith.backends.api._failure import Failure
from embedsmith.backends.api._openai_answer import read_answer
from embedsmith.backends.api._openai_client import OpenAIClient
from embedsmith.backends.api._service import Unusable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith.backends._protocol import Role
    from embedsmith.backends.api._endpoint import Endpoint
    from embedsmith.backends.api._secret import Secret
    from embedsmith.backends.api._service import Answer

__all__ = ["OpenAIService"]

_FEATURE = "The OpenAI backend"


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
        self._client = OpenAIClient(endpoint, secret, timeout_s=timeout_s, feature=_FEATURE)
        self.endpoint = endpoint
        self._model = model
        self._input_types = input_types
        self._options: dict[str, Any] = {"encoding_format": encoding_format}
        if dimensions is not None:
            self._options["dimensions"] = dimensions

    def ask(self, texts: Sequence[str] | Sequence[list[int]], role: Role) -> Answer | Failure:
        """Send one request, once; see `Service.ask`."""
        options = dict(self._options)
        if self._input_types[role] is not None:
            options["extra_body"] = {"input_type": self._input_types[role]}
        found = self._client.call(
            lambda client: client.embeddings.with_raw_response.create(
                model=self._model, input=list(texts), **options
            )
        )
        if isinstance(found, Failure):
            return found
        try:
            return read_answer(found.content, found.kind, len(texts), self._client.secret.scrub)
        except Unusable as error:
            return error.failure

    def close(self) -> None:
        """Close connections. Calling twice does no harm."""
        self._client.close()
