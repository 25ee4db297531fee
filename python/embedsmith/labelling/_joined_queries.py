"""Which queries have to stand on one side of a split."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedsmith.hygiene._same_text import Distinct
from embedsmith.text import near_duplicates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["JoinedQueries", "Joins", "joined_queries"]


@dataclass(frozen=True)
class JoinedQueries:
    """Queries that are joined, directly or through others.

    Attributes
    ----------
    queries : tuple of int
        Places, ascending.
    hubs : tuple of tuple
        The documents (or groups) that join most of them: a place and how many queries.
    """

    queries: tuple[int, ...]
    hubs: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Joins:
    """All sets of joined queries, and what made them.

    Attributes
    ----------
    components : tuple of JoinedQueries
        The largest first, then by first query.
    n_near_queries, n_near_documents : int
        Links between texts that are alike.
    n_ignored : int
        Documents (copies taken together) that join nothing because too many queries share them.
    """

    components: tuple[JoinedQueries, ...]
    n_near_queries: int
    n_near_documents: int
    n_ignored: int


class _Sets:
    """Disjoint sets of whole numbers; the lowest of a set stands for it."""

    def __init__(self, size: int) -> None:
        self.parent = list(range(size))

    def find(self, one: int) -> int:
        while self.parent[one] != one:
            self.parent[one] = self.parent[self.parent[one]]
            one = self.parent[one]
        return one

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.find(one), self.find(other)))
        self.parent[second] = first

    def join_all(self, links: Iterable[tuple[int, int]]) -> int:
        """Join the ends of each link; return how many there were."""
        count = 0
        for one, other in links:
            self.join(one, other)
            count += 1
        return count


def joined_queries(
    query_texts: Sequence[str],
    document_texts: Sequence[str],
    relevant: Sequence[Sequence[int]],
    *,
    near: float,
    seed: int,
    share_documents: bool = True,
    query_groups: Sequence[str] | None = None,
    document_groups: Sequence[str] | None = None,
    max_shared: int | None = None,
) -> Joins:
    """Return the sets of queries that must not be parted.

    Parameters
    ----------
    query_texts, document_texts : sequence of str
    relevant : sequence of sequence of int
        Of each query the places of its relevant documents.
    near : float
        Jaccard similarity from which two texts count as one.
    seed : int
        For the near-duplicates.
    share_documents : bool, default True
        Whether a relevant document, or a copy of one, joins its queries.
    query_groups, document_groups : sequence of str, optional
        A group of each query, or of each document; its queries are joined.
    max_shared : int, optional
        Documents of more queries join none.
    """
    sets = _Sets(len(query_texts))
    links = list(_alike(query_texts, near, seed))
    sets.join_all(links)
    if query_groups is not None:
        sets.join_all(_chains(_by_value(query_groups)))
    ignored = n_near = 0
    joining: list[tuple[int, list[int]]] = []
    if share_documents:
        used = sorted({document for documents in relevant for document in documents})
        like = _Sets(len(used))
        n_near = like.join_all(_alike([document_texts[one] for one in used], near, seed))
        if document_groups is not None:
            like.join_all(_chains(_by_value([document_groups[one] for one in used])))
        askers = _askers(like, {document: at for at, document in enumerate(used)}, relevant)
        joining = [
            (used[hub], queries)
            for hub, queries in askers.items()
            if max_shared is None or len(queries) <= max_shared
        ]
        ignored = len(askers) - len(joining)
        sets.join_all(_chains(dict(joining)))
    return Joins(_components(sets, joining), len(links), n_near, ignored)


def _askers(
    like: _Sets, place: Mapping[int, int], relevant: Sequence[Sequence[int]]
) -> dict[int, list[int]]:
    """Return the queries of each document, copies taken together."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for query, documents in enumerate(relevant):
        for hub in sorted({like.find(place[document]) for document in documents}):
            found[hub].append(query)
    return dict(found)


def _chains(groups: Mapping[Any, Sequence[int]]) -> Iterator[tuple[int, int]]:
    """Yield links that join the members of each group."""
    for members in groups.values():
        for one in members[1:]:
            yield members[0], one


def _components(sets: _Sets, joining: Sequence[tuple[int, list[int]]]) -> tuple[JoinedQueries, ...]:
    members: defaultdict[int, list[int]] = defaultdict(list)
    for query in range(len(sets.parent)):
        members[sets.find(query)].append(query)
    hubs: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for document, queries in joining:
        hubs[sets.find(queries[0])].append((document, len(queries)))
    found = [
        JoinedQueries(
            tuple(queries), tuple(sorted(hubs[root], key=lambda hub: (-hub[1], hub[0]))[:5])
        )
        for root, queries in members.items()
    ]
    return tuple(sorted(found, key=lambda one: (-len(one.queries), one.queries)))


def _alike(texts: Sequence[str], near: float, seed: int) -> Iterator[tuple[int, int]]:
    """Yield links that join texts which are equal or nearly so."""
    distinct = Distinct.of(texts).places
    for places in distinct:
        for other in places[1:]:
            yield places[0], other
    firsts = [places[0] for places in distinct]
    pairs = near_duplicates([texts[place] for place in firsts], near, links=True, seed=seed)
    for one, other, _ in pairs:
        yield firsts[one], firsts[other]


def _by_value(values: Sequence[str]) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for place, value in enumerate(values):
        found[value].append(place)
    return dict(found)
