"""Laws of the measures, on random judgements and runs with many ties."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedsmith.metrics import evaluate_run

MEASURES = ["nDCG@3", "nDCG", "AP", "RR", "R@4", "P@3", "P(rel=2)@2", "Success@2"]
DOCS = [f"d{i}" for i in range(14)]
QUERIES = ["q1", "q2", "q3"]

grades = st.dictionaries(st.sampled_from(DOCS), st.integers(-1, 3), max_size=10)
scores = st.dictionaries(
    st.sampled_from(DOCS), st.sampled_from([0.0, -0.0, 0.5, 1.0, 2.0, -1.0]), max_size=14
)
judgements = st.fixed_dictionaries(dict.fromkeys(QUERIES, grades))
runs = st.fixed_dictionaries(dict.fromkeys(QUERIES, scores))
rules = st.sampled_from(["docid_desc", "docid_asc"])


def _values(qrels, run, **options: Any) -> np.ndarray:
    table = evaluate_run(qrels, run, MEASURES, confidence=None, **options)
    assert set(table.query_ids) == set(QUERIES)
    return np.array(
        [[table.per_query[m][table.query_ids.index(q)] for q in QUERIES] for m in table.measures]
    )


def _sorted_run(grades_of, scores_of, rule: str) -> list[int]:
    """Return the grades in rank order: the definition, by sorting."""
    order = sorted(scores_of, reverse=rule == "docid_desc")
    return [grades_of.get(doc, 0) for doc in sorted(order, key=lambda doc: -scores_of[doc])]


def _by_definition(grades_of, scores_of, rule: str) -> list[float]:
    ranked = _sorted_run(grades_of, scores_of, rule)
    gains = [max(grade, 0) for grade in ranked]
    ideal = sorted((max(grade, 0) for grade in grades_of.values()), reverse=True)
    relevant = sum(grade >= 1 for grade in grades_of.values())

    def ndcg(k: int) -> float:
        def dcg(g: list[int]) -> float:
            return sum(gain / math.log2(i + 2) for i, gain in enumerate(g[:k]))

        return dcg(gains) / dcg(ideal) if dcg(ideal) else 0.0

    hits = [i + 1 for i, grade in enumerate(ranked) if grade >= 1]
    return [
        ndcg(3),
        ndcg(100),
        sum((n + 1) / rank for n, rank in enumerate(hits)) / relevant if relevant else 0.0,
        1 / hits[0] if hits else 0.0,
        sum(rank <= 4 for rank in hits) / relevant if relevant else 0.0,
        sum(rank <= 3 for rank in hits) / 3,
        sum(grade >= 2 for grade in ranked[:2]) / 2,
        float(any(rank <= 2 for rank in hits)),
    ]


@given(judgements, runs, rules)
@settings(max_examples=300, deadline=None)
def test_values_equal_the_definition_by_sorting(qrels, run, rule):
    expected = np.array([_by_definition(qrels[q], run[q], rule) for q in QUERIES]).T
    np.testing.assert_allclose(_values(qrels, run, ties=rule), expected, rtol=0, atol=1e-12)


@given(judgements, runs)
@settings(max_examples=100, deadline=None)
def test_values_lie_between_0_and_1(qrels, run):
    values = _values(qrels, run)
    assert ((values >= 0) & (values <= 1 + 1e-15)).all()


@given(judgements, runs, st.randoms())
@settings(max_examples=100, deadline=None)
def test_the_order_of_dicts_changes_nothing(qrels, run, random):
    def shuffled(mapping):
        items = list(mapping.items())
        random.shuffle(items)
        return {k: shuffled(v) if isinstance(v, dict) else v for k, v in items}

    np.testing.assert_array_equal(_values(shuffled(qrels), shuffled(run)), _values(qrels, run))


@given(judgements, runs)
@settings(max_examples=100, deadline=None)
def test_an_irrelevant_document_at_the_end_changes_nothing(qrels, run):
    longer = {query: {**found, "unjudged": -9.0} for query, found in run.items()}
    np.testing.assert_array_equal(_values(qrels, longer), _values(qrels, run))


@given(judgements, runs)
@settings(max_examples=100, deadline=None)
def test_a_monotone_change_of_scores_changes_nothing(qrels, run):
    moved = {q: {doc: 3 * score + 1 for doc, score in found.items()} for q, found in run.items()}
    np.testing.assert_array_equal(_values(qrels, moved), _values(qrels, run))


@given(judgements, runs, rules)
@settings(max_examples=200, deadline=None)
def test_arrays_equal_dicts(qrels, run, rule):
    depth = len(DOCS)
    array_scores = np.full((len(QUERIES), depth), -np.inf, dtype=np.float32)
    rows = np.full((len(QUERIES), depth), -1, dtype=np.int64)
    for i, query in enumerate(QUERIES):
        for j, (doc, score) in enumerate(sorted(run[query].items(), key=lambda item: -item[1])):
            array_scores[i, j], rows[i, j] = score, DOCS.index(doc)
    arrays = _values(qrels, (array_scores, rows), query_ids=QUERIES, doc_ids=DOCS, ties=rule)
    np.testing.assert_array_equal(arrays, _values(qrels, run, ties=rule))


@given(st.integers(0, 2**64 - 1), st.integers(2, 4))
@settings(max_examples=15, deadline=None)
def test_threads_change_no_bit(seed, threads):
    rng = np.random.default_rng(seed)
    qrels = {f"q{i}": {"d1": 1, "d2": int(rng.integers(0, 3))} for i in range(700)}
    run = {q: {d: float(rng.integers(0, 4)) for d in ("d1", "d2", "d3")} for q in qrels}
    one, many = (
        evaluate_run(qrels, run, MEASURES, n_resamples=300, seed=seed, threads=n).to_dict()
        for n in (1, threads)
    )
    assert one == many


@pytest.mark.parametrize("n_relevant", [16, 17, 60])
def test_ranks_by_counting_and_by_sorting_agree_with_the_definition(n_relevant):
    # 16 relevant documents found is where the core turns from counting to sorting.
    rng = np.random.default_rng(n_relevant)
    found = {f"d{i}": float(rng.integers(0, 9)) for i in range(100)}
    qrels = {f"d{i}": 1 for i in rng.permutation(100)[:n_relevant]}
    table = evaluate_run({"q": qrels}, {"q": found}, ["AP", "nDCG@3"], confidence=None)
    expected = _by_definition(qrels, found, "docid_desc")
    assert table.mean["AP"] == pytest.approx(expected[2], abs=1e-12)
    assert table.mean["nDCG@3"] == pytest.approx(expected[0], abs=1e-12)
