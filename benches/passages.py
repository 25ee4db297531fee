"""Real passages of widely mixed length for the encoders, and the model that embeds them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benches.vectors import scaled
from benches.wordnet import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

MODEL = "all-MiniLM-L6-v2"
LARGER = "all-mpnet-base-v2"
N_PASSAGES = 1_500
N_LARGER = 300
N_QUERIES = 50
# Multiplications and additions of the model for one token, attention aside: 6 layers of 384.
FLOP_PER_TOKEN = 22.4e6
LARGER_FLOP_PER_TOKEN = 169.9e6
MAX_TOKENS = 256
LARGER_MAX_TOKENS = 384
SEED = 5


class Passages(NamedTuple):
    """Texts, and how many tokens the model sees of all of them."""

    texts: list[str]
    queries: list[str]
    n_tokens: int


def data_folder() -> Path:
    """Return where ObliQA should lie: beside the checkout, or in EMBEDSMITH_TEST_DATA."""
    named = os.environ.get("EMBEDSMITH_TEST_DATA")
    return (Path(named) if named else ROOT.parent / "shared" / "data") / "obliqa"


def absent() -> str | None:
    """Return why there are no passages, or None if there are."""
    if data_folder().is_dir():
        return None
    return f"no ObliQA in {data_folder()}; EMBEDSMITH_TEST_DATA names another folder"


def passages(name: str = MODEL) -> Passages:
    """Draw passages of regulation at random: from a heading to more than the model looks at."""
    import tokenizers

    import embedsmith as es
    from embedsmith.backends import resolve_model

    data = es.load_dataset(data_folder(), split="test")
    is_larger = name == LARGER
    texts = _drawn(data.corpus.texts, scaled(N_LARGER if is_larger else N_PASSAGES))
    queries = _drawn(data.queries.texts, N_QUERIES)
    reader = tokenizers.Tokenizer.from_file(str(resolve_model(name) / "tokenizer.json"))
    reader.no_padding()
    reader.enable_truncation(LARGER_MAX_TOKENS if is_larger else MAX_TOKENS)
    return Passages(texts, queries, sum(len(one) for one in reader.encode_batch(texts)))


def _drawn(texts: Sequence[str], count: int) -> list[str]:
    distinct = list(dict.fromkeys(texts))
    chosen = np.random.default_rng(SEED).choice(
        len(distinct), min(count, len(distinct)), replace=False
    )
    return [distinct[at] for at in chosen]
