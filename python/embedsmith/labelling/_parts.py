"""Which part each set of joined queries goes to."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith.labelling._joined_queries import JoinedQueries

__all__ = ["assigned"]

# A set of this share of the smallest part is placed by size, before the others by hash.
_LARGE = 0.5


def assigned(
    components: Sequence[JoinedQueries],
    query_ids: Sequence[str],
    fractions: Sequence[float],
    seed: int,
) -> list[int]:
    """Return the part of each set of queries.

    Large sets go, the largest first, to the part that lacks most. The others stand in the order of
    a hash of the seed and of their query ids, and fill up one part after the other: the order of
    the data does not count, and a new query moves no more than those at the borders.
    """
    total = sum(len(one.queries) for one in components)
    wanted = [fraction * total for fraction in fractions]
    got = [0] * len(fractions)
    parts = [-1] * len(components)
    large = max(_LARGE * min(wanted), 1.0)
    keys = [min(_hash(seed, query_ids[query]) for query in one.queries) for one in components]
    sizes = [len(one.queries) for one in components]
    for at in sorted(range(len(components)), key=lambda at: (-sizes[at], keys[at])):
        if sizes[at] > large:
            parts[at] = max(range(len(wanted)), key=lambda part: (wanted[part] - got[part], -part))
            got[parts[at]] += sizes[at]
    room = [max(want - have, 0.0) for want, have in zip(wanted, got, strict=True)]
    rest = sum(size for size, part in zip(sizes, parts, strict=True) if part < 0)
    scale = rest / sum(room) if sum(room) else 0.0
    ends = [sum(room[: part + 1]) * scale for part in range(len(room))]
    filled = 0
    order = sorted((at for at in range(len(components)) if parts[at] < 0), key=lambda at: keys[at])
    for at in order:
        # A set belongs where its middle lies.
        middle = filled + sizes[at] / 2
        parts[at] = next((part for part, end in enumerate(ends) if middle <= end), len(ends) - 1)
        filled += sizes[at]
    return parts


def _hash(seed: int, query_id: str) -> bytes:
    text = f"embedsmith.split/1\n{seed}\n{query_id}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
