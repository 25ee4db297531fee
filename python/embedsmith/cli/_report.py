"""``embedsmith report``: a stored result for people."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the types of a command
from typing import Annotated

import typer

from embedsmith.cli._exit import EXIT_CODES_HELP, guarded, to_stdout
from embedsmith.evaluation import EvaluationResult
from embedsmith.reports import write_report

__all__ = ["REPORT_EPILOG", "report_command"]

# \b keeps click from filling the lines of a paragraph.
REPORT_EPILOG = (
    """\b
Example:
  embedsmith report results/demo/result.json -o report.html

The page holds its plots, styles and numbers: it can be mailed, archived and opened anywhere, and
asks no other machine for anything.

\b
"""
    + EXIT_CODES_HELP
)


def report_command(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="result.json, or the folder that holds it.")
    ],
    *,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="Where to write, such as report.html."),
    ],
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="html, md or pdf (by an installed Chromium, Chrome or Edge). Default: as the "
            "file's name ends.",
            show_default=False,
        ),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; so does EMBEDSMITH_DEBUG=1.")
    ] = False,
) -> None:
    """Write a stored evaluation as a report: the verdict first, then all that supports it."""
    with guarded(debug=debug):
        written = write_report(EvaluationResult.load(result), out, format=format_)
        with to_stdout():
            typer.echo(f"Written to {written}.")
