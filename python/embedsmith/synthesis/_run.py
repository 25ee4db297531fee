"""One synthesis: what is opened, written, filtered and reported."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from embedsmith._core import __version__
from embedsmith.backends.api._chat import load_chat_model
from embedsmith.exceptions import DataError
from embedsmith.synthesis._candidate import applied
from embedsmith.synthesis._judge import JudgeFilter
from embedsmith.synthesis._keywords import KeywordWriter
from embedsmith.synthesis._passages import choose
from embedsmith.synthesis._quota import QuotaFilter
from embedsmith.synthesis._result import SyntheticPair, SyntheticQueries, query_id, rejected_line
from embedsmith.synthesis._round_trip import RoundTripFilter
from embedsmith.synthesis._settings import KEYWORDS
from embedsmith.synthesis._style import Style
from embedsmith.synthesis._template import JUDGE, PromptTemplate
from embedsmith.synthesis._text_filters import (
    CopyFilter,
    FormatFilter,
    LanguageFilter,
    NearDuplicateFilter,
    PersonalDataFilter,
)
from embedsmith.synthesis._words import content_hash
from embedsmith.synthesis._writing import load_writer, prompts_for, style_for, write_queries

if TYPE_CHECKING:
    import contextlib
    import os
    from collections.abc import Callable, Iterator, Sequence

    from embedsmith._typing import Json
    from embedsmith.backends import Bm25, Encoder
    from embedsmith.backends.api._budget import Budget
    from embedsmith.backends.api._chat import ChatModel
    from embedsmith.datasets import Corpus
    from embedsmith.synthesis._asking import Progress
    from embedsmith.synthesis._candidate import Candidate, Filter
    from embedsmith.synthesis._journal import Journal
    from embedsmith.synthesis._passages import Chosen
    from embedsmith.synthesis._settings import Settings

__all__ = ["Run"]

_OWN_WORDS = "the words are the passage's own"


@dataclass
class Run:
    """A synthesis under way.

    Attributes
    ----------
    name, corpus, generator, settings
        What is asked.
    journal : Journal
        Keeps answers.
    budget : Budget
        Of generator and judge.
    progress, note : callable
        As ``synthesize_queries`` takes them.
    writer, judge : ChatModel or None
        Opened models.
    searcher : Encoder, Bm25 or None
        Of the round trip.
    """

    name: str
    corpus: Corpus
    generator: str
    settings: Settings
    journal: Journal
    budget: Budget
    progress: Progress | None
    note: Callable[[str], object]
    writer: ChatModel | None = None
    judge: ChatModel | None = None
    searcher: Encoder | Bm25 | None = None
    template: PromptTemplate | None = None
    form: str = "lines"
    judge_template: PromptTemplate | None = None
    judge_form: str = "json_schema"
    # What is shown, and all real queries that what is written is compared with.
    shown: Style = field(default_factory=lambda: Style((), own=False))
    style: Style = field(default_factory=lambda: Style((), own=False))
    report: Json = field(default_factory=dict)

    def open_models(self, stack: contextlib.ExitStack, judge: str | None, options: Json) -> None:
        """Open generator and judge. Sends nothing.

        Raises
        ------
        DataError
            If the judge is to be a generator that is no model.
        """
        if self.generator != KEYWORDS:
            self.writer = load_chat_model(self.generator, **options)
            stack.callback(self.writer.close)
        if judge == "same":
            if self.writer is None:
                msg = "judge='same' is the model that writes, and keywords has none. Name one."
                raise DataError(msg)
            self.judge = self.writer
        elif judge is not None:
            self.judge = load_chat_model(judge, **options)
            stack.callback(self.judge.close)

    def take_prompts(
        self,
        prompt: str | os.PathLike[str],
        answer: str | None,
        judge_prompt: str | os.PathLike[str],
        style: str | os.PathLike[str] | Sequence[str] | None,
    ) -> None:
        """Read templates and examples."""
        self.style = Style.of(style)
        if self.writer is not None:
            self.template, self.form = load_writer(prompt, answer)
            self.shown = style_for(style, completes=self.template.completes)
            if style is not None and not self.shown.own:
                self.note(
                    "no real query has a passage ('positive'), which a completion shows: the "
                    "prompts hold examples of the package instead. What is written is compared "
                    "with the real queries all the same."
                )
        if self.judge is not None:
            self.judge_template = PromptTemplate.load(judge_prompt, JUDGE)
            self.judge_form = "json_schema" if answer in (None, "json_schema") else "json"

    def written(self) -> list[Candidate]:
        """Return all queries that are written for the passages chosen."""
        settings = self.settings
        chosen = choose(
            self.corpus,
            count=settings.passages,
            least_words=settings.least_words,
            seed=settings.seed,
            skip_personal=settings.skip_personal,
            send_instructions=settings.send_instructions,
        )
        corpus = self.corpus
        self.report = {
            "schema": "embedsmith.synthesis/1",
            "synthetic": True,
            "embedsmith": __version__,
            "corpus": {"name": self.name, "passages": len(corpus), "hash": _hash(corpus)},
            "settings": settings.to_dict(),
            "passages": chosen.to_dict(corpus),
        }
        self._spent_before()
        if self.writer is None or self.template is None:
            maker = KeywordWriter(corpus.texts, settings.kinds, settings.seed)
            method = "salient terms and cropped spans"
            self.report["generator"] = {"spec": KEYWORDS, "method": method}
            return [one for row in chosen.rows for one in maker.write(row)]
        prompted = prompts_for(
            corpus,
            chosen.rows,
            settings,
            template=self.template,
            style=self.shown,
            form=self.form,
        )
        self._warn(chosen, self.writer.host)
        written = write_queries(
            self.writer, prompted, self.journal, form=self.form, progress=self.progress
        )
        self.report["generator"] = {
            "spec": self.writer.spec,
            "model": self.writer.name,
            "host": self.writer.host,
            "prompt": Path(self.template.name).name,
            "prompt_sha256": self.template.sha256,
            "answer": self.form,
        }
        self.report["requests"] = written.counts
        self.report["style"] = {
            "examples": len(self.shown.examples),
            "own": self.shown.own,
            "left_out_for_personal_data": self.style.n_personal,
        }
        return written.candidates

    def result(self, candidates: list[Candidate]) -> SyntheticQueries:
        """Return what the filters keep of what was written."""
        corpus, report = self.corpus, self.report
        left, counts = candidates, []
        for one in self._filters():
            left, took = applied(one, left)
            counts.append(took)
        pairs = tuple(_pair(corpus, one, self.generator) for one in left)
        report["filters"], report["not_run"] = counts, dict(self._not_run())
        if self.searcher is not None:
            space = self.searcher.fingerprint.digest
            report["encoder"] = {"spec": self.searcher.spec, "fingerprint": space}
        if self.judge is not None and self.judge_template is not None:
            sha256 = self.judge_template.sha256
            report["judge"] = {"spec": self.judge.spec, "prompt_sha256": sha256}
        report["usage"] = self._usage()
        report["pairs"] = {
            "written": len(candidates),
            "kept": len(pairs),
            "by_kind": {
                kind: sum(pair.kind == kind for pair in pairs) for kind in self.settings.kinds
            },
            "passages": len({pair.passage_id for pair in pairs}),
        }
        kept = {id(one) for one in left}
        rejected = tuple(
            rejected_line(corpus, one.passage, one.kind, one.text, one.trace)
            for one in candidates
            if id(one) not in kept
        )
        return SyntheticQueries(self.name, corpus, pairs, rejected, report)

    def _filters(self) -> Iterator[Filter]:
        settings, texts = self.settings, self.corpus.texts
        words = "" if self.template is None else self.template.words
        yield FormatFilter(texts, words, settings.most_words)
        if self.writer is not None and settings.language is not None:
            yield LanguageFilter(texts, settings.language)
        if self.writer is not None:
            yield CopyFilter(texts, settings.max_copied)
        real = [one.query for one in (*self.style.examples, *self.shown.examples)]
        yield NearDuplicateFilter(settings.near_duplicate, list(dict.fromkeys(real)))
        if self.searcher is not None:
            yield RoundTripFilter(self.searcher, texts, settings.rank, self.note)
        if self.judge is not None and self.judge_template is not None:
            yield JudgeFilter(
                self.judge,
                self.judge_template,
                texts,
                self.journal,
                form=self.judge_form,
                seed=settings.seed,
                temperature=settings.temperature,
                progress=self.progress,
            )
        yield QuotaFilter(self.corpus.judged_ids, settings.per_passage, settings.per_document)
        yield PersonalDataFilter()

    def _not_run(self) -> Iterator[tuple[str, str]]:
        """Yield which filters did not run, and why: none is left out in silence."""
        if self.writer is None:
            yield "language", _OWN_WORDS
            yield "copied", _OWN_WORDS
        elif self.settings.language is None:
            yield "language", "no language was named"
        if self.searcher is None:
            yield "round trip", "no encoder was named"
        if self.judge is None:
            yield "judge", "not asked for"

    def _spent_before(self) -> None:
        """Count what earlier runs spent towards the limit."""
        self.budget.settle(Decimal(0), self.journal.spent)
        if self.journal.n_lost:
            self.note(
                f"{self.journal.n_lost:,} requests were under way when an earlier run ended: they "
                "count as paid, and are asked again."
            )

    def _warn(self, chosen: Chosen, host: str) -> None:
        if chosen.instructions:
            what = "sent all the same" if self.settings.send_instructions else "left out"
            self.note(
                f"{len(chosen.instructions):,} of the passages speak to a machine that reads them: "
                f"{what}, and listed in the report."
            )
        if chosen.n_personal:
            what = "left out" if self.settings.skip_personal else f"sent to {host}"
            self.note(
                f"{chosen.n_personal:,} of the passages hold personal data: {what} "
                "(skip_personal, --skip-personal)."
            )

    def _usage(self) -> Json:
        opened = [one for one in (self.writer, self.judge) if one is not None]
        used = list({id(one): one for one in opened}.values())
        priced = any(one.meter.price is not None for one in used)
        return {
            "spent_usd": f"{self.budget.spent:f}" if priced else None,
            "spent_before_usd": f"{self.journal.spent:f}" if priced else None,
            "requests_lost_before": self.journal.n_lost,
            "models": [
                {
                    "spec": one.spec,
                    **one.meter.to_dict(),
                    "n_output_tokens": one.meter.n_output_tokens,
                }
                for one in used
            ],
        }


def _pair(corpus: Corpus, one: Candidate, generator: str) -> SyntheticPair:
    positive = corpus.texts[one.passage]
    return SyntheticPair(
        query_id=query_id(one.text),
        query=one.text,
        passage_id=corpus.ids[one.passage],
        positive=positive,
        kind=one.kind,
        generator=generator,
        prompt_hash=one.prompt_hash,
        passage_hash=content_hash(positive),
        filters=tuple(one.trace),
    )


def _hash(corpus: Corpus) -> str:
    pairs = zip(corpus.ids, corpus.texts, strict=True)
    return content_hash("\0".join(f"{one}\0{text}" for one, text in pairs))
