"""Queries without a model: salient terms of a passage, and spans cropped from it.

They hold words of the passage and no others, so a search by words finds their source at once, and
what they say of models flatters those that match words. For training they are the inverse cloze
task and its kin; for choosing a model they are a stopgap.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from typing import TYPE_CHECKING

from embedsmith.synthesis._candidate import Candidate
from embedsmith.synthesis._kinds import slots
from embedsmith.synthesis._words import content_hash, words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["KeywordWriter"]

_K1, _B = 1.2, 0.75
_POOL = 10
_TERMS = (3, 6)
_SPAN = (6, 16)
_SHORTEST = 3
_EDGE = re.compile(r"^\W+|\W+$")


class KeywordWriter:
    """Draws salient terms and spans.

    Terms are drawn from the ten of a passage with the highest weight of BM25, in proportion to
    it, and stand in the order of the passage. Spans are runs of 6 to 16 words, from anywhere.

    Parameters
    ----------
    texts : sequence of str
        The corpus, for the frequency of words.
    kinds : mapping of str to int
        Of ``"keyword"`` and ``"span"``.
    seed : int
        Of all draws; each passage has its own, by its text.

    References
    ----------
    Lee, Chang and Toutanova, "Latent Retrieval for Weakly Supervised Open Domain Question
    Answering", 2019 (inverse cloze task); Izacard et al., "Unsupervised Dense Information
    Retrieval with Contrastive Learning", 2021 (independent cropping). Weights as in
    ``backends.Bm25``.
    """

    def __init__(self, texts: Sequence[str], kinds: Mapping[str, int], seed: int) -> None:
        self._texts, self._kinds, self._seed = texts, kinds, seed
        self._frequency: Counter[str] = Counter()
        length = 0
        for text in texts:
            found = words(text)
            length += len(found)
            self._frequency.update(set(found))
        self._mean_length = max(length / max(len(texts), 1), 1.0)

    def write(self, passage: int) -> list[Candidate]:
        """Return the queries of a passage; those that cannot be made are empty, and dropped later.

        Parameters
        ----------
        passage : int
            Row in the corpus.
        """
        text = self._texts[passage]
        digest = content_hash(text)
        made = []
        for place, kind in enumerate(slots(self._kinds)):
            rng = random.Random(f"{self._seed}/{digest}/{kind}/{place}")  # noqa: S311
            query = self._terms(text, rng) if kind == "keyword" else _span(text, rng)
            settings = f"keywords/1 {kind} {place} {self._seed} {digest}"
            made.append(Candidate(passage, kind, query, content_hash(settings)))
        return made

    def _terms(self, text: str, rng: random.Random) -> str:
        found = words(text)
        weights = {
            word: self._weight(word, count, len(found))
            for word, count in Counter(found).items()
            if len(word) >= _SHORTEST and not word.isdecimal()
        }
        pool = sorted(weights, key=lambda word: (-weights[word], word))[:_POOL]
        wanted = min(rng.randint(*_TERMS), len(pool))
        # The key of each is exponential with its weight as the rate: a draw without replacement.
        drawn = sorted(pool, key=lambda word: rng.expovariate(1.0) / max(weights[word], 1e-9))
        chosen = drawn[:wanted]
        return " ".join(sorted(chosen, key=found.index))

    def _weight(self, word: str, count: int, length: int) -> float:
        n_docs, frequency = len(self._texts), self._frequency[word]
        idf = math.log(1 + (n_docs - frequency + 0.5) / (frequency + 0.5))
        return idf * count / (count + _K1 * (1 - _B + _B * length / self._mean_length))


def _span(text: str, rng: random.Random) -> str:
    found = text.split()
    length = min(rng.randint(*_SPAN), len(found))
    start = rng.randint(0, len(found) - length)
    return _EDGE.sub("", " ".join(found[start : start + length]))
