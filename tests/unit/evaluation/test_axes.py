"""Slices, recall curves and worst queries of an evaluation, each against a plain computation."""

from __future__ import annotations

import json
import logging
from typing import Any

import numpy as np
import pytest

from embedsmith.datasets import Corpus, Dataset, Qrels, Queries, load_dataset
from embedsmith.evaluation import EvaluationResult, evaluate
from embedsmith.exceptions import DataError, ShapeError
from embedsmith.metrics import evaluate_run

OFF: dict[str, Any] = {"latency_queries": 0, "cache": False}


@pytest.fixture(scope="module")
def bank():
    return load_dataset("sample:bank")


@pytest.fixture(scope="module")
def result(bank):
    return evaluate(["fake:64", "bm25"], bank, slices=["kind", "length"], small_slice=10, **OFF)


def test_a_slice_is_what_its_queries_alone_would_score(result, bank):
    kinds = bank.queries.metadata["kind"]
    for model in result.models:
        for part in model.slices:
            if part.field != "kind":
                continue
            ids = [i for i, kind in zip(bank.queries.ids, kinds, strict=True) if kind == part.value]
            alone = evaluate_run(
                {query: bank.qrels[query] for query in ids},
                {query: model.run[query] for query in ids},
                model.table.measures,
            )
            assert part.n_queries == len(ids)
            assert part.mean == pytest.approx(alone.mean)
            assert part.ci == alone.ci
            assert part.small == (len(ids) < 10)


def test_a_slice_by_a_geometric_mean_or_a_count_is_that_of_its_queries(bank):
    found = evaluate(
        ["fake:64", "bm25"], bank, measures=["gMAP", "NumRet", "AP"], slices=["kind"], **OFF
    )
    part, table = found.models[0].slices[0], found.models[0].table
    kinds = bank.queries.metadata["kind"]
    rows = [i for i, kind in enumerate(kinds) if kind == part.value]
    values = table.per_query["gMAP"][rows]
    assert part.mean["gMAP"] == pytest.approx(np.exp(np.log(values).mean()))
    assert part.mean["NumRet"] == table.per_query["NumRet"][rows].sum()
    assert found.comparison is not None
    assert found.comparison.measures == ("AP",)
    other = next(one for model in found.models for one in model.slices if one.against)
    assert set(other.difference) == {"AP"}


def test_slices_difference_is_paired_with_the_baseline(result, bank):
    bm25, fake = result.model("bm25"), result.model("fake:64")
    place = {query: row for row, query in enumerate(fake.table.query_ids)}
    for part, other in zip(fake.slices, bm25.slices, strict=True):
        assert (part.field, part.value) == (other.field, other.value)
        assert part.against == "bm25"
        assert other.against is None
        assert not other.difference
        if part.field != "kind":
            continue
        kinds = zip(bank.queries.ids, bank.queries.metadata["kind"], strict=True)
        rows = [place[query] for query, kind in kinds if kind == part.value]
        gain = (fake.table.per_query["R@10"] - bm25.table.per_query["R@10"])[rows]
        delta, low, high = part.difference["R@10"]
        assert delta == pytest.approx(gain.mean())
        assert low <= delta <= high


def test_every_query_is_in_one_slice_of_each_field(result):
    for field in ("kind", "length"):
        parts = [part for part in result.models[0].slices if part.field == field]
        assert sum(part.n_queries for part in parts) == 100


def test_small_slices_are_warned_about_once_for_all_models(bank, caplog):
    with caplog.at_level(logging.WARNING, logger="embedsmith"):
        evaluate(["fake:8", "bm25"], bank, slices="kind", **OFF)
    assert len([r for r in caplog.records if "fewer than 30 queries" in r.getMessage()]) == 1


def test_slices_follow_the_queries_whatever_the_order_of_judgements(bank):
    reversed_qrels = Qrels({query: bank.qrels[query] for query in reversed(bank.queries.ids)})
    other = Dataset.build("bank", bank.corpus, bank.queries, reversed_qrels)
    first = evaluate("bm25", bank, slices="kind", **OFF).models[0].slices
    second = evaluate("bm25", other, slices="kind", **OFF).models[0].slices
    for a, b in zip(first, second, strict=True):
        assert (a.value, a.n_queries) == (b.value, b.n_queries)
        assert a.mean == pytest.approx(b.mean)


def test_the_curve_is_recall_at_each_of_its_points(result, bank):
    for model in result.models:
        curve = model.curve
        assert curve is not None
        assert curve.ks == (1, 2, 3, 5, 10, 20, 30, 50, 100)
        assert list(curve.recall) == sorted(curve.recall)
        table = evaluate_run(bank.qrels, model.run, [f"R@{k}" for k in curve.ks])
        assert curve.recall == pytest.approx(tuple(table.mean.values()))
        assert curve.recall[4] == model.table.mean["R@10"]


