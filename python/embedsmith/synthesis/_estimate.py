"""What a synthesis would take, counted without asking anybody."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embedsmith.backends.api._chat import load_chat_model
from embedsmith.exceptions import ModelError
from embedsmith.synthesis._journal import Journal
from embedsmith.synthesis._kinds import KINDS, checked_kinds
from embedsmith.synthesis._passages import choose, corpus_of
from embedsmith.synthesis._settings import KEYWORDS, Settings
from embedsmith.synthesis._writing import load_writer, prompts_for, style_for

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from embedsmith._typing import Json
    from embedsmith.backends.api import ApiOptions
    from embedsmith.datasets import Corpus, Dataset

__all__ = ["SynthesisEstimate", "estimate_synthesis"]


@dataclass(frozen=True)
class SynthesisEstimate:
    """Requests, tokens and price of what is not answered yet.

    Attributes
    ----------
    spec, host : str
        Who would be asked, and where.
    n_passages, n_with_personal_data, n_with_instructions : int
        Passages that would be sent, and what was found in those looked at.
    n_requests, n_kept : int
        Requests that would be sent, and answers that the journal holds already.
    n_tokens : int
        The most that would be read; ``exact`` tells whether it is the service's own count of the
        texts.
    n_output_tokens : int
        The most that could be written: the limit of each answer. Mostly it is far less.
    exact : bool
        Whether tokens are counted by the model's own tokenizer.
    cost : Decimal or None
        The most that it could cost, in US dollars; None without a price. A judge is not counted:
        it is asked about what the other filters leave.
    price : dict or None
        With its date and source.
    """

    spec: str
    host: str
    n_passages: int
    n_with_personal_data: int
    n_with_instructions: int
    n_requests: int
    n_kept: int
    n_tokens: int
    n_output_tokens: int
    exact: bool
    cost: Decimal | None
    price: Json | None

    def to_dict(self) -> Json:
        """Return the fields as plain values for JSON.

        Returns
        -------
        dict
            A field for each attribute; the cost as a string.
        """
        return {**vars(self), "cost": None if self.cost is None else f"{self.cost:f}"}


def estimate_synthesis(
    corpus: Dataset | Corpus | Sequence[str] | str | os.PathLike[str],
    generator: str,
    *,
    kinds: Mapping[str, int] | Iterable[str] | None = None,
    passages: int | None = None,
    least_words: int = 8,
    prompt: str | os.PathLike[str] = "chat",
    answer: str | None = None,
    style_queries: str | os.PathLike[str] | Sequence[str] | None = None,
    n_examples: int = 3,
    language: str | None = "passage",
    skip_personal: bool = False,
    send_instructions: bool = False,
    temperature: float | None = None,
    seed: int = 0,
    journal: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    api: ApiOptions | None = None,
) -> SynthesisEstimate:
    """Return what `synthesize_queries` would ask for. Sends and writes nothing.

    Parameters
    ----------
    corpus, generator, kinds, passages, least_words, prompt, answer, style_queries, n_examples
        As for `synthesize_queries`.
    language, skip_personal, send_instructions, temperature, seed, journal, base_url, api
        Likewise.

    Returns
    -------
    SynthesisEstimate
        Upper bounds.

    Raises
    ------
    ModelError
        If the generator is ``"keywords"``, which asks nobody.
    DataError, ParseError
        As `synthesize_queries`.

    Examples
    --------
    >>> found = estimate_synthesis(
    ...     "sample:bank", "openai:mine", passages=5, base_url="http://localhost:8000/v1"
    ... )
    >>> found.n_requests, found.host, found.cost
    (5, 'localhost:8000', None)
    """
    if generator == KEYWORDS:
        msg = "keywords asks no service, so there is nothing to estimate. Run it: it costs nothing."
        raise ModelError(msg)
    settings = Settings(
        kinds=checked_kinds(kinds, KINDS),
        passages=passages,
        least_words=least_words,
        most_words=1,
        n_examples=n_examples,
        language=language,
        max_copied=0.0,
        near_duplicate=1.0,
        rank=1,
        per_passage=None,
        per_document=None,
        skip_personal=skip_personal,
        send_instructions=send_instructions,
        temperature=temperature,
        seed=seed,
    )
    _, texts = corpus_of(corpus, None)
    chosen = choose(
        texts,
        count=passages,
        least_words=least_words,
        seed=seed,
        skip_personal=skip_personal,
        send_instructions=send_instructions,
    )
    model = load_chat_model(generator, base_url=base_url, options=api)
    template, form = load_writer(prompt, answer)
    style = style_for(style_queries, completes=template.completes)
    prompted = prompts_for(texts, chosen.rows, settings, template=template, style=style, form=form)
    requests = {model.key(one.request): one.request for one in prompted}
    kept = Journal(None if journal is None else Path(journal).expanduser())
    kept.read(mend=False)
    missing = [request for key, request in requests.items() if kept.get(key) is None]
    n_tokens = sum(map(model.most_tokens, missing))
    n_output = sum(request.max_output_tokens for request in missing)
    price = model.meter.price
    return SynthesisEstimate(
        spec=model.spec,
        host=model.host,
        n_passages=len(chosen.rows),
        n_with_personal_data=chosen.n_personal,
        n_with_instructions=len(chosen.instructions),
        n_requests=len(missing),
        n_kept=len(requests) - len(missing),
        n_tokens=n_tokens,
        n_output_tokens=n_output,
        exact=model.counter.exact,
        cost=None if price is None else price.cost(n_tokens, n_output),
        price=None if price is None else price.to_dict(),
    )
