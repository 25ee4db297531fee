"""Queries of a model: requests, answers, candidates."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedsmith.backends.api._failure import Failure
from embedsmith.synthesis._answers import BrokenAnswer, read_queries
from embedsmith.synthesis._asking import ask_all
from embedsmith.synthesis._candidate import Candidate
from embedsmith.synthesis._prompts import PromptMaker
from embedsmith.synthesis._settings import answer_form
from embedsmith.synthesis._style import Style
from embedsmith.synthesis._template import WRITER, PromptTemplate

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from embedsmith._typing import Json
    from embedsmith.backends.api._chat import ChatModel
    from embedsmith.datasets import Corpus
    from embedsmith.synthesis._asking import Asked, Progress
    from embedsmith.synthesis._journal import Journal
    from embedsmith.synthesis._prompts import Prompted
    from embedsmith.synthesis._settings import Settings

__all__ = ["Written", "load_writer", "prompts_for", "style_for", "write_queries"]


@dataclass(frozen=True)
class Written:
    """What a model wrote.

    Attributes
    ----------
    candidates : list of Candidate
        In the order of passages, and of each answer.
    asked : Asked
        Counts of requests.
    """

    candidates: list[Candidate]
    asked: Asked

    @property
    def counts(self) -> Json:
        """Requests, as plain values for JSON."""
        refused = [one for one in self.asked.answers.values() if isinstance(one, Failure)]
        return {
            "distinct": self.asked.total,
            "answered_before": self.asked.n_kept,
            "answered_now": self.asked.n_answered,
            "refused": self.asked.n_refused,
            "refused_because": sorted({one.reason for one in refused})[:5],
        }


def style_for(source: str | os.PathLike[str] | Sequence[str] | None, *, completes: bool) -> Style:
    """Return the examples of a run.

    Parameters
    ----------
    source : path, sequence of str, or None
        As `Style.of` takes it.
    completes : bool
        Whether a model continues a text: then examples need passages, and there have to be some.
    """
    style = Style.of(source)
    if not completes:
        return style
    whole = tuple(one for one in style.examples if one.passage)
    shipped = Style.shipped()
    if not whole:
        # Real queries without passages are still compared with what is written.
        return Style(shipped.examples, style.n_personal, own=False)
    return Style(whole, style.n_personal)


def prompts_for(
    corpus: Corpus,
    rows: Sequence[int],
    settings: Settings,
    *,
    template: PromptTemplate,
    style: Style,
    form: str,
) -> list[Prompted]:
    """Return the requests of some passages, in their order."""
    maker = PromptMaker(
        template,
        settings.kinds,
        style,
        settings.n_examples,
        form,
        settings.seed,
        settings.temperature,
    )
    found = []
    for row in rows:
        text = corpus.texts[row]
        found += maker.of(row, text, settings.language_words(text))
    return found


def load_writer(prompt: str | os.PathLike[str], answer: str | None) -> tuple[PromptTemplate, str]:
    """Return the template of a run, and how the model is to answer."""
    template = PromptTemplate.load(prompt, WRITER)
    return template, answer_form(answer, template)


def write_queries(
    model: ChatModel,
    prompted: Sequence[Prompted],
    journal: Journal,
    *,
    form: str,
    progress: Progress | None,
) -> Written:
    """Return what a model writes, asking each distinct request once.

    Parameters
    ----------
    model : ChatModel
        Who is asked.
    prompted : sequence of Prompted
        The requests.
    journal : Journal
        Open.
    form : str
        How it answers.
    progress : callable, optional
        As for `ask_all`.
    """
    keys = [model.key(one.request) for one in prompted]
    asked = ask_all(
        model,
        {key: one.request for key, one in zip(keys, prompted, strict=True)},
        journal,
        what="queries",
        progress=progress,
    )
    candidates: list[Candidate] = []
    for key, one in zip(keys, prompted, strict=True):
        found = asked.answers[key]
        if isinstance(found, Failure):
            candidates.append(_broken(one, key, "refused by the service"))
            continue
        try:
            queries = read_queries(found.text, found.finish, form, one.kinds)
        except BrokenAnswer as broken:
            candidates.append(_broken(one, key, str(broken)))
            continue
        wanted, had = Counter(one.kinds), Counter[str]()
        for kind, text in queries:
            had[kind] += 1
            candidates.append(
                Candidate(
                    one.passage,
                    kind,
                    text.strip(),
                    key,
                    surplus=had[kind] > wanted[kind],
                    nonce=one.nonce,
                )
            )
        if not queries:
            candidates.append(_broken(one, key, "no query in it"))
    return Written(candidates, asked)


def _broken(one: Prompted, key: str, why: str) -> Candidate:
    return Candidate(one.passage, one.kinds[0], "", key, broken=why, nonce=one.nonce)
