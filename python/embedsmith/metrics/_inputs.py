"""What a run may be, and the checks that need no measure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from embedsmith._typing import RunLike
from embedsmith.exceptions import DataError, MeasureError

__all__ = ["QrelsInput", "Run", "RunInput", "check_choice", "file_lists", "first_ids", "plain_dict"]

# Scores and rows, such as TopK; a structural type, for search is beside this layer.
Run: TypeAlias = RunLike | tuple[Any, Any]

# A mapping (of mappings, ranked lists or pairs), arrays, or a frame of some library's own type.
RunInput: TypeAlias = Any
QrelsInput: TypeAlias = Any


Lists = TypeVar("Lists")


def plain_dict(argument: str, value: object) -> dict[str, Any]:
    """Return ``value`` as a dict; a dict is returned as it is, another mapping copied."""
    if isinstance(value, dict):
        return value
    if isinstance(value, Mapping):
        return dict(value)
    msg = (
        f"{argument} is a {type(value).__name__}; "
        "pass a mapping of query ids to mappings of document ids."
    )
    raise DataError(msg)


def file_lists(value: object, kind: type[Lists]) -> Lists | None:
    """Return what a ``datasets.Run`` or ``Qrels`` keeps of its file, ``None`` for other values.

    By its name, since data sets lie above the measures.
    """
    lists = getattr(value, "_lists", None)
    return lists if isinstance(lists, kind) else None


def first_ids(ids: Iterable[str], most: int = 5) -> str:
    """Return the first ids, quoted, with dots where there are more.

    Examples
    --------
    >>> first_ids(["a", "b", "c"], most=2)
    "'a', 'b', ..."
    """
    shown = list(islice(ids, most + 1))
    return ", ".join(repr(i) for i in shown[:most]) + (", ..." if len(shown) > most else "")


def check_choice(argument: str, value: str, choices: Collection[str]) -> None:
    """Refuse a value that is not among the choices, and offer the nearest."""
    if value in choices:
        return
    near = difflib.get_close_matches(str(value), choices, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {sorted(choices)}."
    msg = f"{argument}={value!r} is not known; {hint}"
    raise MeasureError(msg)
