"""Results as people read them; nothing is computed here."""

from embedsmith.reports._compared import ComparisonFormat, comparison_page, comparison_text
from embedsmith.reports._data_check import data_check_markdown, data_check_text
from embedsmith.reports._estimates import estimates_report
from embedsmith.reports._measured import (
    MeasuredRun,
    measures_csv,
    measures_json,
    measures_markdown,
)
from embedsmith.reports._summary import evaluation_summary
from embedsmith.reports._terminal import evaluation_report
from embedsmith.reports._trec_eval import LEFT_OUT, asks_runid, named_measures, trec_eval_text
from embedsmith.reports._write import ReportFormat, report_format, write_report

__all__ = [
    "LEFT_OUT",
    "ComparisonFormat",
    "MeasuredRun",
    "ReportFormat",
    "asks_runid",
    "comparison_page",
    "comparison_text",
    "data_check_markdown",
    "data_check_text",
    "estimates_report",
    "evaluation_report",
    "evaluation_summary",
    "measures_csv",
    "measures_json",
    "measures_markdown",
    "named_measures",
    "report_format",
    "trec_eval_text",
    "write_report",
]
