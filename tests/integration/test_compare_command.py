"""``embedsmith compare`` as it is typed."""

from __future__ import annotations

import json

import pytest

from embedsmith.evaluation import evaluate
from tests.integration.test_report_command import embedsmith
from tests.unit.reports.conftest import bank


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    place = tmp_path_factory.mktemp("stored")
    data = bank(n=60)
    for name, models in {"live": ["bm25"], "poor": ["fake:2"], "both": ["bm25", "fake:64"]}.items():
        evaluate(models, data, measures="rr@10,ndcg@10", cache=False).save(place / name)
    evaluate(["bm25"], bank(n=50), measures="rr@10,ndcg@10", cache=False).save(place / "other")
    return place


def test_the_table_holds_means_differences_and_where_they_are_from(stored):
    done = embedsmith("compare", stored / "live", stored / "poor" / "result.json")
    assert done.returncode == 0, done.stderr
    assert "policies, split test: 60 queries, 2 models" in done.stdout
    assert "fake:2 against bm25" in done.stdout
    assert str(stored / "live") in done.stdout


def test_json_is_json(stored):
    done = embedsmith("compare", stored / "live", stored / "poor", "--json")
    content = json.loads(done.stdout)
    assert content["schema"] == "embedsmith.compared/1"
    assert [one["name"] for one in content["models"]] == ["bm25", "fake:2"]
    assert content["comparison"]["pairs"][0]["verdict"] == "worse"


@pytest.mark.parametrize(
    ("kind", "start", "held"),
    [
        ("md", "# 2 models compared on policies", "| bm25 |"),
        ("html", "<!doctype html>", '<svg class="plot"'),
        ("latex", "% needs", "\\toprule"),
    ],
)
def test_tables_for_documents(stored, kind, start, held):
    done = embedsmith("compare", stored / "live", stored / "poor", "--format", kind)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(start)
    assert held in done.stdout


def test_the_gate_fails_a_later_model_that_is_worse(stored):
    done = embedsmith("compare", stored / "live", stored / "poor", "--fail-if-worse")
    assert done.returncode == 1
    assert "gate: fake:2 is worse than bm25 by RR@10: difference 0." in done.stderr
    assert "fake:2 against bm25" in done.stdout


def test_the_gate_passes_a_later_model_that_is_better(stored):
    done = embedsmith("compare", stored / "poor", stored / "live", "--fail-if-worse")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_gate_asks_later_results_only_and_takes_a_baseline(stored):
    # The first result's own second model is no candidate.
    words = ("compare", stored / "both", stored / "poor", "--fail-if-worse")
    assert "gate: fake:64" not in embedsmith(*words).stderr
    named = embedsmith(*words, "--baseline", "fake:64")
    assert "than fake:64" in named.stderr
    wrong = embedsmith(*words, "--baseline", "fake:46")
    assert wrong.returncode == 2
    assert "--baseline is one of 'bm25', 'fake:64', 'fake:2'" in wrong.stderr


def test_results_of_other_data_are_refused(stored):
    done = embedsmith("compare", stored / "live", stored / "other")
    assert done.returncode == 3
    assert "data hash" in done.stderr
    assert done.stdout == ""
