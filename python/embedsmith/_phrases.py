"""Counts as words."""

from __future__ import annotations

__all__ = ["counted", "plural"]


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: ``1 query``, ``2,000 queries``.

    Examples
    --------
    >>> counted(1, "query", "queries"), counted(2000, "result")
    ('1 query', '2,000 results')
    """
    return f"{count:,} {one if count == 1 else many or plural(one)}"


def plural(noun: str) -> str:
    """Return the plural of a noun that follows one of the two usual rules.

    Examples
    --------
    >>> plural("query"), plural("pair")
    ('queries', 'pairs')
    """
    return noun[:-1] + "ies" if noun.endswith("query") else noun + "s"
