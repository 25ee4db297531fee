"""A measure's values over resamples, as text that keeps every bit."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import numpy as np

from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedsmith._typing import F64Array

__all__ = ["draws_from_text", "draws_to_text"]

# The same bytes on every machine.
_STORED = np.dtype("<f8")


def draws_to_text(draws: Mapping[str, F64Array]) -> dict[str, str]:
    """Return the draws of each measure as base64 of little-endian float64.

    JSON has no NaN, which stands for a resample that leaves a measure undefined; and ten thousand
    decimal numbers would take twice the room.

    Examples
    --------
    >>> draws_to_text({"ari": np.array([0.5])})
    {'ari': 'AAAAAAAA4D8='}
    """
    return {
        name: base64.b64encode(np.ascontiguousarray(values, dtype=_STORED).tobytes()).decode()
        for name, values in draws.items()
    }


def draws_from_text(texts: Mapping[str, str]) -> dict[str, F64Array]:
    """Return what ``draws_to_text`` wrote.

    Raises
    ------
    DataError
        If a text is damaged; names its measure.

    Examples
    --------
    >>> draws_from_text({"ari": "AAAAAAAA4D8="})
    {'ari': array([0.5])}
    """
    found = {}
    for name, text in texts.items():
        try:
            held = np.frombuffer(base64.b64decode(text, validate=True), dtype=_STORED)
        except (binascii.Error, TypeError, ValueError) as error:
            msg = f"the resamples of {name} are damaged ({error}). Evaluate again."
            raise DataError(msg) from error
        found[name] = held.astype(np.float64)
    return found
