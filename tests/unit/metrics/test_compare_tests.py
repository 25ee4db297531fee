"""The choice of tests and corrections in comparisons, and comparisons written before it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from embedsmith.exceptions import DataError, MeasureError, NonFiniteError
from embedsmith.metrics import (
    MetricTable,
    RunComparison,
    compare_tables,
    corrected_p,
    effect_size,
    equivalence,
    paired_test,
)

QUERIES = tuple(f"q{i}" for i in range(60))


def table(values, measure="RR", queries=QUERIES) -> MetricTable:
    column = np.asarray(values, dtype=np.float64)
    return MetricTable(
        measures=(measure,),
        query_ids=tuple(queries),
        per_query={measure: column},
        mean={measure: float(column.mean())},
        ci={},
        ci_method={},
        n_queries=len(column),
        n_missing=0,
        n_unjudged=0,
        n_no_relevant=0,
        tie_share=0.0,
        settings={},
    )


def tables() -> dict[str, MetricTable]:
    rng = np.random.default_rng(3)
    base = rng.random(60)
    return {
        name: table(base + shift + rng.normal(0, 0.1, 60))
        for name, shift in (("a", 0.0), ("b", 0.03), ("c", 0.06))
    }


@pytest.mark.parametrize("test", ["randomisation", "t", "wilcoxon", "sign"])
@pytest.mark.parametrize("correction", ["holm", "bonferroni", "bh", "none"])
def test_pairs_are_tested_and_corrected_as_asked(test, correction):
    found = compare_tables(tables(), test=test, correction=correction, n_resamples=50)
    assert (found.test, found.correction) == (test, correction)
    columns = {name: one.per_query["RR"] for name, one in tables().items()}
    single = [paired_test(columns[pair.a], columns[pair.b], test=test) for pair in found.pairs]
    assert [pair.p for pair in found.pairs] == [one.p for one in single]
    assert [pair.smallest_p for pair in found.pairs] == [one.smallest_p for one in single]
    expected = corrected_p([one.p for one in single], correction=correction)
    assert [pair.p_corrected for pair in found.pairs] == expected.tolist()


def test_effects_and_equivalence_are_those_of_the_pair():
    found = compare_tables(tables(), equivalence_margin=0.05, correction="none", n_resamples=50)
    for pair in found.pairs:
        a, b = (tables()[name].per_query["RR"] for name in (pair.a, pair.b))
        effect = effect_size(a, b)
        assert (pair.effect_size, pair.effect_ci) == (effect.d, effect.ci)
        assert pair.rank_biserial == effect.rank_biserial
        same = equivalence(a, b, margin=0.05)
        assert (pair.p_equivalence, pair.equivalent) == (same.p, same.equivalent)
    assert {pair.equivalent for pair in found.pairs} == {True, False}
    corrected = compare_tables(tables(), equivalence_margin=0.05, n_resamples=50)
    assert [pair.p_equivalence for pair in corrected.pairs] == corrected_p(
        [pair.p_equivalence for pair in found.pairs if pair.p_equivalence is not None]
    ).tolist()


def test_tukey_answers_for_all_pairs_and_is_not_corrected_again():
    found = compare_tables(tables(), test="tukey", n_resamples=50)
    assert found.correction == "none"
    assert [pair.p for pair in found.pairs] == [pair.p_corrected for pair in found.pairs]
    assert not any(pair.p_exact for pair in found.pairs)
    assert found.pairs[1].verdict == "better"
    assert found == compare_tables(tables(), test="tukey", n_resamples=50, threads=1)
    with pytest.raises(MeasureError, match="would correct twice: Tukey's"):
        compare_tables(tables(), test="tukey", correction="holm")


def test_values_that_differ_by_rounding_only_are_ties():
    values = np.full(60, 0.3)
    noisy = values + np.where(np.arange(60) < 20, 5e-17, 0.0)
    assert (noisy != values).sum() == 20
    pair = compare_tables({"a": table(values), "b": table(noisy)}, n_resamples=50).pairs[0]
    assert (pair.wins, pair.ties, pair.losses, pair.p, pair.difference) == (0, 60, 0, 1.0, 0.0)


def test_few_queries_that_differ_cannot_be_significant_and_the_pair_says_so():
    values = np.full(60, 0.5)
    better = values + np.where(np.arange(60) < 5, 0.25, 0.0)
    pair = compare_tables({"a": table(values), "b": table(better)}, n_resamples=50).pairs[0]
    assert (pair.smallest_p, pair.p, pair.verdict) == (0.0625, 0.0625, "not enough evidence")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_no_number_is_named_with_its_run(value):
    broken = np.linspace(0, 1, 60)
    broken[7] = value
    with pytest.raises(NonFiniteError, match=r"RR of 'b'\[7\] is (nan|inf); drop the query"):
        compare_tables({"a": table(np.zeros(60)), "b": table(broken)})


@pytest.mark.parametrize("name", ["", "  ", 3, None])
def test_names_are_texts(name):
    with pytest.raises(DataError, match="name each by a text of its own"):
        compare_tables({"a": table(np.zeros(60)), name: table(np.zeros(60))})


@pytest.mark.parametrize("test", ["randomisation", "t", "wilcoxon", "sign", "tukey"])
def test_one_query_and_equal_runs_have_an_answer_by_every_test(test):
    one = {"a": table([0.2], queries=["q"]), "b": table([0.7], queries=["q"])}
    pair = compare_tables(one, test=test, n_resamples=50).pairs[0]
    assert (pair.p, pair.verdict, pair.effect_size) == (1.0, "not enough evidence", None)
    same = {"a": table(np.arange(60) / 60), "b": table(np.arange(60) / 60)}
    pair = compare_tables(same, test=test, equivalence_margin=0.01, n_resamples=50).pairs[0]
    assert (pair.p, pair.difference, pair.rank_biserial) == (1.0, 0.0, 0.0)
    assert pair.equivalent


def test_measures_without_values_per_query_are_not_paired():
    whole = table(np.zeros(60))
    whole = MetricTable(**{**vars(whole), "measures": ("Spearman", "RR")})
    assert compare_tables({"a": whole, "b": whole}, n_resamples=50).measures == ("RR",)
    alone = MetricTable(**{**vars(whole), "measures": ("Spearman",), "per_query": {}})
    with pytest.raises(MeasureError, match="Spearman: none is a mean of values per query"):
        compare_tables({"a": alone, "b": alone})


def test_comparisons_of_schema_1_are_still_read():
    written = compare_tables(tables(), n_resamples=50).to_dict()
    later = (
        "effect_size",
        "effect_ci",
        "rank_biserial",
        "smallest_p",
        "p_equivalence",
        "equivalent",
    )
    old = {
        **{k: v for k, v in written.items() if k not in {"test", "equivalence_margin"}},
        "schema": "embedsmith.comparison/1",
        "pairs": [{k: v for k, v in pair.items() if k not in later} for pair in written["pairs"]],
    }
    read = RunComparison.from_dict(json.loads(json.dumps(old)))
    assert (read.test, read.equivalence_margin) == ("randomisation", None)
    assert read.pairs[0].effect_size is None
    assert read.to_dict()["schema"] == "embedsmith.comparison/2"
    # It can be shown, in both layouts.
    assert "paired randomisation test" in read.to_markdown()
    assert "| - | " in read.to_markdown(layout="pairs")


def test_schema_2_is_read_back_whole():
    written = compare_tables(tables(), test="wilcoxon", equivalence_margin=0.1, n_resamples=50)
    assert RunComparison.from_dict(json.loads(json.dumps(written.to_dict()))) == written
    frame = pytest.importorskip("pandas", reason="needs pandas") and written.to_pandas()
    assert frame["effect_ci_low"].tolist() == [
        pair.effect_ci and pair.effect_ci[0] for pair in written.pairs
    ]
