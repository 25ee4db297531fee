"""Which passages queries are written for."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embedsmith.datasets import Corpus, Dataset, stream_corpus
from embedsmith.exceptions import DataError
from embedsmith.hygiene._personal import personal_data
from embedsmith.synthesis._instructions import instructions_in
from embedsmith.synthesis._words import words

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from embedsmith._typing import Json
    from embedsmith.datasets._passages import Collapse

__all__ = ["Chosen", "choose", "corpus_of"]


@dataclass(frozen=True)
class Chosen:
    """Passages to write for, and why others are not among them.

    Attributes
    ----------
    rows : tuple of int
        In the order of the corpus.
    n_short, n_repeated : int
        Passages with too few words, and passages with the very text of one before them.
    n_personal : int
        Passages with personal data, whether they were left out or not.
    instructions : tuple of (int, str)
        Row, and the first stretch that speaks to a machine.
    """

    rows: tuple[int, ...]
    n_short: int
    n_repeated: int
    n_personal: int
    instructions: tuple[tuple[int, str], ...]

    def to_dict(self, corpus: Corpus) -> Json:
        """Return the counts as plain values for JSON."""
        return {
            "corpus": len(corpus),
            "chosen": len(self.rows),
            "short": self.n_short,
            "repeated": self.n_repeated,
            "with_personal_data": self.n_personal,
            "with_instructions": len(self.instructions),
            "instructions": [
                {"passage_id": corpus.ids[row], "text": text} for row, text in self.instructions
            ],
        }


def corpus_of(
    source: Dataset | Corpus | Sequence[str] | str | os.PathLike[str], collapse: Collapse | None
) -> tuple[str, Corpus]:
    """Return name and passages of whatever holds them.

    Parameters
    ----------
    source : Dataset, Corpus, sequence of str, or path
        A path as ``stream_corpus`` takes it: a BEIR folder needs no judgements.
    collapse : str, mapping or callable, optional
        Makes the texts passages of documents, for the quota of each.

    Raises
    ------
    DataError
        If there is no passage.
    """
    if isinstance(source, Dataset):
        name, corpus = source.name, source.corpus
    elif isinstance(source, Corpus):
        name, corpus = "corpus", source
    elif isinstance(source, (str, Path)) or hasattr(source, "__fspath__"):
        stream = stream_corpus(source)
        name = Path(stream.name).name.split(".")[0].rpartition(":")[2] or "corpus"
        blocks = list(stream)
        corpus = Corpus(
            tuple(one for block in blocks for one in block.ids),
            tuple(one for block in blocks for one in block.texts),
        )
    else:
        texts = tuple(source)
        name, corpus = "corpus", Corpus(tuple(f"p{n}" for n in range(1, len(texts) + 1)), texts)
    if not len(corpus):
        msg = f"{name} holds no passage to write queries for. Name a corpus with some."
        raise DataError(msg)
    return name, corpus if collapse is None else corpus.collapsed(collapse)


def choose(
    corpus: Corpus,
    *,
    count: int | None,
    least_words: int,
    seed: int,
    skip_personal: bool,
    send_instructions: bool,
) -> Chosen:
    """Return the passages to write for.

    Parameters
    ----------
    corpus : Corpus
        All of them.
    count : int or None
        How many to draw; None takes all.
    least_words : int
        Shorter passages say too little to be asked for.
    seed : int
        Of the draw.
    skip_personal : bool
        Leave out passages with personal data.
    send_instructions : bool
        Do not leave out passages that speak to a machine.

    Raises
    ------
    DataError
        If none is left.
    """
    rows, n_short, n_repeated = [], 0, 0
    seen: set[str] = set()
    for row, text in enumerate(corpus.texts):
        if len(words(text)) < least_words:
            n_short += 1
        elif text in seen:
            n_repeated += 1
        else:
            rows.append(row)
        seen.add(text)
    if count is not None and count < len(rows):
        # Drawn before passages are looked at: a corpus is large, and the draw is small.
        rows = sorted(random.Random(seed).sample(rows, count))  # noqa: S311 - no secret
    kept, n_personal = [], 0
    instructions = []
    for row in rows:
        text = corpus.texts[row]
        personal = any(personal_data(text))
        n_personal += personal
        spans = instructions_in(text)
        if spans:
            instructions.append((row, text[slice(*spans[0])].strip()[:300]))
        if not (personal and skip_personal) and (send_instructions or not spans):
            kept.append(row)
    if not kept:
        msg = (
            f"no passage is left to write for: {n_short:,} of {len(corpus):,} have fewer than "
            f"{least_words} words, {n_repeated:,} repeat another, {n_personal:,} hold personal "
            f"data, {len(instructions):,} instructions to a machine. Lower least_words "
            "(--least-words), or look at the corpus."
        )
        raise DataError(msg)
    return Chosen(tuple(kept), n_short, n_repeated, n_personal, tuple(instructions))
