"""Results of the earlier schema are read; results without ranked documents are written whole."""

import json
from dataclasses import replace

import pytest

from embedsmith.evaluation import EvaluationResult, evaluate
from embedsmith.exceptions import DataError

ADDED = {
    "data": ("unit", "n_texts", "n_labels", "n_train"),
    "settings": ("task", "n_experiments", "samples_per_label", "n_neighbors"),
}


@pytest.fixture(scope="module")
def result():
    return evaluate("bm25", "sample:bank", latency_queries=0)


def test_a_result_of_the_first_schema_is_read_as_one_of_retrieval(result, tmp_path):
    place = result.save(tmp_path / "out")
    content = json.loads(place.read_text(encoding="utf-8"))
    assert content["schema"] == "embedsmith.result/2"
    first = {**content, "schema": "embedsmith.result/1"}
    for key in ("task", "gold"):
        del first[key]
    for part, names in ADDED.items():
        first[part] = {k: v for k, v in first[part].items() if k not in names}
    first["models"] = [
        {k: v for k, v in model.items() if k != "details"} for model in first["models"]
    ]
    place.write_text(json.dumps(first), encoding="utf-8")
    assert EvaluationResult.load(place).to_dict() == result.to_dict()


def test_a_result_without_runs_writes_one_file_and_comes_back(result, tmp_path):
    table = result.models[0].table
    columns = {name: table.per_query[name] for name in ("nDCG@10", "R@10")}
    table = replace(table, whole_set=("RR@10",), per_query=columns)
    model = replace(
        result.models[0], table=table, run=None, depth=0, details={"scores": {"cosine": [0.5]}}
    )
    bare = replace(result, models=(model,), qrels=None, task="sts", gold=(0.5, "a"))
    place = bare.save(tmp_path / "out")
    assert [file.name for file in place.parent.iterdir()] == ["result.json"]
    again = EvaluationResult.load(place.parent)
    assert again.to_dict() == bare.to_dict()
    assert again.gold == (0.5, "a")
    assert again.models[0].n_empty == 0
    # Its own file is its own, and so are those of a result that it takes the place of.
    again.save(place.parent)
    result.save(tmp_path / "ranked")
    bare.save(tmp_path / "ranked")
    assert [file.name for file in (tmp_path / "ranked").iterdir()] == ["result.json"]


def test_an_unknown_task_is_refused(result):
    with pytest.raises(DataError, match="task: 'juggling' is not"):
        EvaluationResult.from_dict({**result.to_dict(), "task": "juggling"})
