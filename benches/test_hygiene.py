"""Near-duplicates among a million short texts, and among a tenth of them beside two peers.

Texts are two glosses of WordNet each; one in ten is a copy of an earlier one with a word changed.
All look for a Jaccard similarity of 0.8 between the shingles of five characters, of the same
normalised text. ``embedsmith`` normalises by itself, and compares each candidate letter by letter;
``datasketch`` (MinHashLSH, 128 permutations, in batches) and ``rensa`` (the same in Rust) get texts
that are normalised, are handed shingles made in Python, as they have none of their own, and give
candidates that nothing has verified. ``planted_found`` says how many of the copies at 0.8 or above
each of them finds.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import embedsmith as es
from benches import wordnet
from benches.engines import THREADS
from benches.vectors import scaled

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

    from benches.conftest import Bench

    Found = Callable[[], np.ndarray]

N_TEXTS = 1_000_000
PEERS_SHARE = 10
THRESHOLD, SIZE, HASHES = 0.8, 5, 128
COPIES = 0.1
SEED = 5


def texts_of(count: int) -> tuple[list[str], np.ndarray]:
    """Return short texts, and the pairs of copy and original that were planted."""
    glosses = es.load_dataset(wordnet.data_folder(), split="test").corpus.texts
    draw = random.Random(SEED)  # noqa: S311 - texts, not secrets
    texts: list[str] = []
    planted = []
    for place in range(count):
        if place and draw.random() < COPIES:
            origin = draw.randrange(place)
            words = texts[origin].split(" ")
            words[draw.randrange(len(words))] = f"w{draw.randrange(10_000)}"
            planted.append((origin, place))
            texts.append(" ".join(words))
        else:
            texts.append(f"{draw.choice(glosses)}; {draw.choice(glosses)}")
    return texts, np.array(planted, dtype=np.int64).reshape(-1, 2)


def normalised(text: str) -> str:
    """Return letters and digits in lower case, with one blank for all between."""
    return " ".join("".join(one if one.isalnum() else " " for one in text.lower()).split())


def shingles(text: str) -> set[str]:
    return {text[at : at + SIZE] for at in range(max(1, len(text) - SIZE + 1))}


def ours(count: int) -> Found:
    texts = texts_of(count)[0]

    def pairs() -> np.ndarray:
        found = es.near_duplicates(texts, THRESHOLD, size=SIZE, threads=THREADS)
        return np.stack([found.first, found.second], axis=1)

    return pairs


def datasketch(count: int) -> Found:
    from datasketch import MinHash, MinHashLSH

    texts = [normalised(text) for text in texts_of(count)[0]]

    def pairs() -> np.ndarray:
        index = MinHashLSH(threshold=THRESHOLD, num_perm=HASHES)
        found = []
        batches = ([one.encode() for one in shingles(text)] for text in texts)
        for place, sketch in enumerate(MinHash.generator(batches, num_perm=HASHES)):
            found += [(other, place) for other in index.query(sketch)]
            index.insert(place, sketch, check_duplication=False)
        return np.array(found, dtype=np.int64).reshape(-1, 2)

    return pairs


def rensa(count: int) -> Found:
    import rensa as library

    texts = [normalised(text) for text in texts_of(count)[0]]

    def pairs() -> np.ndarray:
        sketches = library.RMinHash.from_token_sets(
            [list(shingles(text)) for text in texts], HASHES, SEED
        )
        # Bands of 6 or 8 hashes are what it offers near this threshold with 128 of them.
        index = library.RMinHashLSH(THRESHOLD, HASHES, 16)
        index.insert_pairs(list(enumerate(sketches)))
        found = index.query_all(sketches)
        return np.array(
            [(other, place) for place, of in enumerate(found) for other in of if other < place],
            dtype=np.int64,
        ).reshape(-1, 2)

    return pairs


ENGINES = {"datasketch": datasketch, "rensa": rensa, "embedsmith": ours}
CASES = [*((engine, PEERS_SHARE) for engine in ENGINES), ("embedsmith", 1)]


@pytest.mark.parametrize(("engine", "share"), CASES)
def test_near_duplicates(
    bench: Bench, benchmark: BenchmarkFixture, engine: str, share: int
) -> None:
    if not wordnet.data_folder().is_dir():
        pytest.skip(f"no WordNet in {wordnet.data_folder()}")
    count = scaled(N_TEXTS // share)
    found: Any = bench(
        ENGINES[engine],
        count,
        engine=engine,
        baseline="datasketch",
        shape={"texts": count},
        dtype="str",
        threads=THREADS,
        data="wordnet",
        # Peers take minutes.
        rounds=3 if engine == "embedsmith" else 1,
    )
    texts, planted = texts_of(count)
    pairs = set(map(tuple, found.tolist()))
    true = [
        (origin, place)
        for origin, place in planted[:: max(1, len(planted) // 2000)].tolist()
        if similarity(texts[origin], texts[place]) >= THRESHOLD
    ]
    share_found = sum(pair in pairs for pair in true) / max(1, len(true))
    benchmark.extra_info["planted_found"] = round(share_found, 4)
    benchmark.extra_info["pairs"] = len(found)
    if engine == "embedsmith":
        assert share_found >= 0.99
        some = found[:: max(1, len(found) // 2000)].tolist()
        assert all(similarity(texts[a], texts[b]) >= THRESHOLD for a, b in some)


def similarity(one: str, other: str) -> float:
    a, b = shingles(normalised(one)), shingles(normalised(other))
    return len(a & b) / len(a | b)
