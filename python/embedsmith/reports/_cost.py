"""Quality against what it costs: time, and width of the vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedsmith.reports._dimension_plot import dimension_chart
from embedsmith.reports._document import Section, Text
from embedsmith.reports._latency_plot import latency_chart

if TYPE_CHECKING:
    from embedsmith.evaluation import EvaluationResult

__all__ = ["cost_section"]


def cost_section(result: EvaluationResult) -> Section | str:
    """Return quality against latency and against dimension, or a sentence on why neither is there.

    Parameters
    ----------
    result : EvaluationResult
        What was found.

    Returns
    -------
    Section or str
        One plot or two; of one that is missing, why.
    """
    made = [latency_chart(result), dimension_chart(result)]
    charts = tuple(one for one in made if not isinstance(one, str))
    reasons = [one for one in made if isinstance(one, str)]
    if not charts:
        return " ".join(reasons)
    return Section("cost", "Quality against cost", (*charts, *map(Text, reasons)))
