"""What a search took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Self

__all__ = ["SearchStats"]


@dataclass(frozen=True)
class SearchStats:
    """What a search took. Counts depend on how threads met; the answer never does.

    Attributes
    ----------
    rows : dict of str to int
        Corpus rows that each pass ("int8", "bf16", "f32"; "f16" on a CUDA device) looked at,
        summed over the batches that the queries were cut into.
    hits_per_query : float
        Rows that a pass could not rule out at once.
    scored_per_query : float
        Rows that got the canonical score.
    repeated_queries : int
        Queries that were searched twice, since a sample misjudged what their answers reach.
    fallbacks : int
        Batches in which a more precise pass took over on the way: its bounds were too loose for
        this data.
    seconds : float
        Wall time of the search.
    gflops : float
        Operations that a plain matrix product would have needed, 2 Q N D, by the time, in 1e9/s.
    """

    rows: dict[str, int]
    hits_per_query: float
    scored_per_query: float
    repeated_queries: int
    fallbacks: int
    seconds: float
    gflops: float

    @classmethod
    def of(
        cls, counts: Mapping[str, Any], seconds: float, queries: tuple[int, ...], docs: int
    ) -> Self:
        """Return the statistics of a search from what it counted.

        Parameters
        ----------
        counts : mapping
            Under the core's names: rows, hits, scored, repeated, fallbacks.
        seconds : float
            Wall time.
        queries : (int, int)
            Shape of the queries.
        docs : int
            Corpus rows.

        Returns
        -------
        SearchStats
        """
        return cls(
            rows=dict(counts["rows"]),
            hits_per_query=counts["hits"] / queries[0],
            scored_per_query=counts["scored"] / queries[0],
            repeated_queries=counts["repeated"],
            fallbacks=counts["fallbacks"],
            seconds=seconds,
            gflops=2e-9 * queries[0] * queries[1] * docs / seconds,
        )

    @classmethod
    def joined(cls, parts: Sequence[Self], seconds: float) -> Self:
        """Return the statistics of a search from those of its parts, for the same queries.

        Parameters
        ----------
        parts : sequence of SearchStats
            One for each part of the corpus.
        seconds : float
            Wall time of all, in which the parts may have run side by side.

        Returns
        -------
        SearchStats
        """
        rows: dict[str, int] = {}
        for part in parts:
            for name, count in part.rows.items():
                rows[name] = rows.get(name, 0) + count
        return cls(
            rows=rows,
            hits_per_query=sum(part.hits_per_query for part in parts),
            scored_per_query=sum(part.scored_per_query for part in parts),
            repeated_queries=sum(part.repeated_queries for part in parts),
            fallbacks=sum(part.fallbacks for part in parts),
            seconds=seconds,
            gflops=sum(part.gflops * part.seconds for part in parts) / seconds,
        )
