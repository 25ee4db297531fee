from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping  # noqa: TC003 - a record's types are read when it is
from dataclasses import dataclass
from typing import Literal

import pytest

from embedsmith.evaluation import EvaluationResult, evaluate
from embedsmith.evaluation._records import record
from embedsmith.exceptions import DataError


@dataclass
class Inner:
    share: float


@dataclass
class Outer:
    name: str
    count: int | None
    ends: tuple[float, float]
    words: tuple[str, ...]
    side: Literal["left", "right"]
    dates: Mapping[str, str]
    inner: Inner | None


GOOD = {
    "name": "n",
    "count": None,
    "ends": [0.5, 1],
    "words": ["a", "b", "c"],
    "side": "left",
    "dates": {"d": "1"},
    "inner": {"share": 0.5},
}


def test_a_record_takes_what_json_holds():
    expected = Outer("n", None, (0.5, 1.0), ("a", "b", "c"), "left", {"d": "1"}, Inner(0.5))
    assert record(Outer, GOOD) == expected


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": 3}, "name: 3 is not str"),
        ({"count": True}, "count: True is not int"),
        ({"count": "many"}, "count: 'many' is not int"),
        ({"ends": [0.5]}, "ends: zip"),
        ({"ends": "ab"}, "ends: 'ab' is not tuple"),
        ({"words": ["a", None]}, "words: None is not str"),
        ({"side": "up"}, "side: 'up' is not Literal"),
        ({"dates": []}, r"dates: \[\] is not"),
        ({"dates": {"d": 1}}, "dates: 1 is not str"),
        ({"inner": {}}, "inner: 'share' is missing"),
        ({"inner": {"share": None}}, "inner: share: None is not float"),
        ({"more": 1}, "'more' is not known"),
    ],
)
def test_a_record_refuses_what_does_not_fit_and_names_the_key(change, said):
    with pytest.raises(DataError, match=rf"^{said}.*evaluate again"):
        record(Outer, {**GOOD, **change})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    models = ["fake:8", "bm25"]
    evaluate(models, "sample:bank", cache=False, latency_queries=3).save(folder)
    return json.loads((folder / "result.json").read_text())


def places(value, path=()):
    """Yield the path of every key, one level into what is kept per query."""
    if isinstance(value, dict) and len(path) < 4:
        for key, inner in list(value.items())[:40]:
            yield (*path, key)
            yield from places(inner, (*path, key))
    elif isinstance(value, list) and path == ("models",):
        yield from places(value[0], (*path, 0))


# Said for people, or kept for an audit; nothing of the result is made from them.
UNREAD = {"command", "qrels_sha256", "run_file", "run_sha256", "digest", "depth"}


def test_a_result_with_any_key_missing_or_spoilt_is_refused_by_file_and_key(saved, tmp_path):
    path = tmp_path / "result.json"
    refused = 0
    for place in places(saved):
        if place[-1] in UNREAD or place[0] in {"hardware", "versions", "measures", "qrels"}:
            continue
        for spoil in ("missing", "a list in its place"):
            content = copy.deepcopy(saved)
            holder = content
            for key in place[:-1]:
                holder = holder[key]
            if spoil == "missing":
                del holder[place[-1]]
            else:
                holder[place[-1]] = [[]]
            path.write_text(json.dumps(content))
            try:
                EvaluationResult.load(path)
            except DataError as error:
                assert str(path) in str(error)  # noqa: PT017 - some keys may be free
                refused += 1
            except Exception as error:  # noqa: BLE001 - the finding of this test
                pytest.fail(f"{place} {spoil}: {error!r}")
    assert refused > 100


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda c: c.pop("data"), "'data' is missing"),
        (lambda c: c["data"].pop("hash"), "data: 'hash' is missing"),
        (lambda c: c["settings"].update(depth="deep"), "settings: depth: 'deep' is not int"),
        (lambda c: c["models"][0].pop("spec"), "models[0]: 'spec' is missing"),
        (
            lambda c: c["models"][1]["run"].pop("documents"),
            "models[1]: run: 'documents' is missing",
        ),
        (lambda c: c["timing"]["models"].pop("bm25"), "models[1]: timing: 'bm25' is missing"),
        (lambda c: c["models"][0]["metrics"].pop("mean"), "models[0]: metrics: the table lacks"),
        (lambda c: c["comparison"]["pairs"][0].pop("p"), "comparison: the comparison has other"),
        (lambda c: c["qrels"].update(q=3), "qrels: "),
    ],
)
def test_an_edited_result_is_refused_by_file_and_key(saved, tmp_path, edit, said):
    content = copy.deepcopy(saved)
    edit(content)
    path = tmp_path / "result.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=re.escape(f"{path}: {said}")):
        EvaluationResult.load(path)
