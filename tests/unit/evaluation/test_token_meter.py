"""How far an evaluation says it is while it embeds."""

from __future__ import annotations

from embedsmith import evaluate
from embedsmith.evaluation._token_meter import TokenMeter


class Heard:
    def __init__(self):
        self.texts = 0
        self.said: list[tuple[int, int]] = []
        self.notes: list[str] = []

    def begin(self, *_stage):
        self.texts = 0

    def tokens(self, done, left):
        self.said.append((done, left))

    def advance(self, count):
        self.texts += count

    def end(self):
        pass

    def note(self, text):
        self.notes.append(text)


def test_tokens_left_are_estimated_from_the_characters_of_the_longest_texts():
    heard = Heard()
    # With one for what every text has besides: 100, 50, 25 and 25 characters.
    meter = TokenMeter(["a" * 24, "b" * 99, "c" * 49, "d" * 24], None, heard)
    for texts, tokens in ((1, 20), (2, 30), (4, 40)):
        meter.tokens(tokens)
        meter(texts)
    assert heard.said == [(20, 20), (30, 10), (40, 0)]
    assert heard.texts == 4


def test_a_text_that_is_cut_counts_as_far_as_it_is_read():
    heard = Heard()
    meter = TokenMeter(["a" * 100_000, *["b" * 39] * 3], 10, heard)
    meter.tokens(10)
    meter(1)
    assert heard.said == [(10, 30)]


def test_an_evaluation_tells_tokens_to_who_hears_them():
    heard = Heard()
    evaluate("fake:8", "sample:bank", cache=False, latency_queries=0, progress=heard)
    done, left = heard.said[-1]
    assert left == 0
    assert done > 100
    assert all(tokens > 0 for tokens, _ in heard.said)
