"""A result on stdout."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import typer

from embedsmith.cli._exit import to_stdout
from embedsmith.reports import estimates_report, evaluation_report, evaluation_summary

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from embedsmith.evaluation import CostEstimate, EvaluationResult

__all__ = ["show_estimates", "show_result"]

# A table needs no more: wider lines are harder to follow.
_WIDEST = 160
_NARROWEST = 60


def show_result(result: EvaluationResult, *, out: Path | None, as_json: bool) -> None:
    """Print a result as a table, or a summary of it as JSON."""
    if as_json:
        text = json.dumps(
            evaluation_summary(result, folder=out), indent=2, sort_keys=True, ensure_ascii=False
        )
    else:
        columns = shutil.get_terminal_size(fallback=(100, 24)).columns
        text = evaluation_report(result, width=min(max(columns, _NARROWEST), _WIDEST), folder=out)
    with to_stdout():
        typer.echo(text)


def show_estimates(estimates: Sequence[CostEstimate], *, as_json: bool) -> None:
    """Print what models would be asked, and what that would cost."""
    if as_json:
        text = json.dumps([one.to_dict() for one in estimates], indent=2, ensure_ascii=False)
    else:
        text = estimates_report(estimates)
    with to_stdout():
        typer.echo(text)
