"""MetricTable: frozen values and its JSON form."""

from __future__ import annotations

import json

import pytest

from embedsmith.exceptions import DataError
from embedsmith.metrics import MetricTable, compare_runs, evaluate_run

QRELS = {f"q{i}": {"a": 1, "b": 2} for i in range(7)}
RUN = {f"q{i}": {"a": i / 3, "b": 1.0, "c": 0.7} for i in range(7)}


def _table() -> MetricTable:
    return evaluate_run(QRELS, RUN, "ndcg@10,rr", n_resamples=200)


def test_json_keeps_every_bit():
    table = _table()
    written = table.to_dict()
    read = MetricTable.from_dict(json.loads(json.dumps(written)))
    assert read.to_dict() == written
    assert read.per_query["nDCG@10"].tobytes() == table.per_query["nDCG@10"].tobytes()
    assert written["schema"] == "embedsmith.metrics/1"


def test_values_cannot_be_changed():
    for table in (_table(), MetricTable.from_dict(_table().to_dict())):
        with pytest.raises(ValueError, match="read-only"):
            table.per_query["RR"][0] = 1.0


def test_frames_have_a_row_per_query():
    pytest.importorskip("pandas", reason="needs pandas")
    table = _table()
    frame = table.to_pandas()
    assert frame.loc["q3", "RR"] == table.per_query["RR"][3]
    assert list(frame.columns) == ["nDCG@10", "RR"]
    assert frame.index.name == "query_id"


def test_other_schemas_and_cut_tables_are_refused():
    data = _table().to_dict()
    with pytest.raises(DataError, match=r"schema 'embedsmith.metrics/9', not"):
        MetricTable.from_dict({**data, "schema": "embedsmith.metrics/9"})
    with pytest.raises(DataError, match="lacks the field 'mean'"):
        MetricTable.from_dict({k: v for k, v in data.items() if k != "mean"})
    with pytest.raises(DataError, match="RR has 6 values for 7 query ids"):
        MetricTable.from_dict({**data, "per_query": {**data["per_query"], "RR": [0.0] * 6}})


def test_a_table_shows_its_means_and_not_its_arrays():
    table = _table()
    means = f"nDCG@10 {table.mean['nDCG@10']:.4f}, RR {table.mean['RR']:.4f}"
    assert repr(table) == f"MetricTable(7 queries: {means})"


def test_a_comparison_shows_what_was_compared():
    comparison = compare_runs(QRELS, {"a": RUN, "b": RUN}, "rr", n_resamples=200)
    assert repr(comparison) == "RunComparison(a, b by RR, 7 queries)"
