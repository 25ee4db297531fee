"""``embedsmith convert``: runs and judgements from one format to another."""

from __future__ import annotations

import enum
import json
import sys
from pathlib import Path  # noqa: TC003 - typer reads the types of a command
from typing import Annotated

import typer

from embedsmith.cli._exit import EXIT_CODES_HELP, guarded, to_stdout
from embedsmith.datasets import convert_file
from embedsmith.exceptions import OutputError

__all__ = ["CONVERT_EPILOG", "convert_command"]

CONVERT_EPILOG = (
    """\b
Example:
  embedsmith convert bm25.run bm25.parquet
  embedsmith convert qrels.json.gz qrels/test.tsv --as qrels

The name of the new file chooses its format (.json, .jsonl, .csv, .tsv, .parquet, TREC for any
other), and whether it is packed (.gz, .zst). Scores and grades keep their last bit. What the new
format cannot hold is refused, or said on stderr.

\b
"""
    + EXIT_CODES_HELP
)


class _Holds(str, enum.Enum):
    run = "run"
    qrels = "qrels"


class _To(str, enum.Enum):
    trec = "trec"
    beir = "beir"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"
    tsv = "tsv"
    parquet = "parquet"


def convert_command(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="The file to read.")],
    target: Annotated[Path, typer.Argument(metavar="DST", help="The file to write.")],
    *,
    holds: Annotated[
        _Holds | None,
        typer.Option(
            "--as",
            help="What SRC holds. Default: as its first line tells.",
            show_default=False,
            case_sensitive=False,
        ),
    ] = None,
    to: Annotated[
        _To | None,
        typer.Option("--to", help="Format of DST. Default: by its name.", show_default=False),
    ] = None,
    tag: Annotated[
        str | None,
        typer.Option(
            metavar="WORD", help="Name of a TREC run. Default: as in SRC.", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace DST.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; so does EMBEDSMITH_DEBUG=1.")
    ] = False,
) -> None:
    """Write a run or judgements in another format."""
    with guarded(debug=debug):
        if target.exists() and not force:
            msg = f"{target} exists already. Pass --force to replace it, or name another file."
            raise OutputError(msg)
        done = convert_file(
            source,
            target,
            holds=None if holds is None else holds.value,
            to=None if to is None else to.value,
            tag=tag,
        )
        with to_stdout():
            typer.echo(json.dumps(done.to_dict(), ensure_ascii=False) if as_json else str(done))
        for lost in done.lost:
            sys.stderr.write(f"note: {lost}\n")
