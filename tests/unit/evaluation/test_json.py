import json

import pytest

from embedsmith.evaluation._json import to_json


def test_to_json_is_json_with_sorted_keys_and_every_float_bit():
    value = {"b": [0.1, 1 / 3, 5e-324], "a": {"z": None, "y": [{"k": True}, "ü\n"]}}
    text = to_json(value)
    assert json.loads(text) == value
    assert text.index('"a"') < text.index('"b"')
    assert text == to_json(json.loads(text))


def test_to_json_refuses_what_json_cannot_hold():
    with pytest.raises(ValueError, match="JSON"):
        to_json({"a": float("nan")})
