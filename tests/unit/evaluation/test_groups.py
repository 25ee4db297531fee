"""Which queries a field puts together."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from embedsmith.datasets import Queries
from embedsmith.evaluation._groups import group_queries, warn_of_small
from embedsmith.exceptions import DataError


def asked(field, values):
    ids = tuple(f"q{place}" for place in range(len(values)))
    return Queries(ids, tuple("x" * (place + 1) for place in range(len(values))), {field: values})


def groups(values, field="field"):
    found = group_queries(asked(field, values), field)
    return [(group.value, group.places.tolist()) for group in found]


def test_values_are_groups_the_largest_first_then_by_name():
    assert groups(["b", "c", "a", "c"]) == [("c", [1, 3]), ("a", [2]), ("b", [0])]


def test_queries_without_a_value_are_a_group_at_the_end():
    assert groups(["a", None, "a", None, []]) == [("a", [0, 2]), ("(none)", [1, 3, 4])]


def test_a_query_with_several_values_is_in_several_groups_once_each():
    assert groups([["en", "de", "en"], "de"]) == [("de", [0, 1]), ("en", [0])]


def test_truth_values_and_few_numbers_are_values():
    assert groups([True, False, True]) == [("true", [0, 2]), ("false", [1])]
    assert groups([1, 2, 1.5, 1]) == [("1", [0, 3]), ("1.5", [2]), ("2", [1])]


def test_many_numbers_are_cut_at_their_quartiles():
    # 1..12: the quartiles are 3, 6 and 9.
    values = list(range(12, 0, -1))
    assert groups(values) == [
        ("1 to 3", [9, 10, 11]),
        ("4 to 6", [6, 7, 8]),
        ("7 to 9", [3, 4, 5]),
        ("10 to 12", [0, 1, 2]),
    ]


def test_equal_numbers_stay_together():
    values = [1] * 20 + list(range(2, 12))
    found = groups(values)
    assert found[0] == ("1", list(range(20)))
    assert sum(len(places) for _, places in found) == len(values)
    assert len({place for _, places in found for place in places}) == len(values)


def test_numbers_that_are_absent_are_in_no_range():
    values = [None, *range(9)]
    found = groups(values)
    assert found[-1] == ("(none)", [0])
    assert len(found) == 5


def test_length_is_built_in_unless_the_data_have_a_field_of_that_name():
    assert groups(["a"] * 3, "length") == [("a", [0, 1, 2])]
    bare = Queries(("q1", "q2"), ("12345", "12345"))
    assert [group.value for group in group_queries(bare, "length")] == ["5"]


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        (["a"], "filed", "Did you mean 'field'"),
        (["a"], "zzz", "There is 'field', 'length'"),
        ([None], "field", "no query has the field 'field'"),
        ([{"k": 1}], "field", "holds objects"),
        ([[{"k": 1}]], "field", "holds objects"),
        ([f"v{i}" for i in range(201)], "field", "has 201 values, and slices are for 200"),
    ],
)
def test_a_field_that_makes_no_groups_is_refused(values, field, said):
    with pytest.raises(DataError, match=said):
        group_queries(asked("field", values), field)


def test_small_groups_are_warned_about_in_one_line(caplog):
    found = group_queries(asked("product", ["a"] * 3 + ["b"] * 2 + ["c"]), "product")
    with caplog.at_level(logging.WARNING, logger="embedsmith"):
        warn_of_small("product", found, 3)
    (record,) = caplog.records
    assert "2 groups of 3 by 'product' have fewer than 3 queries" in record.getMessage()
    assert "b (2), c (1)" in record.getMessage()
    caplog.clear()
    warn_of_small("product", found, 1)
    assert not caplog.records


def test_places_are_positions_that_arrays_take():
    (group,) = group_queries(asked("field", ["a", "a"]), "field")
    assert group.places.dtype == np.int64
