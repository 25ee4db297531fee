"""Counts as words."""

from __future__ import annotations

__all__ = ["counted"]


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: ``1 query``, ``2,000 queries``.

    Examples
    --------
    >>> counted(1, "query", "queries"), counted(2000, "result")
    ('1 query', '2,000 results')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