@pytest.fixture
def words():
    """Return six queries: three answered, one beaten by another, two without any hit."""
    texts = ("alpha one", "beta two", "gamma three", "delta four", "epsilon   \n five", "zeta six")
    corpus = Corpus(tuple(f"d{i}" for i in range(6)), texts)
    asked = ("alpha", "beta", "gamma", "alpha alpha delta", "nowhere", "nothing at all")
    qrels = {f"q{i}": {f"d{i}": 1} for i in range(6)}
    qrels["q5"] = {"d5": 0}
    return Dataset.build(
        "words", corpus, Queries(tuple(f"q{i}" for i in range(6)), asked), Qrels(qrels)
    )


def test_the_worst_come_first_and_carry_what_was_found_instead(words):
    (model,) = evaluate("bm25", words, measures="rr@10,ndcg@10", worst=3, **OFF).models
    first, second, third = model.worst
    # Nothing was found for q4; q5 has no relevant document, so nobody could have found one.
    assert (first.query_id, first.value, first.measure) == ("q4", 0.0, "RR@10")
    assert first.retrieved == ()
    assert [(d.doc_id, d.grade, d.rank, d.excerpt) for d in first.expected] == [
        ("d4", 1.0, None, "epsilon five")
    ]
    assert (second.query_id, second.value) == ("q3", 0.5)
    assert second.expected[0].rank == 2
    assert [(d.doc_id, d.grade, d.excerpt) for d in second.retrieved] == [
        ("d0", None, "alpha one"),
        ("d3", 1.0, "delta four"),
    ]
    assert model.run is not None
    assert second.retrieved[0].score == model.run["q3"]["d0"]
    assert third.value == 1.0


def test_ranks_are_those_that_the_measures_saw(result, bank):
    for model in result.models:
        assert len(model.worst) == 10
        values = [query.value for query in model.worst]
        assert values == sorted(values)
        assert values[-1] <= np.sort(model.table.per_query["nDCG@10"])[9]
        for query in model.worst:
            found = [doc.rank for doc in query.expected if doc.rank]
            alone = evaluate_run(
                {query.query_id: bank.qrels[query.query_id]},
                {query.query_id: model.run[query.query_id]},
                "rr",
            )
            assert alone.mean["RR"] == pytest.approx(1 / min(found) if found else 0.0)


def test_excerpts_are_cut_where_it_was_said(words):
    (model,) = evaluate("bm25", words, worst=3, excerpt_chars=7, **OFF).models
    texts = [doc.excerpt for query in model.worst for doc in query.expected]
    assert texts[:2] == ["epsilo…", "delta …"]
    assert all(query.text and len(query.text) <= 7 for query in model.worst)


def test_without_excerpts_a_result_holds_no_text(words, tmp_path):
    result = evaluate("bm25", words, excerpts=False, **OFF)
    assert [query.query_id for query in result.models[0].worst][:2] == ["q4", "q3"]
    written = result.save(tmp_path / "out").read_text(encoding="utf-8")
    for text in (*words.corpus.texts, *words.queries.texts):
        assert json.dumps(text)[1:-1] not in written
    assert EvaluationResult.load(tmp_path / "out").models[0].worst == result.models[0].worst


def test_a_query_with_many_relevant_documents_names_twenty_and_counts_all():
    ids = tuple(f"d{i:02}" for i in range(30))
    data = Dataset.build(
        "many",
        Corpus(ids, tuple(f"word{i}" for i in range(30))),
        Queries(("q",), ("word3",)),
        Qrels({"q": {doc: 1 + (doc == "d29") for doc in ids}}),
    )
    (query,) = evaluate("bm25", data, **OFF).models[0].worst
    assert (len(query.expected), query.n_expected) == (20, 30)
    # The highest grade first, then by id.
    assert [doc.doc_id for doc in query.expected[:3]] == ["d29", "d00", "d01"]


def test_none_are_kept_if_none_are_wanted(words):
    assert evaluate("bm25", words, worst=0, **OFF).models[0].worst == ()


def test_all_are_saved_and_read_again(result, tmp_path):
    again = EvaluationResult.load(result.save(tmp_path / "out"))
    for old, new in zip(result.models, again.models, strict=True):
        assert (old.slices, old.curve, old.worst) == (new.slices, new.curve, new.worst)
    assert again.settings == result.settings
    command = " ".join(again.settings.command())
    assert "--slice kind --slice length --small-slice 10" in command


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"slices": "knid"}, DataError, "Did you mean 'kind'"),
        ({"slices": ["kind", "kind"]}, DataError, "'kind' twice"),
        ({"slices": [""]}, DataError, "is no field"),
        ({"slices": [7]}, DataError, "is no field"),
        ({"small_slice": 0}, ShapeError, "small_slice=0 is too small"),
        ({"worst": -1}, ShapeError, "worst=-1 is too small"),
        ({"worst": 2.5}, ShapeError, "worst=2.5 is no integer"),
        ({"excerpt_chars": 0}, ShapeError, "excerpt_chars=0 is too small"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_runs(bank, arguments, error, said):
    with pytest.raises(error, match=said):
        evaluate("st:./no-such-model", bank, **arguments)
