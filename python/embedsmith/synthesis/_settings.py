"""What is asked of a synthesis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedsmith._validate import as_count, as_number
from embedsmith.exceptions import DataError, ShapeError
from embedsmith.synthesis._prompts import ANSWER_FORMS
from embedsmith.synthesis._text_filters import language_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedsmith._typing import Json
    from embedsmith.synthesis._template import PromptTemplate

__all__ = ["KEYWORDS", "Settings", "answer_form"]

KEYWORDS = "keywords"
_MOST_TEMPERATURE = 2.0


@dataclass(frozen=True)
class Settings:
    """The numbers and words of a run, checked.

    Attributes
    ----------
    kinds : mapping of str to int
        Queries per passage.
    passages, least_words, most_words, n_examples, rank, per_passage, per_document, seed
        As ``synthesize_queries`` takes them.
    max_copied, near_duplicate, language, temperature, skip_personal, send_instructions
        Likewise.
    """

    kinds: Mapping[str, int]
    passages: int | None
    least_words: int
    most_words: int
    n_examples: int
    language: str | None
    max_copied: float
    near_duplicate: float
    rank: int
    per_passage: int | None
    per_document: int | None
    skip_personal: bool
    send_instructions: bool
    temperature: float | None
    seed: int

    def __post_init__(self) -> None:
        for name in ("passages", "per_passage", "per_document"):
            if getattr(self, name) is not None:
                as_count(name, getattr(self, name))
        for name in ("least_words", "most_words", "rank"):
            as_count(name, getattr(self, name))
        for name in ("n_examples", "seed"):
            as_count(name, getattr(self, name), least=0)
        for name in ("max_copied", "near_duplicate"):
            value = as_number(name, getattr(self, name))
            if not 0 <= value <= 1 or (name == "near_duplicate" and not value):
                msg = f"{name} is {value}; pass a share, up to 1."
                raise ShapeError(msg)
        if self.temperature is not None:
            value = as_number("temperature", self.temperature)
            if not 0 <= value <= _MOST_TEMPERATURE:
                msg = f"temperature is {value}; servers take 0 to {_MOST_TEMPERATURE:g}."
                raise ShapeError(msg)
        if self.language not in (None, "passage") and not (
            len(self.language or "") == 2 and (self.language or "").isalpha()  # noqa: PLR2004
        ):
            msg = (
                f"language is {self.language!r}; pass 'passage', a code of two letters such as "
                "'de', or None to leave the language unchecked."
            )
            raise DataError(msg)

    def language_words(self, text: str) -> str:
        """Return what a prompt says of the language of a passage's queries."""
        if self.language is None:
            return "the language of the passage"
        code = language_of(text) if self.language == "passage" else self.language.lower()
        return f"{_LANGUAGES.get(code, 'the language of the passage')} ({code})"

    def to_dict(self) -> Json:
        """Return plain values for JSON."""
        return {
            name: dict(value) if name == "kinds" else value for name, value in vars(self).items()
        }


# As py3langid and ISO 639-1 call them; of others the code alone is said.
_LANGUAGES = {
    "ar": "Arabic", "bg": "Bulgarian", "cs": "Czech", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian", "fi": "Finnish",
    "fr": "French", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian",
    "it": "Italian", "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian",
    "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sv": "Swedish", "th": "Thai",
    "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip


def answer_form(asked: str | None, template: PromptTemplate) -> str:
    """Return how the model is to answer.

    Parameters
    ----------
    asked : str or None
        None: a JSON schema in a chat, a line of a completion.
    template : PromptTemplate
        Decides which of the two it is.

    Raises
    ------
    DataError
        If there is no such form, or a completion is to answer in JSON.
    """
    if asked is None:
        return "lines" if template.completes else "json_schema"
    if asked not in ANSWER_FORMS:
        msg = f"answer={asked!r} is unknown. Choose one of {', '.join(ANSWER_FORMS)}."
        raise DataError(msg)
    if template.completes and asked != "lines":
        msg = (
            f"answer={asked!r} is for a chat, and {template.name} is a prompt to be completed. "
            "Leave it out, or name a template with [system] and [user]."
        )
        raise DataError(msg)
    return asked
