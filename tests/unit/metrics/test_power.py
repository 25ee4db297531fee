"""power: how many queries to label."""

from __future__ import annotations

import json

import numpy as np
import pytest

from embedsmith.exceptions import DataError, MeasureError, NonFiniteError, ShapeError
from embedsmith.metrics import paired_test, power

# 50 queries: 9 won, 6 lost, 35 tied.
PILOT = np.array([0.0] * 35 + [1.0] * 9 + [-1.0] * 6)


def test_the_answer_is_confirmed_by_drawing_such_samples_and_testing_them():
    found = power(PILOT, difference=0.1)
    assert found.method == "simulation"
    # Tilted by hand: wins and losses keep their product, and the mean is 0.1.
    rng = np.random.default_rng(0)
    wins, losses, ties = 9.0, 6.0, 35.0
    low, high = 0.1, 10.0
    for _ in range(80):
        tilt = (low * high) ** 0.5
        weights = np.array([ties, wins * tilt, losses / tilt])
        mean = (weights[1] - weights[2]) / weights.sum()
        low, high = (tilt, high) if mean < 0.1 else (low, tilt)
    samples = rng.choice([0.0, 1.0, -1.0], (3000, found.n_queries), p=weights / weights.sum())
    detected = [paired_test(sample, test="t").p <= 0.05 for sample in samples if sample.mean() > 0]
    # Four standard errors of a share of 0.8 of 3,000, and of the 10,000 simulated.
    assert sum(detected) / 3000 == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / 3000 + 0.16 / 10_000))


def test_the_normal_method_is_the_textbooks_formula():
    found = power(PILOT, difference=0.1, method="normal")
    z = 1.959964 + 0.841621
    assert found.n_queries == np.ceil((z * PILOT.std(ddof=1) / 0.1) ** 2 + 1.959964**2 / 2)
    assert found.method == "normal"
    # Reaches what no measured query shows.
    assert power(PILOT / 100, difference=0.02, method="normal").n_queries < 10


def test_what_is_detectable_now_has_the_power_that_was_asked_for():
    found = power(PILOT, difference=0.1, power=0.9, method="normal")
    again = power(PILOT, difference=found.detectable, power=0.9, method="normal")
    assert again.power_now == pytest.approx(0.9, abs=1e-9)
    assert again.n_queries == pytest.approx(50, abs=2)
    assert found.power_now < 0.9


def test_fewer_disagreements_need_fewer_queries():
    calm = np.array([0.0] * 47 + [1.0, 1.0, -1.0])
    few, many = power(calm, difference=0.05), power(PILOT, difference=0.05)
    assert (few.discordance, many.discordance) == (0.06, 0.3)
    assert 2 * few.n_queries < many.n_queries


def test_more_power_smaller_levels_and_smaller_differences_need_more():
    base = power(PILOT, difference=0.1).n_queries
    assert power(PILOT, difference=0.1, power=0.9).n_queries > base
    assert power(PILOT, difference=0.1, alpha=0.01).n_queries > base
    assert power(PILOT, difference=0.05).n_queries > 3 * base
    # The other side needs as many as the mirror image of the pilot does for this one.
    assert power(PILOT, difference=-0.1).n_queries == power(-PILOT, difference=0.1).n_queries


def test_results_do_not_depend_on_threads_and_follow_the_seed():
    rng = np.random.default_rng(1)
    values = rng.normal(0.02, 0.2, 120)
    one, two, four = (power(values, threads=threads) for threads in (1, 2, 4))
    assert one == two == four
    assert power(values, seed=1) != one


def test_the_sentence_says_all_and_json_keeps_it():
    a, b = np.zeros(50), PILOT
    found = power(a, b, difference=0.1)
    assert found == power(PILOT, difference=0.1)
    assert found.sentence.startswith(f"About {found.n_queries} labelled queries show a difference")
    assert f"simulated from the 50 measured): {found.more_queries} further ones" in found.sentence
    assert json.loads(json.dumps(found.to_dict()))["n_queries"] == found.n_queries
    enough = power(np.tile(PILOT, 10), difference=0.1)
    assert enough.more_queries == 0
    assert "no further ones" in enough.sentence


def test_differences_that_take_too_many_queries_say_that_they_were_not_simulated():
    found = power(PILOT, difference=0.001)
    assert found.method == "normal"
    assert found.n_queries > 1_000_000
    assert "by the normal distribution from the 50 measured" in found.sentence


@pytest.mark.parametrize(
    ("values", "options", "error", "message"),
    [
        (np.zeros(20), {}, DataError, "all 20 differences are 0, .* label more queries"),
        (np.full(20, 0.1), {}, DataError, "all 20 differences are 0.1"),
        (PILOT - PILOT.mean(), {"difference": 0.0}, DataError, "pass the smallest difference"),
        (PILOT, {"difference": np.nan}, DataError, "pass the smallest difference"),
        (PILOT, {"difference": 1.5}, DataError, r'from -1 to 1, .* method="normal"'),
        (PILOT, {"power": 1.0}, MeasureError, "power=1.0 is not between 0 and 1"),
        (PILOT, {"alpha": 5}, MeasureError, "alpha=5 is not between 0 and 1"),
        (PILOT, {"method": "normla"}, MeasureError, "did you mean 'normal'"),
        (PILOT, {"n_simulations": 0}, ShapeError, "n_simulations=0 is too small"),
        ([0.1], {}, ShapeError, "2 or more"),
        ([], {}, ShapeError, "2 or more"),
        ([0.1, np.inf], {}, NonFiniteError, r"a\[1\] is inf"),
        (PILOT[None], {}, ShapeError, r"a has shape \(1, 50\)"),
        (["x", "y"], {}, ShapeError, "pass one number per query"),
    ],
)
def test_what_cannot_be_planned_is_refused_with_the_fix(values, options, error, message):
    with pytest.raises(error, match=message):
        power(values, **options)
