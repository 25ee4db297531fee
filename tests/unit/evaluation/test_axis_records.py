"""The records of slices, curves, variants, worst queries and latency, and their way to disk."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from embedsmith.evaluation import (
    EvaluationResult,
    Expected,
    LatencyBucket,
    RecallCurve,
    Retrieved,
    Slice,
    Variant,
    WorstQuery,
    evaluate,
)
from embedsmith.exceptions import DataError

SLICE = Slice("product", "loans", 7, {"R@10": 0.5}, {"R@10": (0.25, 0.75)}, small=True)
CURVE = RecallCurve((1, 10), (0.25, 0.5))
VARIANT = Variant(
    64, "int8", 64, {"R@10": 0.5}, {"R@10": (0.25, 0.75)}, {"R@10": (-0.125, -0.25, 0.0)}
)
WORST = WorstQuery(
    "q1",
    "what is it",
    "nDCG@10",
    0.0,
    (Expected("d1", 2.0, None, "it is"), Expected("d2", 1.0, 4, None)),
    (Retrieved("d9", 0.5, None, None), Retrieved("d8", 0.25, 0.0, "not it")),
)
BUCKET = LatencyBucket(8, "9-16 tokens", 20, 1.5, 2.5, 3.5, cold=False)


@pytest.mark.parametrize("value", [SLICE, CURVE, VARIANT, WORST, BUCKET])
def test_a_record_survives_the_trip_through_json(value):
    written = value.to_dict()
    assert json.loads(json.dumps(written)) == written
    assert type(value).from_dict(written) == value


@pytest.mark.parametrize("value", [SLICE, CURVE, VARIANT, WORST, BUCKET])
def test_a_record_without_one_of_its_keys_is_refused(value):
    for key in (field.name for field in fields(value) if not field.metadata.get("added")):
        spoilt = {name: kept for name, kept in value.to_dict().items() if name != key}
        with pytest.raises(DataError, match=f"'{key}' is missing"):
            type(value).from_dict(spoilt)


def test_the_rate_is_that_of_the_median_batch():
    # 8 texts in 1.5 ms.
    assert BUCKET.texts_per_s == pytest.approx(8 / 0.0015)


@pytest.fixture(scope="module")
def result():
    return evaluate("bm25", "sample:bank", latency_queries=0)


def test_a_saved_result_gives_the_records_back(result, tmp_path):
    model = result.models[0]
    timing = replace(model.timing, latency_buckets=(BUCKET,))
    filled = replace(
        model, slices=(SLICE,), curve=CURVE, variants=(VARIANT,), worst=(WORST,), timing=timing
    )
    replace(result, models=(filled,)).save(tmp_path / "out")
    read = EvaluationResult.load(tmp_path / "out").models[0]
    assert (read.slices, read.curve, read.variants, read.worst) == (
        (SLICE,),
        CURVE,
        (VARIANT,),
        (WORST,),
    )
    assert read.timing == timing


def test_a_result_written_before_these_records_is_still_read(result, tmp_path):
    path = result.save(tmp_path / "out")
    content = json.loads(path.read_text(encoding="utf-8"))
    (model,) = content["models"]
    for key in ("slices", "curve", "variants", "worst"):
        del model[key]
    del content["timing"]["models"]["bm25"]["latency_buckets"]
    path.write_text(json.dumps(content), encoding="utf-8")
    read = EvaluationResult.load(path).models[0]
    assert (read.slices, read.curve, read.variants, read.worst) == ((), None, (), ())
    assert read.timing.latency_buckets == ()


@pytest.mark.parametrize("key", ["n_embedded", "earlier"])
def test_what_was_never_optional_may_still_not_be_absent(result, tmp_path, key):
    path = result.save(tmp_path / "out")
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["timing"]["models"]["bm25"][key]
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match=f"'{key}' is missing"):
        EvaluationResult.load(path)
