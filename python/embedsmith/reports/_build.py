"""A result as a document: which sections there are, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith._phrases import counted
from embedsmith.reports._cost import cost_section
from embedsmith.reports._curve_plot import curve_section
from embedsmith.reports._document import Document
from embedsmith.reports._findings import findings
from embedsmith.reports._forest import differences_section
from embedsmith.reports._identity import identity_section
from embedsmith.reports._method import method_section
from embedsmith.reports._models_section import models_section
from embedsmith.reports._slice_plot import slices_section
from embedsmith.reports._subject import TASKS, contents
from embedsmith.reports._visible import shortened_name
from embedsmith.reports._worst import worst_section

if TYPE_CHECKING:
    from embedsmith.evaluation import EvaluationResult

__all__ = ["build_document"]

_SECTIONS = (
    findings,
    models_section,
    differences_section,
    cost_section,
    curve_section,
    slices_section,
    worst_section,
    identity_section,
    method_section,
)


def build_document(result: EvaluationResult) -> Document:
    """Return the report on a result, in no format yet.

    Parameters
    ----------
    result : EvaluationResult
        What was found.

    Returns
    -------
    Document
        Equal results give equal documents. A section without data is among ``absent``.
    """
    data = result.data
    made = [build(result) for build in _SECTIONS]
    several = len(result.models) > 1
    title = (
        f"{counted(len(result.models), 'embedding model')} compared"
        if several
        else f"{shortened_name(result.models[0].name, 80)} evaluated"
    )
    return Document(
        title=f"{title} on {data.title}",
        subtitle=(f"{TASKS.get(result.task, result.task)}, split {data.split}: {contents(result)}"),
        sections=tuple(one for one in made if not isinstance(one, str)),
        absent=tuple(one for one in made if isinstance(one, str)),
    )
