"""The order in which a list of results is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ranked"]


def ranked(pairs: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    """Return documents with their scores, in the order that measures and run files give them.

    Examples
    --------
    >>> ranked([("d1", 0.5), ("d2", 0.75), ("d3", 0.5)])
    [('d2', 0.75), ('d3', 0.5), ('d1', 0.5)]
    """
    by_id = sorted(pairs, key=lambda pair: pair[0].encode("utf-8", "surrogatepass"), reverse=True)
    return sorted(by_id, key=lambda pair: -pair[1])
