"""The best rows found so far for a batch of queries on a device."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from embedsmith._typing import Metric
    from embedsmith.search._tensor_certificate import Encoded

__all__ = ["Batch"]

# Below every upper bound of a row that may be found, above that of one that may not.
_FLOOR = -3e38


class Batch:
    """Some queries with their best rows so far, kept in canonical order.

    Parameters
    ----------
    metric : {"cosine", "dot", "l2"}
        How vectors are compared.
    queries : tensor of shape (n, dim), float32
        The queries.
    encoded : Encoded
        The same, encoded.
    norms : tensor of shape (n,), float64
        Their canonical norms; read for cosine and l2.
    row_scale : tensor of shape (1, 1), float64
        The rows' factor; read for dot and l2.
    rounding : float
        The certificate's ``G``.
    width : int
        Rows to keep per query.
    """

    def __init__(
        self,
        metric: Metric,
        queries: torch.Tensor,
        encoded: Encoded,
        *,
        norms: torch.Tensor,
        row_scale: torch.Tensor,
        rounding: float,
        width: int,
    ) -> None:
        self.metric: Metric = metric
        self.queries = queries
        self.codes = encoded.codes
        self.norms = norms
        self.rounding = rounding
        self.scale = (encoded.scale * row_scale).squeeze(1)
        count, device = queries.shape[0], queries.device
        self.numbers = torch.arange(count, device=device)
        self.goodness = torch.full((count, width), -math.inf, dtype=torch.float64, device=device)
        self.rows = torch.full((count, width), -1, dtype=torch.int64, device=device)

    def __len__(self) -> int:
        return int(self.queries.shape[0])

    @property
    def width(self) -> int:
        """Rows kept per query."""
        return int(self.goodness.shape[1])

    def floors(self) -> torch.Tensor:
        """Return the upper bounds below which a row cannot change the answer, float32 (n,).

        That is the worst kept score in the certificate's units, rounded down.
        """
        worst = self.goodness[:, -1]
        if self.metric == "dot":
            floor = worst * self.scale
        elif self.metric == "l2":
            square = self.norms.square()
            slack = (self.rounding + 2.0**-50) * (square - worst)
            floor = (square + worst - slack) * self.scale / 2
        else:
            floor = worst
        lowered = floor - floor.abs() * 2.0**-22 - 2.0**-60
        return lowered.float().clamp(min=_FLOOR)

    def merge(self, query: torch.Tensor, goodness: torch.Tensor, row: torch.Tensor) -> None:
        """Take scored pairs in, none of them twice: the better first, then the lower row.

        Parameters
        ----------
        query : tensor of shape (pairs,), int64
            Position in the batch.
        goodness : tensor of shape (pairs,), float64
            Canonical goodness; ``-inf`` for a pair that is none.
        row : tensor of shape (pairs,), int64
            Position in the corpus; -1 for a pair that is none.
        """
        width = self.width
        query = torch.cat([self.numbers.repeat_interleave(width), query])
        goodness = torch.cat([self.goodness.view(-1), goodness])
        row = torch.cat([self.rows.view(-1), row])
        order = torch.argsort(row, stable=True)
        order = order[torch.argsort(goodness[order], stable=True, descending=True)]
        order = order[torch.argsort(query[order], stable=True)]
        # What was kept is among the pairs, so each query has at least that many.
        first = torch.searchsorted(query[order], self.numbers)
        places = torch.arange(width, device=first.device)
        best = order[first[:, None] + places]
        self.goodness, self.rows = goodness[best], row[best]
