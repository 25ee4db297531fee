"""Laws of the rules for ties, by counting every order of small lists."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedsmith.exceptions import MeasureError
from embedsmith.metrics import evaluate_run

MEASURES = [
    "nDCG@3",
    'nDCG(gain="exp2")',
    "nDCG(gain={0:0.5,1:2,2:1,3:4})@4",
    "DCG@2",
    "AP",
    "AP@3",
    'AP(norm="min_k")@2',
    "RR",
    "RR@2",
    "R@3",
    "R(cap=True)@2",
    "P@3",
    "P(rel=2)@2",
    "F(beta=2)@3",
    "Success@2",
    "Rprec",
    "Bpref",
    "RBP(p=0.7)@3",
    "RBP(p=0.7,residual=True)",
    "ERR(max_rel=3)@3",
    "NERR(max_rel=3)",
    "Judged@3",
    "Hole@3",
    "AP(judged_only=True)",
    "SetF",
    "NumRelRet",
]
# Where more is not better: what best and worst order, they order by grades alone.
UNORDERED = {"RBP(p=0.7,residual=True)", "Hole@3", "nDCG(gain={0:0.5,1:2,2:1,3:4})@4"}
DOCS = [f"d{i}" for i in range(6)]

grades = st.dictionaries(st.sampled_from(DOCS), st.integers(-1, 3), min_size=1, max_size=6)
scores = st.dictionaries(st.sampled_from(DOCS), st.sampled_from([0.0, 1.0]), min_size=1, max_size=6)


def _values(qrels: dict[str, int], run: dict[str, float], **options: Any) -> np.ndarray:
    table = evaluate_run({"q": qrels}, {"q": run}, MEASURES, confidence=None, **options)
    return np.array([table.per_query[name][0] for name in table.measures])


def _all_orders(qrels: dict[str, int], run: dict[str, float]) -> np.ndarray:
    """Return the values of each order that the scores allow."""
    levels = [[doc for doc in run if run[doc] == score] for score in (1.0, 0.0)]
    rows = []
    for order in product(*(permutations(level) for level in levels)):
        ranked = [doc for level in order for doc in level]
        rows.append(_values(qrels, {doc: -float(i) for i, doc in enumerate(ranked)}))
    return np.array(rows)


@given(grades, scores)
@settings(max_examples=25, deadline=None)
def test_expected_values_are_means_over_all_orders_and_best_and_worst_their_ends(qrels, run):
    every = _all_orders(qrels, run)
    np.testing.assert_allclose(
        _values(qrels, run, ties="expected"), every.mean(axis=0), rtol=0, atol=1e-12
    )
    ordered = np.array([name not in UNORDERED for name in MEASURES])
    for rule, end in (("best", every.max(axis=0)), ("worst", every.min(axis=0))):
        found = _values(qrels, run, ties=rule)
        np.testing.assert_allclose(found[ordered], end[ordered], rtol=0, atol=1e-12)


@given(grades, scores, st.sampled_from(["docid_desc", "docid_asc", "input", "best", "worst"]))
@settings(max_examples=50, deadline=None)
def test_every_rule_gives_the_values_of_some_order(qrels, run, rule):
    found = _values(qrels, run, ties=rule)
    assert np.isclose(_all_orders(qrels, run), found, rtol=0, atol=1e-12).all(axis=1).any()


@given(grades, scores, st.sampled_from(["docid_desc", "input", "expected", "best", "worst"]))
@settings(max_examples=50, deadline=None)
def test_without_ties_the_rule_changes_nothing(qrels, run, rule):
    apart = {doc: score + i / 10 for i, (doc, score) in enumerate(run.items())}
    np.testing.assert_array_equal(_values(qrels, apart, ties=rule), _values(qrels, apart))


@given(st.dictionaries(st.sampled_from(DOCS), st.integers(-1, 3), min_size=1), scores)
@settings(max_examples=50, deadline=None)
def test_arrays_equal_dicts_by_every_rule(qrels, run):
    listed = sorted(run.items(), key=lambda item: -item[1])
    array_scores, rows = np.full((1, len(DOCS)), -np.inf), np.full((1, len(DOCS)), -1)
    array_scores[0, : len(listed)] = [score for _, score in listed]
    rows[0, : len(listed)] = [DOCS.index(doc) for doc, _ in listed]
    for rule in ("docid_desc", "docid_asc", "expected", "best", "worst"):
        table = evaluate_run(
            {"q": qrels},
            (array_scores, rows),
            MEASURES,
            query_ids=["q"],
            doc_ids=DOCS,
            ties=rule,
            confidence=None,
        )
        found = [table.per_query[name][0] for name in table.measures]
        np.testing.assert_array_equal(found, _values(qrels, run, ties=rule))


@pytest.mark.parametrize("name", ["infAP", "IPrec@0.5", "11pt"])
def test_measures_without_a_closed_form_say_so(name):
    with pytest.raises(MeasureError, match=r"no closed form for ties=\"expected\".*docid_desc"):
        evaluate_run({"q": {"d": 1}}, {"q": {"d": 1.0}}, [name], ties="expected")
    assert evaluate_run({"q": {"d": 1}}, {"q": {"d": 1.0}}, [name], ties="best").mean[name] == 1.0


def test_a_large_tie_has_its_expected_value_at_once():
    # 3 of 100,000 documents are relevant: the first one is expected at (n + 1) / (r + 1).
    docs = [f"d{i}" for i in range(100_000)]
    run = {"q": dict.fromkeys(docs, 1.0)}
    qrels = {"q": dict.fromkeys(docs[:3], 1)}
    table = evaluate_run(qrels, run, ["P@10", "R@50000", "ERR@10", "Success@10"], ties="expected")
    assert table.mean["P@10"] == pytest.approx(3e-5)
    assert table.mean["R@50000"] == pytest.approx(0.5)
    missed = np.prod([(99_990 - i) / (100_000 - i) for i in range(3)])
    assert table.mean["Success@10"] == pytest.approx(1 - missed)
    assert table.tie_share == 1.0
