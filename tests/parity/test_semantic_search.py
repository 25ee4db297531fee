"""semantic_search against that of sentence-transformers: they may swap rows only inside a tie."""

from __future__ import annotations

import numpy as np
import pytest

from embedsmith.exceptions import MeasureError
from embedsmith.integrations.sentence_transformers import semantic_search
from tests.parity.test_search_peers import assert_same_ranking

torch = pytest.importorskip("torch", reason="needs the extra 'st'")
util = pytest.importorskip("sentence_transformers", reason="needs the extra 'st'").util
pytestmark = pytest.mark.model

FUNCTIONS = [util.cos_sim, util.pytorch_cos_sim, util.dot_score, util.euclidean_sim]


def embeddings() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    corpus = rng.standard_normal((900, 48)).astype(np.float32)
    corpus[500:600] = corpus[:100]  # ties
    corpus[700] = 0.0
    queries = corpus[rng.integers(0, 900, 30)] + 0.6 * rng.standard_normal((30, 48))
    return queries.astype(np.float32), corpus


def as_tables(hits: list[list[dict[str, int | float]]]) -> tuple[np.ndarray, np.ndarray]:
    return tuple(  # type: ignore[return-value]
        np.array([[hit[key] for hit in row] for row in hits]) for key in ("corpus_id", "score")
    )


def assert_same_hits(arguments, options, score_function) -> None:
    """Compare keys, types, scores and ranking; one call that differs in its import only."""
    queries, corpus = arguments
    ours = semantic_search(queries, corpus, **options, score_function=score_function)
    theirs = util.semantic_search(queries, corpus, **options, score_function=score_function)
    assert [list(map(list, row)) for row in ours] == [list(map(list, row)) for row in theirs]
    assert {type(value) for row in ours for hit in row for value in hit.values()} == {int, float}
    (rows, scores), (other, other_scores) = as_tables(ours), as_tables(theirs)
    # torch.cdist subtracts squares, and so loses half of float32's digits.
    np.testing.assert_allclose(scores, other_scores, rtol=1e-4, atol=2e-3)
    queries, corpus = (
        torch.stack([torch.as_tensor(row) for row in argument]).detach().double()
        for argument in (queries, corpus)
    )
    assert_same_ranking(rows, other, score_function(queries, corpus).numpy(), 1e-4)


@pytest.mark.parametrize("score_function", FUNCTIONS, ids=lambda function: function.__name__)
@pytest.mark.parametrize(
    "options", [{}, {"top_k": 25, "query_chunk_size": 7, "corpus_chunk_size": 130}]
)
def test_arrays(score_function, options) -> None:
    assert_same_hits(embeddings(), options, score_function)


@pytest.mark.parametrize("score_function", FUNCTIONS, ids=lambda function: function.__name__)
@pytest.mark.parametrize(
    "convert",
    [
        torch.tensor,
        lambda a: torch.tensor(a, requires_grad=True),
        lambda a: list(torch.tensor(a)),
        list,
        lambda a: torch.tensor(a, dtype=torch.float64),
        lambda a: torch.tensor(a, dtype=torch.bfloat16),
        lambda a: a.astype(np.float16),
    ],
    ids=["tensor", "gradients", "tensors", "vectors", "float64", "bfloat16", "float16"],
)
def test_every_form_that_theirs_takes(score_function, convert) -> None:
    assert_same_hits([convert(a) for a in embeddings()], {"top_k": 5}, score_function)


def test_one_vector_is_one_query_or_one_document() -> None:
    queries, corpus = embeddings()
    for query, documents in (
        (queries[0], corpus),
        (queries, corpus[0]),
        (queries[0].tolist(), corpus),
    ):
        for function in (util.cos_sim, util.dot_score):
            ours = as_tables(semantic_search(query, documents, score_function=function))
            theirs = as_tables(util.semantic_search(query, documents, score_function=function))
            np.testing.assert_array_equal(ours[0], theirs[0])
            np.testing.assert_allclose(ours[1], theirs[1], atol=1e-4)


def test_more_hits_than_documents() -> None:
    queries, corpus = embeddings()
    assert_same_hits((queries, corpus[:4]), {"top_k": 10}, util.dot_score)


def test_an_empty_corpus() -> None:
    queries, corpus = torch.tensor(embeddings()[0]), torch.empty(0, 48)
    assert semantic_search(queries, corpus) == util.semantic_search(queries, corpus)
    assert semantic_search(corpus, queries) == util.semantic_search(corpus, queries) == []


@pytest.mark.parametrize("name", ["cosine", "dot", "euclidean"])
def test_the_similarity_of_a_model(name) -> None:
    st = pytest.importorskip("sentence_transformers")
    model = st.SentenceTransformer(
        modules=[st.sentence_transformer.modules.Normalize()], similarity_fn_name=name, device="cpu"
    )
    expected = semantic_search(*embeddings(), score_function=name)
    assert semantic_search(*embeddings(), score_function=model.similarity) == expected
    assert_same_hits([torch.tensor(a) for a in embeddings()], {}, model.similarity)
    for member in st.SimilarityFunction:
        if member.value == name:
            assert semantic_search(*embeddings(), score_function=member) == expected


def test_their_other_functions_are_refused() -> None:
    for function in (util.manhattan_sim, util.maxsim, util.pairwise_cos_sim):
        with pytest.raises(MeasureError, match=function.__name__):
            semantic_search(*embeddings(), score_function=function)
