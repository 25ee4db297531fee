"""A second prompt that looks at each query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith.backends.api._chat_service import ChatRequest
from embedsmith.backends.api._failure import Failure
from embedsmith.synthesis._answers import BrokenAnswer, read_object
from embedsmith.synthesis._asking import ask_all
from embedsmith.synthesis._candidate import Finding
from embedsmith.synthesis._prompts import as_data, nonce_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import Json
    from embedsmith.backends.api._chat import ChatModel
    from embedsmith.synthesis._asking import Progress
    from embedsmith.synthesis._candidate import Candidate
    from embedsmith.synthesis._journal import Journal, Kept
    from embedsmith.synthesis._template import PromptTemplate

__all__ = ["JudgeFilter"]

_ASKED = ("answered", "standalone", "obeys")
_TOKENS = 256
_SCHEMA: Json = {
    "type": "object",
    "properties": {name: {"type": "boolean"} for name in _ASKED},
    "required": list(_ASKED),
    "additionalProperties": False,
}


class JudgeFilter:
    """Drops queries that a model calls unanswered, unclear, or obedient to the passage.

    Parameters
    ----------
    model : ChatModel
        The judge.
    template : PromptTemplate
        What it is asked.
    texts : sequence of str
        The corpus.
    journal : Journal
        Open; keeps its answers too.
    form : {"json_schema", "json"}
        How it answers.
    seed : int
        Of the marks around data.
    temperature : float or None
        None: as the server has it.
    progress : callable, optional
        As for `ask_all`.
    """

    name = "judge"

    def __init__(
        self,
        model: ChatModel,
        template: PromptTemplate,
        texts: Sequence[str],
        journal: Journal,
        *,
        form: str,
        seed: int,
        temperature: float | None,
        progress: Progress | None,
    ) -> None:
        self._model, self._template, self._texts = model, template, texts
        self._journal, self._form, self._seed = journal, form, seed
        self._temperature, self._progress = temperature, progress

    def request(self, passage: str, query: str) -> ChatRequest:
        """Return what the judge is asked about a query."""
        nonce = nonce_of(self._seed, f"{passage}\n{query}")
        values = {"passage": as_data(passage), "query": as_data(query), "nonce": nonce}
        sections = self._template.sections
        return ChatRequest(
            messages=tuple(
                (name, self._template.filled(name, values))
                for name in ("system", "user")
                if name in sections
            ),
            max_output_tokens=_TOKENS,
            schema=_SCHEMA if self._form == "json_schema" else None,
            temperature=self._temperature,
        )

    def look(self, candidates: Sequence[Candidate]) -> list[Finding]:
        """Return what the judge says of each."""
        requests = [self.request(self._texts[one.passage], one.text) for one in candidates]
        keys = [self._model.key(request) for request in requests]
        asked = ask_all(
            self._model,
            dict(zip(keys, requests, strict=True)),
            self._journal,
            what="verdicts",
            progress=self._progress,
        )
        return [self._finding(asked.answers[key]) for key in keys]

    def _finding(self, found: Kept | Failure) -> Finding:
        if isinstance(found, Failure):
            return Finding("the judge was not answered")
        try:
            said = read_object(
                found.text, found.finish, loose=self._form == "json", needs="answered"
            )
        except BrokenAnswer:
            return Finding("the judge's answer is broken")
        if any(not isinstance(said.get(name), bool) for name in _ASKED):
            return Finding("the judge's answer is broken")
        if said["obeys"]:
            return Finding("obeys, or is no query")
        if not said["answered"]:
            return Finding("not answered by the passage")
        return Finding() if said["standalone"] else Finding("unclear without the passage")
