"""``embedsmith validate``: every fault of a file, with its place and its fix."""

from __future__ import annotations

import enum
import json
import sys
from pathlib import Path  # noqa: TC003 - typer reads the types of a command
from typing import Annotated

import typer

from embedsmith.cli._exit import EXIT_CODES_HELP, ExitCode, guarded, to_stdout
from embedsmith.datasets import FileCheck, Holds, check_file

__all__ = ["VALIDATE_EPILOG", "validate_command"]

VALIDATE_EPILOG = (
    """\b
Example:
  embedsmith validate qrels/test.tsv runs/*.run corpus.jsonl.gz

Each fault is a line on stdout: file, line, column, what was found, what was expected, what to do.
Runs and judgements in lines are read to their end; JSON over several lines, texts and parquet stop
at the first fault.

\b
"""
    + EXIT_CODES_HELP
)


class _Holds(str, enum.Enum):
    run = "run"
    qrels = "qrels"
    corpus = "corpus"
    queries = "queries"
    pairs = "pairs"


def validate_command(
    file: Annotated[list[Path], typer.Argument(metavar="FILE", help="What to look at.")],
    *,
    holds: Annotated[
        _Holds | None,
        typer.Option(
            "--as",
            help="What the files hold. Default: as the first line tells.",
            show_default=False,
            case_sensitive=False,
        ),
    ] = None,
    most: Annotated[
        int, typer.Option("--most", metavar="N", min=1, help="Faults to show of each file.")
    ] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; so does EMBEDSMITH_DEBUG=1.")
    ] = False,
) -> None:
    """Check files of runs, judgements, documents, queries or pairs, and name every fault."""
    kind: Holds | None = None if holds is None else holds.value
    with guarded(debug=debug):
        # Files are checked one after the other, and told at once: a large one takes a while.
        checks: list[FileCheck] = []
        for path in file:
            checks.append(check_file(path, holds=kind, most=most))
            if not as_json:
                with to_stdout():
                    sys.stdout.write(_told(checks[-1], most))
        if as_json:
            text = json.dumps([check.to_dict() for check in checks], indent=2, ensure_ascii=False)
            with to_stdout():
                typer.echo(text)
    if any(check.faults for check in checks):
        raise SystemExit(int(ExitCode.DATA))


def _told(check: FileCheck, most: int) -> str:
    lines = [f"{fault}\n" for fault in check.faults]
    if check.complete:
        return "".join(lines) or f"{check.path}: {check.summary}\n"
    lines.append(f"{check.path}: stopped after {most} faults; --most shows more.\n")
    return "".join(lines)
