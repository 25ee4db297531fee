"""Stored results are compared by what they hold, or refused by what differs."""

from __future__ import annotations

import dataclasses

import pytest

import embedsmith as es
from embedsmith.datasets import ScoredPairs
from embedsmith.evaluation import EvaluationResult, compare_results, evaluate
from embedsmith.exceptions import DataError, MeasureError
from embedsmith.metrics import compare_tables
from tests.unit.reports.conftest import bank

MEASURES = "ndcg@10,rr@10"
DAYS = ("monday", "tuesday", "friday", "sunday")


@pytest.fixture(scope="module")
def old():
    return evaluate(["bm25", "fake:16"], bank(), measures=MEASURES, cache=False)


@pytest.fixture(scope="module")
def new():
    return evaluate(["bm25", "fake:64"], bank(), measures=MEASURES, cache=False)


def test_the_differences_are_those_of_the_stored_values(old, new, tmp_path):
    old.save(tmp_path / "old")
    new.save(tmp_path / "new")
    stored = {
        name: EvaluationResult.load(tmp_path / name / "result.json") for name in ("old", "new")
    }
    found = es.compare_results(stored)
    assert [one.name for one in found.models] == ["bm25", "fake:16", "fake:64"]
    tables = {one.name: one.model.table for one in found.models}
    assert found.comparison == compare_tables(tables)
    together = evaluate(["bm25", "fake:16", "fake:64"], bank(), measures=MEASURES, cache=False)
    assert found.comparison == together.comparison


def test_a_model_that_several_results_hold_counts_once(old, new):
    found = compare_results({"old": old, "new": new})
    sources = {one.name: one.sources for one in found.models}
    assert sources == {"fake:16": ("old",), "bm25": ("old", "new"), "fake:64": ("new",)}


def test_two_models_of_one_name_are_told_apart_by_their_results(old, new):
    twin = dataclasses.replace(new.models[1], name="fake:16")
    other = dataclasses.replace(new, models=(twin,))
    found = compare_results({"old": old, "new": other})
    assert [one.name for one in found.models] == ["bm25", "old: fake:16", "new: fake:16"]


def with_data(result, **changes):
    return dataclasses.replace(result, data=dataclasses.replace(result.data, **changes))


def with_settings(result, **changes):
    return dataclasses.replace(result, settings=dataclasses.replace(result.settings, **changes))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: with_data(one, hash="f" * 64), f"data hash .* against {'f' * 64}"),
        (lambda one: with_data(one, split="dev"), "split test against dev"),
        (lambda one: dataclasses.replace(one, task="sts"), "task retrieval against sts"),
        (lambda one: with_settings(one, depth=7), "depth 100 against 7"),
        (lambda one: with_settings(one, seed=1), "seed 0 against 1"),
        (lambda one: with_settings(one, confidence=0.9), "confidence 0.95 against 0.9"),
        (lambda one: with_settings(one, allow_missing=True), "allow_missing False against True"),
        (
            lambda one: with_settings(one, measures=("AP",)),
            "measures nDCG@10,RR@10 against AP.* or name measures that both have",
        ),
    ],
)
def test_results_that_cannot_be_compared_are_refused_by_what_differs(old, new, change, said):
    with pytest.raises(DataError, match=f"old and new cannot be compared.*{said}"):
        compare_results({"old": old, "new": change(new)})


def test_another_rule_for_ties_is_refused(old, new):
    models = tuple(
        dataclasses.replace(
            model,
            table=dataclasses.replace(
                model.table, settings={**model.table.settings, "ties": "expected"}
            ),
        )
        for model in new.models
    )
    with pytest.raises(DataError, match="ties docid_desc against expected"):
        compare_results({"old": old, "new": dataclasses.replace(new, models=models)})


def test_models_may_run_with_settings_of_their_own(old, new):
    other = with_settings(new, query_prompt="query: ", batch_size=8, worst=3, truncate_dim=32)
    assert len(compare_results({"old": old, "new": other}).models) == 3


def test_one_model_alone_is_refused(old):
    alone = dataclasses.replace(old, models=old.models[:1])
    with pytest.raises(DataError, match=r"a and b hold one model together \(bm25\)"):
        compare_results({"a": alone, "b": alone})


def test_measures_can_be_chosen_and_must_be_there(old, new):
    other = with_settings(new, measures=("AP", "RR@10"))
    assert compare_results({"old": old, "new": other}, ["rr@10"]).measures == ("RR@10",)
    with pytest.raises(MeasureError, match="AP"):
        compare_results({"old": old, "new": new}, ["AP"])


PAIRS = ScoredPairs(
    [f"the {word} is open on {day}" for word in ("bank", "office", "branch") for day in DAYS],
    [f"the {word} opens {day}" for word in ("bank", "desk", "branch") for day in reversed(DAYS)],
    [float(score % 6) for score in range(3 * len(DAYS))],
)


@pytest.fixture(scope="module")
def similar():
    return {
        name: evaluate([name], PAIRS, measures="cosine_spearman,cosine_pearson", cache=False)
        for name in ("fake:16", "fake:64")
    }


def test_measures_over_a_whole_set_are_compared_on_the_stored_resamples(similar, tmp_path):
    stored = {}
    for name, result in similar.items():
        folder = tmp_path / name.replace(":", "-")
        result.save(folder)
        stored[name] = EvaluationResult.load(folder / "result.json")
    together = evaluate(
        list(similar), PAIRS, measures="cosine_spearman,cosine_pearson", cache=False
    )
    found = compare_results(stored)
    assert found.comparison == together.comparison
    assert found.comparison.test == "bootstrap"
    assert found.comparison.unit == "pair"


def test_resamples_are_compared_by_the_measures_and_the_correction_asked_for(similar):
    found = compare_results(similar, "COSINE_pearson", correction="none")
    assert found.measures == ("cosine_pearson",)
    (pair,) = found.comparison.pairs
    assert pair.p_corrected == pair.p


def test_resamples_know_no_other_test(similar):
    with pytest.raises(MeasureError, match="test: cosine_spearman, cosine_pearson exist over a"):
        compare_results(similar, test="t")
    with pytest.raises(MeasureError, match=r"ari was not measured; there are cosine_spearman"):
        compare_results(similar, "ari")


def test_a_result_without_its_resamples_says_so(similar):
    lost = {
        name: dataclasses.replace(
            result, models=tuple(dataclasses.replace(one, draws={}) for one in result.models)
        )
        for name, result in similar.items()
    }
    with pytest.raises(DataError, match="does not hold the resamples of cosine_spearman"):
        compare_results(lost)


def test_damaged_resamples_are_named(similar):
    result = similar["fake:16"]
    value = result.to_dict()
    value["models"][0]["draws"]["cosine_spearman"] = "no base64"
    with pytest.raises(DataError, match="draws: the resamples of cosine_spearman are damaged"):
        EvaluationResult.from_dict(value)
