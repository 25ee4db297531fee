"""confidence_sequence: intervals that hold at every look."""

from __future__ import annotations

import json

import numpy as np
import pytest

from embedsmith.exceptions import MeasureError, NonFiniteError, ShapeError
from embedsmith.metrics import confidence_sequence, mean_interval

RUNS, LOOKS = 400, 1500


def _missed(draw, mean, **options) -> float:
    """Return the share of runs in which any look leaves out the mean."""
    rng = np.random.default_rng(5)
    runs = (confidence_sequence(draw(rng), **options) for _ in range(RUNS))
    return float(np.mean([run.decided(mean) is not None for run in runs]))


# Four standard errors of a share of 0.05 of 400 runs.
ERROR = 4 * np.sqrt(0.05 * 0.95 / RUNS)


def test_paired_differences_are_covered_at_all_looks_at_once():
    def draw(rng):
        return rng.choice([-1.0, 0.0, 0.5, 1.0], LOOKS, p=[0.1, 0.7, 0.1, 0.1])

    assert _missed(draw, 0.05) <= 0.05 + ERROR
    # It is a sequence that can be left: a fixed interval per look would be left far more often.
    assert _missed(draw, 0.15) > 0.9


def test_ordinary_intervals_looked_at_daily_are_not_covered():
    rng = np.random.default_rng(6)
    missed = 0
    for _ in range(60):
        values = rng.normal(0.0, 1.0, LOOKS)
        looks = range(100, LOOKS, 50)
        ends = (mean_interval(values[:n], method="t")[:2] for n in looks)
        missed += any(low > 0.0 or high < 0.0 for low, high in ends)
    assert missed / 60 > 0.1


@pytest.mark.parametrize("share", [0.5, 0.97])
def test_bounded_sequences_cover_from_the_first_value_on_however_skewed(share):
    def draw(rng):
        return (rng.random(LOOKS) < share).astype(float)

    assert _missed(draw, share, bounds=(0, 1)) <= 0.05
    assert _missed(draw, share - 0.15, bounds=(0, 1)) > 0.95


def test_the_margin_is_that_of_the_paper():
    values = np.random.default_rng(0).random(300)
    found = confidence_sequence(values, confidence=0.9, tightest_at=250)
    t, alpha = 300, 0.1
    rho2 = (-2 * np.log(alpha) + np.log(-2 * np.log(alpha) + 1)) / 250
    log = np.log(np.sqrt(t * rho2 + 1) / alpha)
    margin = values.std() * np.sqrt(2 * (t * rho2 + 1) / (t**2 * rho2) * log)
    assert found.last == pytest.approx((values.mean() - margin, values.mean() + margin))
    assert found.centre[99] == pytest.approx(values[:100].mean())


def test_every_look_uses_the_past_only():
    values = np.random.default_rng(1).random(250)
    for bounds in (None, (0.0, 1.0)):
        whole, half = (confidence_sequence(x, bounds=bounds) for x in (values, values[:125]))
        assert whole.low[:125].tolist() == half.low.tolist()
        assert half.last == (whole.low[124], whole.high[124])


def test_nothing_is_said_before_the_start_or_without_spread():
    found = confidence_sequence(np.random.default_rng(2).random(120))
    assert np.isneginf(found.low[:99]).all()
    assert np.isfinite(found.low[99:]).all()
    constant = confidence_sequence(np.full(300, 0.7))
    assert constant.last == (-np.inf, np.inf)
    assert constant.decided(0.0) is None
    bounded = confidence_sequence(np.full(300, 0.7), bounds=(0, 1))
    assert 0.6 < bounded.last[0] < 0.7 < bounded.last[1] < 0.8


def test_the_first_look_that_decides_is_told():
    found = confidence_sequence([1.0, -0.5, 1.0, 1.0] * 60, start=10)
    first = found.decided(0.0)
    assert first is not None
    assert found.low[first - 1] > 0.0 >= found.low[first - 2]
    assert found.decided(found.centre[-1]) is None


def test_json_and_frames_keep_the_sequence():
    found = confidence_sequence(np.random.default_rng(3).random(130), start=110)
    written = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert written["low"][:109] == [None] * 109
    assert written["high"][109:] == found.high[109:].tolist()
    assert "after 130 values" in repr(found)
    with pytest.raises(ValueError, match="read-only"):
        found.low[0] = 0.0
    pytest.importorskip("pandas", reason="needs pandas")
    assert found.to_pandas().loc[130, "low"] == found.last[0]


@pytest.mark.parametrize(
    ("values", "options", "error", "message"),
    [
        ([], {}, ShapeError, "1 or more of them"),
        ([0.5, np.nan], {}, NonFiniteError, r"values\[1\] is nan"),
        ([0.5], {"confidence": 95}, MeasureError, "pass 0.95"),
        ([0.5], {"bounds": (1, 0)}, MeasureError, r"are no bounds; .*\(0, 1\)"),
        ([0.5, 1.5], {"bounds": (0, 1)}, ShapeError, r"values\[1\] is 1.5, outside 0 to 1"),
        ([0.5], {"start": 0}, ShapeError, "start=0 is too small"),
        ([0.5], {"tightest_at": 0}, ShapeError, "tightest_at=0 is too small"),
    ],
)
def test_what_has_no_sequence_is_refused_with_the_fix(values, options, error, message):
    with pytest.raises(error, match=message):
        confidence_sequence(values, **options)
