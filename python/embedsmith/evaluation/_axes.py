"""What is asked of an evaluation beside its table: slices, curves, worst queries."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from embedsmith._validate import as_count
from embedsmith.evaluation._curve import recall_curve
from embedsmith.evaluation._gallery import EXCERPT_CHARS, worst_queries
from embedsmith.evaluation._variants import RESCORE_DEPTH, Plan
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from embedsmith.evaluation._measurer import Measurer
    from embedsmith.evaluation._model_result import ModelResult
    from embedsmith.search import TopK

__all__ = ["EXCERPT_CHARS", "RESCORE_DEPTH", "SMALL_SLICE", "WORST", "Axes"]

# Below this, one query moves a share by more than 3 points.
SMALL_SLICE = 30
WORST = 10


@dataclass(frozen=True)
class Axes:
    """The further questions to an evaluation, checked.

    Attributes
    ----------
    slices : tuple of str
        Fields of the queries to group by.
    small_slice : int
        Groups of fewer queries are marked and warned about.
    worst : int
        How many of the worst queries are kept.
    excerpt_chars : int
        Most characters of a text that is shown.
    excerpts : bool
        Whether texts are shown at all.
    dims, precisions, rescore_depth
        Smaller forms of the vectors, see ``Plan``.
    """

    slices: tuple[str, ...] = ()
    small_slice: int = SMALL_SLICE
    worst: int = WORST
    excerpt_chars: int = EXCERPT_CHARS
    excerpts: bool = True
    dims: tuple[int, ...] = ()
    precisions: tuple[str, ...] = ()
    rescore_depth: int = RESCORE_DEPTH

    @classmethod
    def of(
        cls,
        *,
        slices: str | Iterable[str],
        small_slice: int,
        worst: int,
        excerpt_chars: int,
        excerpts: bool,
        plan: Plan,
    ) -> Axes:
        """Return the questions, or say which of them has no answer.

        Raises
        ------
        ShapeError
            If a count is out of range.
        DataError
            If a field is named twice, or is no name.
        """
        return cls(
            slices=_fields(slices),
            small_slice=as_count("small_slice", small_slice),
            worst=as_count("worst", worst, least=0),
            excerpt_chars=as_count("excerpt_chars", excerpt_chars),
            excerpts=excerpts,
            dims=plan.dims,
            precisions=plan.precisions,
            rescore_depth=plan.rescore_depth,
        )

    @property
    def plan(self) -> Plan:
        """The smaller forms of the vectors."""
        return Plan(self.dims, self.precisions, self.rescore_depth)

    def settings(self) -> dict[str, Any]:
        """Return the questions under the names that ``Settings`` gives them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def answer(
        self,
        model: ModelResult,
        measurer: Measurer,
        hits: TopK,
    ) -> ModelResult:
        """Return a model's part with what can be told of it alone.

        Parameters
        ----------
        model : ModelResult
            Measured.
        measurer : Measurer
            Measured it.
        hits : TopK
            What it found.

        Returns
        -------
        ModelResult
            With its curve and its worst queries.
        """
        if model.run is None:
            return model
        passages = measurer.passages
        shown = {} if passages is None else {"passage": passages.finder(measurer.data, hits)}
        return replace(
            model,
            curve=recall_curve(
                partial(measurer.table, hits), min(model.depth, len(measurer.doc_ids))
            ),
            worst=worst_queries(
                measurer.data,
                model.table,
                model.run,
                count=self.worst,
                chars=self.excerpt_chars if self.excerpts else None,
                **shown,
            ),
        )


def _fields(slices: str | Iterable[str]) -> tuple[str, ...]:
    fields: tuple[Any, ...] = (slices,) if isinstance(slices, str) else tuple(slices)
    for place, field in enumerate(fields):
        if not isinstance(field, str) or not field.strip():
            msg = f"slices names {field!r}, which is no field. Pass names, such as 'product'."
            raise DataError(msg)
        if field in fields[:place]:
            msg = f"slices names the field {field!r} twice. Name it once."
            raise DataError(msg)
    return fields
