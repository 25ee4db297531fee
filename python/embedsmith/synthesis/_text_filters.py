"""Filters that look at a query's text: format, language, copies, near-duplicates, personal data."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from embedsmith._deps import require
from embedsmith.hygiene._personal import personal_data
from embedsmith.synthesis._candidate import Finding
from embedsmith.synthesis._instructions import instructions_in, speaks_to_a_machine
from embedsmith.synthesis._template import shipped_text
from embedsmith.synthesis._words import folded, words
from embedsmith.text import near_duplicates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith.synthesis._candidate import Candidate

__all__ = [
    "CopyFilter",
    "FormatFilter",
    "LanguageFilter",
    "NearDuplicateFilter",
    "PersonalDataFilter",
    "copied_share",
    "language_of",
]

_WRONG = tuple(
    (re.compile(pattern, re.IGNORECASE), reason)
    for pattern, reason in (
        (
            r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]",
            "line breaks or control characters",
        ),
        (
            (
                r"https?:|www\.|[<>{}\[\]|\\^~]|```|\$[a-z]|%[0-9A-F]{2}"
                r"|(?<![@\w.-])[\w-]+(?:\.[\w-]+)*\.(?:com|net|org|io|ru|example)\b"
            ),
            "markup or an address",
        ),
        (
            (
                r"\b(?:i (?:cannot|can't|can not|am unable|won't|will not)|as an ai"
                r"|language model|i'm sorry|i am sorry|here (?:is|are) (?:the|a|some|your)"
                r"|sure[,!])"
            ),
            "a remark, no query",
        ),
        (
            (
                r"\b(?:(?:this|given|above|provided|following) (?:passage|text|document"
                r"|paragraph|excerpt|context|article)|the (?:passage|excerpt)"
                r"|according to (?:it|this|the text))\b"
            ),
            "speaks of the passage",
        ),
    )
)
_LONGEST_WORD = 40
_SHARED = 5
_CAPITALS = 0.8
_PAYLOAD_RUN = 3
_NGRAM = 4
_FEWEST = 3


class FormatFilter:
    """Drops what is no query: broken answers, markup, remarks, and what obeys the passage.

    Parameters
    ----------
    texts : sequence of str
        The corpus.
    prompt_words : str
        What the prompt says, which a query is not to repeat.
    most_words : int
        Longer ones are dropped.
    """

    name = "format"

    def __init__(self, texts: Sequence[str], prompt_words: str, most_words: int) -> None:
        self._texts, self._most = texts, most_words
        self._prompt = _runs(words(prompt_words), _SHARED)
        self._payloads: dict[int, _Payload | None] = {}

    def look(self, candidates: Sequence[Candidate]) -> list[Finding]:
        """Return why each is no query."""
        return [Finding(self._reason(one)) for one in candidates]

    def _reason(self, one: Candidate) -> str:
        if one.broken:
            return f"answer: {one.broken}"
        if one.surplus:
            return "more than asked for"
        said = words(one.text)
        if not said:
            return "empty"
        if one.nonce and one.nonce in folded(one.text):
            return "holds the mark of the data"
        for pattern, reason in _WRONG:
            if pattern.search(one.text):
                return reason
        return self._of_words(one, said)

    def _of_words(self, one: Candidate, said: list[str]) -> str:
        payload = self._payload(one.passage)
        checks = (
            (len(said) > self._most or len(one.text) > 12 * self._most, "too long"),
            (len(one.text) < _FEWEST or max(map(len, said)) > _LONGEST_WORD, "no words"),
            (_shouted(one.text), "capitals throughout"),
            (
                speaks_to_a_machine(one.text) or bool(self._prompt & _runs(said, _SHARED)),
                "an instruction, or a part of the prompt",
            ),
            (
                payload is not None and payload.obeyed_by(said),
                "obeys an instruction in the passage",
            ),
        )
        return next((reason for wrong, reason in checks if wrong), "")

    def _payload(self, passage: int) -> _Payload | None:
        if passage not in self._payloads:
            text = self._texts[passage]
            spans = instructions_in(text)
            self._payloads[passage] = _Payload(text, spans) if spans else None
        return self._payloads[passage]


class _Payload:
    """What a passage would have a query say: words of its instructions that it has nowhere else."""

    def __init__(self, text: str, spans: list[tuple[int, int]]) -> None:
        rest, told, at = [], [], 0
        for start, end in spans:
            rest.append(text[at:start])
            told.append(text[start:end])
            at = end
        rest.append(text[at:])
        clean = words(" ".join(rest))
        said = [words(one) for one in told]
        self._clean = frozenset(clean)
        self._own = frozenset(word for one in said for word in one) - self._clean - _COMMON
        clean_runs = _runs(clean, _PAYLOAD_RUN)
        self._runs = {run for one in said for run in _runs(one, _PAYLOAD_RUN)} - clean_runs

    def obeyed_by(self, said: Sequence[str]) -> bool:
        """Tell whether a query says what the instruction says and the passage does not."""
        # One word is enough: a writer who knows only the passage has it from nowhere else.
        return bool(self._own & set(said)) or bool(self._runs & _runs(said, _PAYLOAD_RUN))


# Words that questions are made of: to share them with an instruction tells nothing.
_COMMON = frozenset(shipped_text("common-words.txt").split())


def _runs(said: Sequence[str], length: int) -> set[tuple[str, ...]]:
    return {tuple(said[at : at + length]) for at in range(len(said) - length + 1)}


def _shouted(text: str) -> bool:
    letters = [one for one in text if one.isalpha() and (one.isupper() or one.islower())]
    if len(text.split()) < _FEWEST or len(letters) < 3 * _FEWEST:
        return False
    return sum(one.isupper() for one in letters) > _CAPITALS * len(letters)


class LanguageFilter:
    """Drops queries that are surely not in the language they should be in.

    Parameters
    ----------
    texts : sequence of str
        The corpus.
    language : str
        ISO 639-1 code, or ``"passage"`` for that of each passage.
    """

    name = "language"

    # Short queries are told apart badly: only what is as good as impossible is dropped. Of 600
    # real questions on regulations, and of four words of each, none falls below.
    least = 0.02

    def __init__(self, texts: Sequence[str], language: str) -> None:
        self._texts, self._language = texts, language
        _identifier()

    def look(self, candidates: Sequence[Candidate]) -> list[Finding]:
        """Return which are in another language."""
        return [self._finding(one) for one in candidates]

    def _finding(self, one: Candidate) -> Finding:
        wanted = self._language
        if wanted == "passage":
            wanted = language_of(self._texts[one.passage])
        ranked = _identifier().rank(one.text)
        found = {name: float(share) for name, share in ranked}
        if wanted not in found:
            return Finding(value=wanted)
        if found[wanted] >= self.least:
            return Finding(value=wanted)
        return Finding(f"not in the language wanted ({wanted})", value=str(ranked[0][0]))


@lru_cache(maxsize=1)
def _identifier() -> Any:
    library = require("py3langid.langid", extra="synth", feature="The filter by language")
    return library.LanguageIdentifier.from_model_file(library.MODEL_FILE, norm_probs=True)


@lru_cache(maxsize=65536)
def language_of(text: str) -> str:
    """Return the ISO 639-1 code of a text's language.

    Parameters
    ----------
    text : str
        A passage: some words at least.

    Raises
    ------
    MissingDependencyError
        If py3langid is not installed.
    """
    return str(_identifier().classify(text)[0])


def copied_share(query: str, passage: str) -> float:
    """Return the share of a query's words that lie in a run of four that the passage has too.

    A query of fewer than four words shares 0: search words are the passage's own.

    Examples
    --------
    >>> copied_share("what is the monthly fee of a card", "The monthly fee of a card is 5.")
    0.75
    """
    said = words(query)
    known = _runs(words(passage), _NGRAM)
    covered = set()
    for at in range(len(said) - _NGRAM + 1):
        if tuple(said[at : at + _NGRAM]) in known:
            covered |= set(range(at, at + _NGRAM))
    return len(covered) / len(said) if said else 0.0


class CopyFilter:
    """Drops queries that are copied from their passage.

    They would pass the round trip more often than honest ones.

    Parameters
    ----------
    texts : sequence of str
        The corpus.
    most : float
        Share of copied words (`copied_share`) that may be.
    """

    name = "copied"

    def __init__(self, texts: Sequence[str], most: float) -> None:
        self._texts, self._most = texts, most

    def look(self, candidates: Sequence[Candidate]) -> list[Finding]:
        """Return the share of copied words of each."""
        shares = [copied_share(one.text, self._texts[one.passage]) for one in candidates]
        return [
            Finding("copied from the passage" if share > self._most else "", round(share, 4))
            for share in shares
        ]


class NearDuplicateFilter:
    """Drops queries that say again, letter by letter, what an earlier one or an example says.

    Queries that mean the same in other words stay: paraphrases are asked for.

    Parameters
    ----------
    threshold : float
        Jaccard similarity of shingles from which two are one.
    examples : sequence of str
        Real queries that were shown: copies of them teach nothing, and leak where they are of an
        evaluation set.
    """

    name = "near-duplicate"

    def __init__(self, threshold: float, examples: Sequence[str]) -> None:
        self._threshold, self._examples = threshold, list(examples)

    def look(self, candidates: Sequence[Candidate]) -> list[Finding]:
        """Return which repeat an earlier one that stays."""
        texts = [one.text for one in candidates]
        shown: dict[int, float] = {}
        if self._examples:
            for place, _, similarity in near_duplicates(
                texts, self._threshold, other=self._examples
            ):
                shown[place] = max(similarity, shown.get(place, 0.0))
        before: dict[int, list[tuple[int, float]]] = {}
        for first, second, similarity in near_duplicates(texts, self._threshold):
            before.setdefault(second, []).append((first, similarity))
        findings: list[Finding] = []
        for place in range(len(texts)):
            if place in shown:
                findings.append(Finding("of an example", round(shown[place], 4)))
                continue
            # Of what was dropped itself, nothing is a duplicate.
            near = [s for first, s in before.get(place, ()) if not findings[first].because]
            findings.append(
                Finding("of an earlier query", round(max(near), 4)) if near else Finding()
            )
        return findings


class PersonalDataFilter:
    """Drops queries with an e-mail address, IBAN, card or phone number."""

    name = "personal data"

    def look(self, candidates: Sequence[Candidate]) -> list[Finding]:
        """Return what kind of personal data each has."""
        return [
            Finding(next((kind for kind, _ in personal_data(one.text)), "")) for one in candidates
        ]
