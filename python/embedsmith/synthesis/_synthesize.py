"""From passages to queries that can be trusted as far as filters go."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedsmith.backends import Bm25, load_encoder
from embedsmith.backends.api._budget import Budget
from embedsmith.evaluation._loading import asks_service
from embedsmith.synthesis._journal import Journal
from embedsmith.synthesis._kinds import KEYWORD_KINDS, KINDS, checked_kinds
from embedsmith.synthesis._passages import corpus_of
from embedsmith.synthesis._run import Run
from embedsmith.synthesis._settings import KEYWORDS, Settings

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from decimal import Decimal

    from embedsmith._typing import Json
    from embedsmith.backends import Encoder
    from embedsmith.backends.api import ApiOptions
    from embedsmith.datasets import Corpus, Dataset
    from embedsmith.datasets._passages import Collapse
    from embedsmith.synthesis._asking import Progress
    from embedsmith.synthesis._result import SyntheticQueries

__all__ = ["synthesize_queries"]


def synthesize_queries(
    corpus: Dataset | Corpus | Sequence[str] | str | os.PathLike[str],
    generator: str,
    *,
    encoder: Encoder | Bm25 | str | None,
    rank: int = 10,
    kinds: Mapping[str, int] | Iterable[str] | None = None,
    passages: int | None = None,
    least_words: int = 8,
    prompt: str | os.PathLike[str] = "chat",
    answer: str | None = None,
    style_queries: str | os.PathLike[str] | Sequence[str] | None = None,
    n_examples: int = 3,
    language: str | None = "passage",
    most_words: int = 40,
    max_copied: float = 0.5,
    near_duplicate: float = 0.8,
    judge: str | None = None,
    judge_prompt: str | os.PathLike[str] = "judge",
    per_passage: int | None = None,
    per_document: int | None = None,
    collapse: Collapse | None = None,
    skip_personal: bool = False,
    send_instructions: bool = False,
    temperature: float | None = None,
    seed: int = 0,
    journal: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    max_cost: Budget | float | str | Decimal | None = None,
    offline: bool = False,
    api: ApiOptions | None = None,
    progress: Progress | None = None,
    note: Callable[[str], object] | None = None,
) -> SyntheticQueries:
    """Write queries for passages, and keep those that pass every filter.

    A query and the passage that it was written for are a pair for training, or, with care, for
    testing. What is made of them stays marked as synthetic. Trains nothing.

    Filters run in this order, and each counts what it takes: format, language, copied, near-
    duplicate, round trip, judge, quota, personal data.

    Parameters
    ----------
    corpus : Dataset, Corpus, sequence of str, or path
        The passages; a path as ``stream_corpus`` takes it, so that a BEIR folder needs no
        judgements.
    generator : str
        ``"openai:MODEL"``, behind any OpenAI-compatible endpoint; or ``"keywords"``, which needs
        no model and no network: salient terms and cropped spans, in the passage's own words.
    encoder : Encoder, Bm25, str or None
        What searches in the round trip; a spec as for ``load_encoder``, or ``"bm25"``. None leaves
        the round trip out.
    rank : int, default 10
        The source has to be among so many of the whole corpus.
    kinds : mapping of str to int, or iterable of str, optional
        Queries per passage by kind: ``"question"``, ``"keyword"``, ``"multi-condition"``,
        ``"paraphrase"``; of keywords ``"keyword"`` and ``"span"``. Default: one of each.
    passages : int, optional
        How many passages to draw; default: all.
    least_words : int, default 8
        Shorter passages are left out.
    prompt : str or path, default "chat"
        ``"chat"``; ``"completion"``, for small models that continue a text better than they
        follow instructions; or a template of your own (``embedsmith synth --show-prompt``).
    answer : {"json_schema", "json", "lines"}, optional
        How the model is held to an answer. ``"json_schema"``, the default of a chat, needs a
        server that knows ``response_format``; ``"json"`` asks in the prompt alone; ``"lines"``
        takes one query per line, and is the default of a completion.
    style_queries : path or sequence of str, optional
        Real queries whose style is to be met; JSON lines with ``query`` and perhaps ``positive``,
        or a query per line. They are sent. Those with personal data are left out.
    n_examples : int, default 3
        Of them in each prompt.
    language : str or None, default "passage"
        Queries surely in another are dropped: that of the passage, or a code such as ``"de"``.
        None asks for the passage's own and checks nothing. Needs py3langid (extra ``synth``).
    most_words : int, default 40
        Of a query.
    max_copied : float, default 0.5
        Share of a query's words that may lie in runs of four copied from the passage.
    near_duplicate : float, default 0.8
        Jaccard similarity of five-letter shingles from which two queries are one.
    judge : str, optional
        ``"openai:MODEL"``, or ``"same"``: asked about each query that is left.
    judge_prompt : path, optional
        Its template.
    per_passage, per_document : int, optional
        Most queries to keep.
    collapse : str, mapping or callable, optional
        What makes texts passages of documents, for ``per_document``; as ``load_dataset`` takes it.
    skip_personal : bool, default False
        Do not send passages with e-mail addresses, IBANs, card or phone numbers.
    send_instructions : bool, default False
        Send passages that speak to a machine ("ignore the above"). By default they are left out,
        and listed in the report: a pair with one teaches a search to find it.
    temperature : float, optional
        Default: the server's.
    seed : int, default 0
        Of draws, examples and marks.
    journal : path, optional
        File of the answers: what it holds is not asked, and not paid for, again. Default: none,
        answers are kept until the function returns.
    base_url, max_cost, offline, api
        As for ``load_encoder``. ``max_cost`` covers generator, judge and an encoder at a service,
        and what the journal says that earlier runs have spent. ``base_url`` is that of generator
        and judge; an encoder at a service is where ``$OPENAI_BASE_URL`` says, else at the
        vendor.
    progress : callable, optional
        Called with an object that has ``what``, ``total``, ``n_kept``, ``n_answered``, ``left_s``
        and ``spent``, twice a second.
    note : callable, optional
        Called with sentences.

    Returns
    -------
    SyntheticQueries
        The same for the same arguments and answers, whatever the number of requests at once.

    Raises
    ------
    DataError
        If there is no passage to write for, or an argument names nothing.
    ParseError
        If a template lacks a placeholder; names the line.
    ModelError, OfflineError, ServiceError, BudgetError
        If a service may not be asked, fails, or would cost too much. The journal keeps what was
        answered.
    MissingDependencyError
        If a filter's library is not installed.

    Notes
    -----
    The passage is data: it stands between marks that depend on all of its text, the prompt says
    so, and queries that take up words of a sentence that speaks to a machine are dropped. That is
    no proof against an instruction that reads like the rest of the passage; the round trip, the
    judge and a look at ``pairs.jsonl`` are what is left.

    References
    ----------
    Bonifacio et al., "InPars: Unsupervised Dataset Generation for Information Retrieval", 2022;
    Dai et al., "Promptagator", 2022 (round-trip filter).

    Examples
    --------
    >>> import embedsmith as es
    >>> made = es.synthesize_queries("sample:bank", "keywords", encoder=None, passages=5)
    >>> sorted({pair.kind for pair in made.pairs}), made.dataset().n_synthetic == len(made)
    (['keyword', 'span'], True)
    """
    own = generator != KEYWORDS
    settings = Settings(
        kinds=checked_kinds(kinds, KINDS if own else KEYWORD_KINDS),
        passages=passages,
        least_words=least_words,
        most_words=most_words,
        n_examples=n_examples,
        language=language,
        max_copied=max_copied,
        near_duplicate=near_duplicate,
        rank=rank,
        per_passage=per_passage,
        per_document=per_document,
        skip_personal=skip_personal,
        send_instructions=send_instructions,
        temperature=temperature,
        seed=seed,
    )
    name, texts = corpus_of(corpus, collapse)
    budget = max_cost if isinstance(max_cost, Budget) else Budget(max_cost)
    with contextlib.ExitStack() as stack:
        run = Run(
            name=name,
            corpus=texts,
            generator=generator,
            settings=settings,
            # Who asks nobody keeps no answers.
            journal=Journal(
                None
                if journal is None or (not own and judge is None)
                else Path(journal).expanduser()
            ),
            budget=budget,
            progress=progress,
            note=note or (lambda _: None),
        )
        options: Json = {
            "base_url": base_url,
            "max_cost": budget,
            "offline": offline,
            "options": api,
        }
        # All that can be refused is refused before the first text leaves.
        run.open_models(stack, judge, options)
        run.take_prompts(prompt, answer, judge_prompt, style_queries)
        run.searcher = _searcher(encoder, stack, budget=budget, offline=offline, api=api)
        stack.enter_context(run.journal.opened())
        return run.result(run.written())


def _searcher(
    encoder: Encoder | Bm25 | str | None,
    stack: contextlib.ExitStack,
    *,
    budget: Budget,
    offline: bool,
    api: ApiOptions | None,
) -> Encoder | Bm25 | None:
    if not isinstance(encoder, str):
        return encoder
    # A service that embeds is paid from the same budget as one that writes.
    paid: dict[str, Any] = {"max_cost": budget, "api": api} if asks_service(encoder) else {}
    opened: Any = Bm25() if encoder == Bm25.spec else load_encoder(encoder, offline=offline, **paid)
    stack.callback(opened.close)
    return opened  # type: ignore[no-any-return]  # one of the two
