"""The one text of a JSON value."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["to_json"]


def to_json(value: Any) -> str:
    """Return canonical JSON: sorted keys, shortest floats, one line per innermost list.

    Equal values give equal bytes, and a line-by-line comparison of two files stays readable.

    Parameters
    ----------
    value : dict, list or scalar
        No NaN and no infinity.

    Returns
    -------
    str
        Text that ends with a newline.

    Examples
    --------
    >>> print(to_json({"b": [0.1, 2], "a": {"x": {"y": 1}}}), end="")
    {
     "a": {
      "x": {"y": 1}
     },
     "b": [0.1, 2]
    }
    """
    return _lay_out(value, 1) + "\n"


def _lay_out(value: Any, level: int) -> str:
    if isinstance(value, dict) and any(isinstance(v, dict | list) for v in value.values()):
        lines = [
            f"{json.dumps(key, ensure_ascii=False)}: {_lay_out(value[key], level + 1)}"
            for key in sorted(value)
        ]
        opening, closing = "{", "}"
    elif isinstance(value, list) and any(isinstance(v, dict | list) for v in value):
        lines = [_lay_out(item, level + 1) for item in value]
        opening, closing = "[", "]"
    else:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)
    inner, outer = "\n" + " " * level, "\n" + " " * (level - 1)
    return opening + inner + ("," + inner).join(lines) + outer + closing
