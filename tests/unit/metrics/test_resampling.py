"""What the statistics refuse, instead of a panic or all of the memory."""

from __future__ import annotations

import numpy as np
import pytest

from embedsmith import _core
from embedsmith.exceptions import ShapeError
from embedsmith.metrics import evaluate_run


def _intervals(values, n_resamples=100):
    return _core.bootstrap_intervals(
        values, confidence=0.95, n_resamples=n_resamples, seed=0, threads=1
    )


@pytest.mark.parametrize(
    ("shape", "n_resamples", "message"),
    [
        ((2, 0), 100, "2 rows of no values; pass at least one value per row"),
        ((2, 3), 0, "n_resamples is 0; draw at least one"),
        ((2, 3), 2**26 + 1, "67108865 resamples of 2 rows .* 134217728 .* smaller n_resamples"),
        ((2, 3), 2**63, "resamples of 2 rows .* smaller n_resamples"),
    ],
)
def test_resamples_that_cannot_be_drawn_are_refused_with_the_fix(shape, n_resamples, message):
    with pytest.raises(ShapeError, match=message):
        _intervals(np.ones(shape), n_resamples)


def test_no_rows_have_no_intervals():
    assert _intervals(np.ones((0, 3))) == []
    assert _intervals(np.ones((0, 0))) == []


def test_more_resamples_than_memory_are_refused_by_evaluate_run():
    qrels = {"q1": {"a": 1}, "q2": {"a": 1}}
    run = {"q1": {"a": 1.0}, "q2": {"b": 1.0}}
    with pytest.raises(ShapeError, match="Pass a smaller n_resamples"):
        evaluate_run(qrels, run, ["RR"], n_resamples=10**11)
