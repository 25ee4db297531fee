"""Measures per group of queries, of all models of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from embedsmith.evaluation._groups import Group, group_queries, warn_of_small
from embedsmith.evaluation._slice import Slice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import F64Array
    from embedsmith.datasets import Queries
    from embedsmith.evaluation._model_result import ModelResult
    from embedsmith.evaluation._resampling import Resampling
    from embedsmith.metrics import MetricTable

__all__ = ["Slicer"]


@dataclass(frozen=True)
class Slicer:
    """Cuts the tables of models into groups of queries.

    Attributes
    ----------
    fields : tuple of str
        Fields to group by, one after another.
    least : int
        Groups of fewer queries are marked and warned about.
    resampling : Resampling
        Draws the intervals.
    """

    fields: tuple[str, ...]
    least: int
    resampling: Resampling

    def check(self, queries: Queries) -> None:
        """Refuse a field that no query has, before any work is done."""
        for field in self.fields:
            group_queries(queries, field)

    def cut(
        self, models: Sequence[ModelResult], queries: Queries, baseline: str
    ) -> tuple[ModelResult, ...]:
        """Return the models with their slices.

        Parameters
        ----------
        models : sequence of ModelResult
            Measured on the same queries.
        queries : Queries
            With their fields.
        baseline : str
            Name of the model that the others are compared with.

        Returns
        -------
        tuple of ModelResult
            In their order.
        """
        grouped = {field: group_queries(queries, field) for field in self.fields}
        for field, groups in grouped.items():
            warn_of_small(field, groups, self.least)
        against = next(model for model in models if model.name == baseline)
        return tuple(
            replace(
                model,
                slices=tuple(
                    self._slice(model, None if model is against else against, queries, field, group)
                    for field, groups in grouped.items()
                    for group in groups
                ),
            )
            for model in models
        )

    def _slice(
        self,
        model: ModelResult,
        against: ModelResult | None,
        queries: Queries,
        field: str,
        group: Group,
    ) -> Slice:
        values = _columns(model.table, queries, group)
        mean, ci = self.resampling.means(values)
        difference = (
            self.resampling.gains(values, _columns(against.table, queries, group))
            if against
            else {}
        )
        return Slice(
            field=field,
            value=group.value,
            n_queries=len(group.places),
            mean=mean,
            ci=ci,
            small=len(group.places) < self.least,
            against=against.name if against else None,
            difference=difference,
        )


def _columns(table: MetricTable, queries: Queries, group: Group) -> dict[str, F64Array]:
    """Return the values of a group's queries, in the order of the group."""
    row_of = dict(zip(table.query_ids, range(table.n_queries), strict=True))
    rows = np.array([row_of[queries.ids[place]] for place in group.places], dtype=np.int64)
    return {name: column[rows] for name, column in table.per_query.items()}
