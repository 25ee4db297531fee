"""Counts and lists of ids as words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["counted", "first_of"]


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: ``1 query``, ``2,000 queries``.

    Examples
    --------
    >>> counted(1, "query", "queries"), counted(2000, "result")
    ('1 query', '2,000 results')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def first_of(ids: Sequence[str], most: int = 5) -> str:
    """Return the first ids, quoted, with dots where there are more.

    Examples
    --------
    >>> first_of(["a", "b", "c"], most=2)
    "'a', 'b', ..."
    """
    return ", ".join(map(repr, ids[:most])) + (", ..." if len(ids) > most else "")
