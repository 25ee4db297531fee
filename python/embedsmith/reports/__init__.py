"""Results as people read them; nothing is computed here."""

from embedsmith.reports._summary import evaluation_summary
from embedsmith.reports._terminal import evaluation_report

__all__ = ["evaluation_report", "evaluation_summary"]
