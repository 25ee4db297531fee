"""From a passage to what a model is asked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedsmith.backends.api._chat_service import ChatRequest
from embedsmith.exceptions import DataError
from embedsmith.synthesis._kinds import KINDS, slots
from embedsmith.synthesis._words import content_hash

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedsmith._typing import Json
    from embedsmith.synthesis._style import Example, Style
    from embedsmith.synthesis._template import PromptTemplate

__all__ = ["ANSWER_FORMS", "PromptMaker", "Prompted", "as_data", "nonce_of"]

ANSWER_FORMS = ("json_schema", "json", "lines")
_TOKENS_PER_QUERY = 96
_NONCE_CHARS = 16
# A completion ends where the model would go on to write passages of its own.
_STOPS = ("\n\n", "\nPassage")


@dataclass(frozen=True)
class Prompted:
    """One request, and what it is for.

    Attributes
    ----------
    passage : int
        Row in the corpus.
    kinds : tuple of str
        Of the queries asked for, one each.
    request : ChatRequest
        What is sent.
    nonce : str
        The mark of its data.
    """

    passage: int
    kinds: tuple[str, ...]
    request: ChatRequest
    nonce: str


def nonce_of(seed: int, text: str) -> str:
    """Return the mark around a text: the same in every run, and none that the text holds.

    It depends on all of the text, so that whoever writes a passage cannot write its mark into it:
    that would change the mark.

    Examples
    --------
    >>> len(nonce_of(0, "a")), nonce_of(0, "a") == nonce_of(1, "a")
    (16, False)
    """
    for turn in range(1 << 20):
        digest = hashlib.sha256(f"{seed}/{turn}/{content_hash(text)}".encode()).hexdigest()
        nonce = digest[:_NONCE_CHARS]
        if nonce not in text:
            return nonce
    msg = "no mark could be made that the passage does not hold. Drop the passage."
    raise DataError(msg)


def as_data(text: str) -> str:
    """Return a text in which no server finds the marks of a chat, such as ``<|im_start|>``.

    Examples
    --------
    >>> as_data("a <|im_end|> [INST] b")
    'a < |im_end| > [ INST] b'
    """
    parted = text.replace("<|", "< |").replace("|>", "| >").replace("<<", "< <")
    return parted.replace("[INST", "[ INST").replace("[/INST", "[ /INST").replace("</s>", "< /s>")


@dataclass(frozen=True)
class PromptMaker:
    """Makes the requests of a run.

    Attributes
    ----------
    template : PromptTemplate
        Decides whether a model answers in a chat or completes.
    kinds : mapping of str to int
        Queries per passage.
    style : Style
        Examples.
    n_examples : int
        In each prompt.
    form : str
        One of ``ANSWER_FORMS``.
    seed : int
        Of marks and draws.
    temperature : float or None
        None: as the server has it.
    """

    template: PromptTemplate
    kinds: Mapping[str, int]
    style: Style
    n_examples: int
    form: str
    seed: int
    temperature: float | None

    def of(self, passage: int, text: str, language: str) -> list[Prompted]:
        """Return the requests of a passage: one of a chat, one for each query of a completion.

        Parameters
        ----------
        passage : int
            Row in the corpus.
        text : str
            The passage.
        language : str
            What queries are to be in, in words.
        """
        nonce = nonce_of(self.seed, text)
        order = slots(self.kinds)
        if self.template.completes:
            return [
                self._completion(passage, text, language, kind=kind, place=place)
                for place, kind in enumerate(order)
            ]
        drawn = self.style.draw(self.n_examples, f"{self.seed}/{content_hash(text)}")
        values = self._values(text, language, nonce, order, _as_list(drawn))
        messages = tuple(
            (section, self.template.filled(section, values))
            for section in ("system", "user")
            if section in self.template.sections
        )
        request = ChatRequest(
            messages=messages,
            max_output_tokens=64 + _TOKENS_PER_QUERY * len(order),
            schema=_schema(list(self.kinds)) if self.form == "json_schema" else None,
            temperature=self.temperature,
        )
        return [Prompted(passage, tuple(order), request, nonce)]

    def _completion(
        self, passage: int, text: str, language: str, *, kind: str, place: int
    ) -> Prompted:
        nonce = nonce_of(self.seed, text)
        seed = f"{self.seed}/{content_hash(text)}/{place}"
        drawn = self.style.draw(self.n_examples, seed, kind=kind)
        shown = "\n".join(_as_completion(one, nonce) for one in drawn)
        values = self._values(text, language, nonce, [kind], shown)
        request = ChatRequest(
            prompt=self.template.filled("prompt", {**values, "cue": KINDS[kind].cue}),
            max_output_tokens=_TOKENS_PER_QUERY,
            temperature=self.temperature,
            stop=("\n", *_STOPS),
        )
        return Prompted(passage, (kind,), request, nonce)

    def _values(
        self, text: str, language: str, nonce: str, order: Sequence[str], examples: str
    ) -> dict[str, str]:
        wanted = [
            f"- {order.count(name)} x {name}: {KINDS[name].means}" for name in dict.fromkeys(order)
        ]
        return {
            "passage": as_data(text),
            "nonce": nonce,
            "kinds": "\n".join(wanted),
            "count": str(len(order)),
            "language": language,
            "examples": examples,
            "cue": KINDS[order[0]].cue,
        }


def _as_list(examples: Sequence[Example]) -> str:
    if not examples:
        return ""
    lines = "\n".join(f"- {as_data(one.query)}" for one in examples)
    return f"Real queries of the same users. Take their style, not their content:\n{lines}"


def _as_completion(example: Example, nonce: str) -> str:
    shown = f"Passage {nonce}: {as_data(example.passage or '')}\n(end of {nonce})"
    return f"{shown}\n{KINDS[example.kind].cue}: {as_data(example.query)}\n"


def _schema(kinds: list[str]) -> Json:
    query: Json = {
        "type": "object",
        "properties": {
            "kind": {"type": "string", "enum": kinds},
            "query": {"type": "string"},
        },
        "required": ["kind", "query"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"queries": {"type": "array", "items": query}},
        "required": ["queries"],
        "additionalProperties": False,
    }
