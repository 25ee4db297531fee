"""Corpus, Queries and Dataset: what they refuse, and what the hash covers."""

from __future__ import annotations

import dataclasses
import hashlib
import struct

import pytest

from embedsmith.datasets import Corpus, Dataset, Qrels, Queries
from embedsmith.exceptions import DataError

CORPUS = Corpus(("d1", "d2"), ("one", "zwei \u20ac"))
QUERIES = Queries(("q1",), ("which",))
QRELS = Qrels({"q1": {"d2": 2, "d1": -1}})


def test_the_hash_is_that_of_the_documented_bytes() -> None:
    def text(value: str) -> bytes:
        return struct.pack("<q", len(value.encode())) + value.encode()

    content = b"embedsmith.dataset/1"
    content += struct.pack("<q", 2) + text("d1") + text("one") + text("d2") + text("zwei \u20ac")
    content += struct.pack("<q", 1) + text("q1") + text("which")
    content += struct.pack("<q", 2)
    content += text("q1") + text("d2") + struct.pack("<q", 2)
    content += text("q1") + text("d1") + struct.pack("<q", -1)
    data = Dataset("n", "test", CORPUS, QUERIES, QRELS)
    assert data.hash == hashlib.sha256(content).hexdigest()
    assert data.hash == dataclasses.replace(data, name="m", split="dev", n_unjudged=3).hash


@pytest.mark.parametrize(
    "change",
    [
        {"corpus": Corpus(("d1", "d2"), ("one", "zwei"))},
        {"corpus": Corpus(("d2", "d1"), ("zwei \u20ac", "one"))},
        {"queries": Queries(("q1",), ("what",))},
        {"qrels": Qrels({"q1": {"d2": 1, "d1": -1}})},
    ],
)
def test_the_hash_changes_with_the_content(change: dict[str, Corpus | Queries | Qrels]) -> None:
    data = Dataset("n", "test", CORPUS, QUERIES, QRELS)
    assert dataclasses.replace(data, **change).hash != data.hash  # type: ignore[arg-type]


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="1 document that the corpus lacks: 'd2'"):
        Dataset("n", "test", Corpus(("d1",), ("one",)), QUERIES, QRELS)
    with pytest.raises(DataError, match="1 query that the queries lack: 'q1'"):
        Dataset("n", "test", CORPUS, Queries(("q2",), ("x",)), QRELS)
    with pytest.raises(DataError, match="1 query of 'n' without judgement: 'q2'"):
        Dataset("n", "test", CORPUS, Queries(("q1", "q2"), ("x", "y")), QRELS)


@pytest.mark.parametrize("part", ["corpus", "queries", "qrels"])
def test_an_empty_part_is_refused(part: str) -> None:
    empty = {"corpus": Corpus((), ()), "queries": Queries((), ()), "qrels": Qrels({})}
    parts = {"corpus": CORPUS, "queries": QUERIES, "qrels": QRELS} | {part: empty[part]}
    with pytest.raises(DataError, match=f"{part} of 'n' is empty"):
        Dataset.build("n", **parts)  # type: ignore[arg-type]


def test_build_leaves_out_unjudged_queries_and_counts_them() -> None:
    data = Dataset.build("n", CORPUS, Queries(("q0", "q1"), ("x", "which")), QRELS)
    assert data.queries == QUERIES
    assert data.n_unjudged == 1


@pytest.mark.parametrize(
    ("ids", "texts", "said"),
    [
        (("a", "a"), ("x", "y"), "the id 'a' more than once"),
        (("a",), ("x", "y"), "1 ids but 2 texts"),
        (("a", 2), ("x", "y"), "the id 2 at position 1, which is no string"),
        (("a",), (None,), "the text None at position 0"),
    ],
)
def test_texts_are_checked(ids: tuple[str, ...], texts: tuple[str, ...], said: str) -> None:
    for kind in (Corpus, Queries):
        with pytest.raises(DataError, match=said):
            kind(ids, texts)


def test_values_are_frozen() -> None:
    data = Dataset("n", "test", CORPUS, QUERIES, QRELS)
    for value, name in ((data, "name"), (CORPUS, "ids"), (QRELS, "rows")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, None)
        assert not hasattr(value, "__dict__")
    assert isinstance(Corpus(["a"], ["x"]).ids, tuple)  # type: ignore[arg-type]
