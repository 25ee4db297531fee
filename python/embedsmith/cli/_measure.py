"""``embedsmith measure``: runs against judgements, as trec_eval does."""

from __future__ import annotations

import enum
import json
import sys
import warnings
from pathlib import Path  # noqa: TC003 - typer reads the types of a command
from typing import Annotated, get_args

import typer

from embedsmith.cli._exit import EXIT_CODES_HELP, guarded, to_stdout
from embedsmith.datasets import Qrels, Run
from embedsmith.exceptions import DataError
from embedsmith.metrics import Evaluator
from embedsmith.metrics._options import Preset, Ties
from embedsmith.reports import (
    LEFT_OUT,
    MeasuredRun,
    asks_runid,
    measures_csv,
    measures_json,
    measures_markdown,
    named_measures,
    trec_eval_text,
)

__all__ = ["MEASURE_EPILOG", "measure_command"]

MEASURE_EPILOG = (
    """\b
Example:
  embedsmith measure qrels.txt bm25.run dense.run -m nDCG@10 -m AP,R@100 --format md --ci

\b
What trec_eval -c -q prints, byte for byte:
  embedsmith measure qrels.txt bm25.run -q

Files are TREC, BEIR, CSV, TSV, JSON, JSON lines or parquet, plain or as .gz or .zst, told by their
content. A judged query that the run lacks scores 0, as with trec_eval -c: a system that finds
nothing must not gain by it. --no-complete leaves such queries out, as trec_eval without -c does.
Scores are compared in float64, as trec_eval 10 does; --preset trec_eval-9 compares in float32.

\b
"""
    + EXIT_CODES_HELP
)


class _Format(str, enum.Enum):
    trec = "trec"
    json = "json"
    md = "md"
    csv = "csv"


def measure_command(
    qrels: Annotated[Path, typer.Argument(metavar="QRELS", help="The judgements.")],
    run: Annotated[list[Path], typer.Argument(metavar="RUN", help="One or several runs.")],
    *,
    measure: Annotated[
        list[str] | None,
        typer.Option(
            "--measure",
            "-m",
            metavar="NAME",
            help="nDCG@10, AP, R@100, ndcg_cut_10, P.5,10, official, all_trec, ...; again for "
            "more, or with commas. Default: official.",
            show_default=False,
        ),
    ] = None,
    query: Annotated[bool, typer.Option("--query", "-q", help="Each query's values too.")] = False,
    complete: Annotated[
        bool,
        typer.Option(
            "--complete/--no-complete", "-c", help="Count judged queries that a run lacks, as 0."
        ),
    ] = True,
    level: Annotated[
        float,
        typer.Option("--level", "-l", metavar="GRADE", min=1e-9, help="Lowest relevant grade."),
    ] = 1,
    format_: Annotated[
        _Format, typer.Option("--format", help="What to print.", case_sensitive=False)
    ] = _Format.trec,
    ties: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help=f"Which of equal scores comes first: {', '.join(get_args(Ties))}. "
            "Default: docid_desc, as trec_eval.",
            show_default=False,
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Measure as another tool does: {', '.join(get_args(Preset))}.",
            show_default=False,
        ),
    ] = None,
    ci: Annotated[
        bool, typer.Option("--ci", help="Intervals of the means, for md, csv and json.")
    ] = False,
    confidence: Annotated[
        float, typer.Option(metavar="SHARE", help="Level of the intervals.")
    ] = 0.95,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the intervals.")] = 0,
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Default: all cores.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; so does EMBEDSMITH_DEBUG=1.")
    ] = False,
) -> None:
    """Measure runs against judgements.

    Prints what trec_eval prints, or a table with a line for each run.
    """
    chosen = _Format.json if as_json else format_
    if ci and chosen is _Format.trec:
        msg = "trec_eval's format has no place for intervals; add --format md, csv or json."
        raise typer.BadParameter(msg, param_hint="--ci")
    with guarded(debug=debug):
        names = measure or ["official"]
        measures = named_measures(names, level=level)
        if chosen is _Format.trec:
            _tell_left_out(names)
        judgements = Qrels.read(qrels)
        evaluator = Evaluator(
            judgements,
            measures,
            ties=ties,  # type: ignore[arg-type]  # checked there, with the nearest name
            preset=preset,  # type: ignore[arg-type]  # likewise
            missing=None if complete and preset is not None else ("zero" if complete else "skip"),
            confidence=confidence if ci else None,
            seed=seed,
            threads=threads,
        )
        measured = [_measured(evaluator, file, name) for file, name in _named(run)]
        with to_stdout():
            if chosen is _Format.trec:
                for one in measured:
                    text = trec_eval_text(
                        one,
                        evaluator.measures,
                        level=level,
                        per_query=query,
                        runid=asks_runid(names),
                    )
                    sys.stdout.write(text)
            else:
                sys.stdout.write(_shown(measured, chosen, per_query=query))


def _measured(evaluator: Evaluator, file: Path, name: str) -> MeasuredRun:
    results = Run.read(file)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            table = evaluator.evaluate(results)
        except DataError as error:
            msg = f"{file}: {error}"
            raise DataError(msg) from error
    for warning in told:
        sys.stderr.write(f"note: {file}: {warning.message}\n")
    return MeasuredRun(name, results.tag or name, results, table)


def _named(files: list[Path]) -> list[tuple[Path, str]]:
    """Return each file with what tells it from the others: its name, or all of its path."""
    names = [file.name for file in files]
    return [(f, f.name if names.count(f.name) == 1 else str(f)) for f in files]


def _tell_left_out(names: list[str]) -> None:
    for name in dict.fromkeys(part for text in names for part in text.split(",")):
        if LEFT_OUT.get(name):
            sys.stderr.write(f"note: {name} is without {', '.join(LEFT_OUT[name])}.\n")


def _shown(measured: list[MeasuredRun], format_: _Format, *, per_query: bool) -> str:
    if format_ is _Format.md:
        return measures_markdown(measured, per_query=per_query)
    if format_ is _Format.csv:
        return measures_csv(measured, per_query=per_query)
    summary = measures_json(measured, per_query=per_query)
    return json.dumps(summary, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
