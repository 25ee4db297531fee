"""Values stand where the ticks say."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedsmith.reports._axis import Axis

VALUES = st.lists(st.floats(-1, 1), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_every_value_is_on_the_axis_and_the_ticks_are_in_order(values):
    axis = Axis.around(values, start=0, end=400)
    assert axis.low <= min(values) + 1e-9
    assert axis.high >= max(values) - 1e-9
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 12
    places = [tick.at for tick in ticks]
    assert places == sorted(places)
    assert len({tick.label for tick in ticks}) == len(ticks)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=5))
def test_ticks_of_ratios_stand_where_their_labels_say(values):
    axis = Axis.ratios(values, start=0, end=400)
    assert all(0 < axis.at(value) < 400 for value in values)
    for tick in axis.ticks():
        value = float(tick.label.replace(",", ""))
        assert axis.at(value) == pytest.approx(tick.at, abs=0.2)


def test_an_axis_upwards_has_its_low_end_at_the_bottom():
    axis = Axis(0.0, 1.0, 200, 0)
    assert (axis.at(0.0), axis.at(0.25), axis.at(1.0)) == (200, 150, 0)
    assert axis.at(7.0) == 0


def test_minus_is_a_minus():
    labels = [tick.label for tick in Axis(-0.2, 0.2, 0, 100).ticks()]
    assert labels == ["\u22120.2", "\u22120.1", "0.0", "0.1", "0.2"]
