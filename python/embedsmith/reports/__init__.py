"""Results as people read them; nothing is computed here."""

from embedsmith.reports._compared import ComparisonFormat, comparison_page, comparison_text
from embedsmith.reports._summary import evaluation_summary
from embedsmith.reports._terminal import evaluation_report
from embedsmith.reports._write import ReportFormat, report_format, write_report

__all__ = [
    "ComparisonFormat",
    "ReportFormat",
    "comparison_page",
    "comparison_text",
    "evaluation_report",
    "evaluation_summary",
    "report_format",
    "write_report",
]
