"""``pool="st"`` against sentence-transformers' own function (6.2), row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import embedsmith as es

torch = pytest.importorskip("torch")
datasets = pytest.importorskip("datasets")
library = pytest.importorskip("sentence_transformers.util")

FORMATS = ("triplet", "n-tuple", "labeled-pair", "labeled-list")


class Table:
    """A model that knows the vectors of its texts: what the library asks a model for."""

    device = torch.device("cpu")

    def __init__(self, seed: int, queries: list[str], passages: list[str], dim: int = 16) -> None:
        rng = np.random.default_rng(seed)
        topics = rng.normal(size=(5, dim))
        self.of = {
            text: _unit(topics[at % 5] + 0.7 * rng.normal(size=dim))
            for at, text in enumerate([*queries, *passages])
        }

    def encode_query(self, texts: list[str], **_: Any) -> np.ndarray:
        return np.stack([self.of[text] for text in texts])

    encode_document = encode_query

    def similarity(self, a: Any, b: Any) -> Any:
        return torch.as_tensor(a) @ torch.as_tensor(b).T

    def similarity_pairwise(self, a: Any, b: Any) -> Any:
        return (torch.as_tensor(a) * torch.as_tensor(b)).sum(dim=1)


def _unit(vector: np.ndarray) -> np.ndarray:
    unit: np.ndarray = (vector / np.linalg.norm(vector)).astype(np.float32)
    return unit


def pairs_of(seed: int) -> tuple[list[tuple[str, str]], list[str], list[str]]:
    """Return pairs with several positives a query, repeated pairs, and a corpus beyond them."""
    rng = np.random.default_rng(seed)
    queries = [f"query {one}" for one in range(25)]
    passages = [f"passage {one}" for one in range(120)]
    pairs = []
    for query in queries:
        rows = rng.choice(60, size=rng.integers(1, 5), replace=False).tolist()
        pairs += [(query, passages[row]) for row in rows]
    pairs += [pairs[3], pairs[3], pairs[10]]
    order = rng.permutation(len(pairs))
    return [pairs[at] for at in order], queries, passages


def theirs(pairs: list[tuple[str, str]], model: Any, **how: Any) -> list[dict[str, Any]]:
    data = datasets.Dataset.from_dict(
        {"anchor": [a for a, _ in pairs], "positive": [p for _, p in pairs]}
    )
    found = library.mine_hard_negatives(data, model, verbose=False, **how)
    return [dict(row) for row in found]


def ours(pairs: list[tuple[str, str]], model: Any, **how: Any) -> list[dict[str, Any]]:
    output = {name: how.pop(name) for name in ("output_format", "output_scores") if name in how}
    how = {"relative_margin": None, "add_positives": True, **how}
    mined = es.mine_hard_negatives(pairs, model, pool="st", **how)
    return list(mined.examples(**output))


def assert_same(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    assert len(found) == len(wanted)
    for own, other in zip(found, wanted, strict=True):
        assert list(own) == list(other)
        for name, value in other.items():
            if name in ("score", "scores"):
                np.testing.assert_allclose(own[name], value, atol=1e-6, rtol=0)
            else:
                assert own[name] == value, name


RULES: list[dict[str, Any]] = [
    {},
    {"num_negatives": 1},
    {"num_negatives": 5, "range_min": 4},
    {"range_min": 2, "range_max": 9},
    {"absolute_margin": 0.0},
    {"absolute_margin": 0.1, "max_score": 0.7},
    {"relative_margin": 0.05},
    {"relative_margin": 0.3, "min_score": 0.0, "num_negatives": 6},
    {"max_score": 0.4, "range_max": 12},
    {"min_score": 0.5},
]


@pytest.mark.parametrize("rules", RULES, ids=str)
@pytest.mark.parametrize("output_format", FORMATS)
def test_top_gives_the_same_rows_and_scores(rules: dict[str, Any], output_format: str) -> None:
    for seed, scores, wide in ((1, True, True), (2, False, False)):
        pairs, queries, passages = pairs_of(seed)
        model = Table(seed, queries, passages)
        how = {
            **rules,
            "output_format": output_format,
            "output_scores": scores,
            "corpus": passages[:100] if wide else None,
        }
        assert_same(ours(pairs, model, **how), theirs(pairs, model, **how))


def test_positives_among_the_candidates_keep_their_places() -> None:
    pairs, queries, passages = pairs_of(3)
    model = Table(3, queries, passages)
    how = {"include_positives": True, "num_negatives": 8, "output_format": "n-tuple"}
    assert_same(
        ours(pairs, model, output_scores=True, **how),
        theirs(pairs, model, output_scores=True, **how),
    )


class Judge:
    """A cross-encoder that rates pairs by their characters."""

    def predict(self, pairs: list[tuple[str, str]], **how: Any) -> Any:
        values = [((hash_of(a) * 31 + hash_of(b)) % 1000) / 1000 for a, b in pairs]
        return torch.tensor(values) if how.get("convert_to_tensor") else np.array(values)


def hash_of(text: str) -> int:
    return sum(ord(letter) * (at + 7) for at, letter in enumerate(text))


@pytest.mark.parametrize(
    "rules", [{"max_score": 0.8}, {"absolute_margin": 0.1}, {"min_score": 0.3}, {}], ids=str
)
def test_a_cross_encoder_decides_as_theirs_does(rules: dict[str, Any]) -> None:
    pairs, queries, passages = pairs_of(4)
    model = Table(4, queries, passages)
    how = {**rules, "cross_encoder": Judge(), "corpus": passages, "output_scores": True}
    found, wanted = ours(pairs, model, **how), theirs(pairs, model, **how)
    # Equal ratings: their order is topk's, ours the rank's.
    assert len(found) == len(wanted)
    for own, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(own["scores"], other["scores"], atol=1e-6)
        assert (own["anchor"], own["positive"]) == (other["anchor"], other["positive"])


def test_a_real_model_gives_the_same_negatives() -> None:
    models = pytest.importorskip("sentence_transformers")
    model = models.SentenceTransformer(str(es.backends.resolve_model("all-MiniLM-L6-v2")))
    data = es.load_dataset("sample:bank")
    texts = dict(zip(data.corpus.ids, data.corpus.texts, strict=True))
    pairs = [
        (query, texts[doc])
        for name, query in zip(data.queries.ids, data.queries.texts, strict=True)
        for doc, grade in data.qrels[name].items()
        if grade > 0
    ]
    how: dict[str, Any] = {
        "corpus": list(texts.values()),
        "relative_margin": 0.05,
        "output_scores": True,
    }
    assert_same(ours(pairs, model, **how), theirs(pairs, model, **how))
