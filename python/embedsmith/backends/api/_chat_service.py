"""Text from a model at an OpenAI-compatible server: one request, one answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedsmith.backends.api._failure import Failure
from embedsmith.backends.api._openai_answer import read_body
from embedsmith.backends.api._service import Unusable

if TYPE_CHECKING:
    from embedsmith._typing import Json
    from embedsmith.backends.api._openai_client import OpenAIClient

__all__ = ["ChatAnswer", "ChatRequest", "OpenAIChat"]


@dataclass(frozen=True)
class ChatRequest:
    """What a model is asked to write.

    Attributes
    ----------
    messages : tuple of (str, str)
        Role and text of each; empty for a completion.
    prompt : str or None
        What to continue, for the endpoint of completions.
    max_output_tokens : int
        Where the answer is cut.
    schema : dict or None
        JSON schema that the server is to hold the answer to, by ``response_format``.
    temperature : float or None
        None: as the server has it.
    stop : tuple of str
        Where a completion ends.
    """

    messages: tuple[tuple[str, str], ...] = ()
    prompt: str | None = None
    max_output_tokens: int = 1024
    schema: Json | None = None
    temperature: float | None = None
    stop: tuple[str, ...] = ()

    def to_dict(self) -> Json:
        """Return what decides the answer, as plain values for JSON."""
        content: Json = {"max_output_tokens": self.max_output_tokens}
        if self.prompt is None:
            content["messages"] = [list(message) for message in self.messages]
        else:
            content["prompt"] = self.prompt
        for name in ("schema", "temperature"):
            if getattr(self, name) is not None:
                content[name] = getattr(self, name)
        return {**content, **({"stop": list(self.stop)} if self.stop else {})}


@dataclass(frozen=True)
class ChatAnswer:
    """What a model wrote.

    Attributes
    ----------
    text : str
        Without the key, should the server have echoed it.
    finish : str or None
        Why it ended, in the server's words: ``"stop"``, ``"length"``.
    n_tokens, n_output_tokens : int or None
        What the service says it read and wrote, and bills; None if it does not say.
    """

    text: str
    finish: str | None
    n_tokens: int | None
    n_output_tokens: int | None


class OpenAIChat:
    """One model behind an OpenAI-compatible endpoint.

    Parameters
    ----------
    client : OpenAIClient
        Where it is.
    model : str
        As the service names it.
    own_host : bool
        Whether the service is OpenAI's own, which has another name for the limit of an answer.
    """

    def __init__(self, client: OpenAIClient, model: str, *, own_host: bool) -> None:
        self.endpoint = client.endpoint
        self._client, self._model = client, model
        self._limit = "max_completion_tokens" if own_host else "max_tokens"

    def ask(self, request: ChatRequest) -> ChatAnswer | Failure:
        """Send one request, once; called from several threads.

        Parameters
        ----------
        request : ChatRequest
            What to write.
        """
        options: dict[str, Any] = {"model": self._model}
        if request.temperature is not None:
            options["temperature"] = request.temperature
        if request.stop:
            options["stop"] = list(request.stop)
        if request.prompt is not None:
            options |= {"prompt": request.prompt, "max_tokens": request.max_output_tokens}
            found = self._client.call(
                lambda client: client.completions.with_raw_response.create(**options)
            )
        else:
            options["messages"] = [
                {"role": role, "content": text} for role, text in request.messages
            ]
            options[self._limit] = request.max_output_tokens
            if request.schema is not None:
                options["response_format"] = {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "strict": True, "schema": request.schema},
                }
            found = self._client.call(
                lambda client: client.chat.completions.with_raw_response.create(**options)
            )
        if isinstance(found, Failure):
            return found
        try:
            answer = read_body(found.content, found.kind, self._client.secret.scrub)
            return self._read(answer)
        except Unusable as error:
            return error.failure

    def _read(self, answer: Any) -> ChatAnswer:
        choices = answer.get("choices") if isinstance(answer, dict) else None
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            reason = "answered no 'choices', which a chat or a completion has"
            raise Unusable(reason)
        choice = choices[0]
        message = choice.get("message")
        content = message.get("content") if isinstance(message, dict) else choice.get("text")
        finish = choice.get("finish_reason")
        usage = answer.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        return ChatAnswer(
            # A model that refuses writes nothing, or a refusal beside the content.
            text=self._client.secret.scrub(content) if isinstance(content, str) else "",
            finish=finish if isinstance(finish, str) else None,
            n_tokens=_count(usage.get("prompt_tokens")),
            n_output_tokens=_count(usage.get("completion_tokens")),
        )

    def close(self) -> None:
        """Close connections. Calling twice does no harm."""
        self._client.close()


def _count(value: object) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and isinstance(value, int) and value >= 0 else None
