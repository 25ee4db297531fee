"""``embedsmith compare``: models of stored results against each other."""

from __future__ import annotations

import json
import shutil
import textwrap
from pathlib import Path  # noqa: TC003 - typer reads the types of a command
from typing import Annotated, Literal

import typer

from embedsmith.cli._exit import EXIT_CODES_HELP, ExitCode, guarded, to_stdout
from embedsmith.evaluation import (
    EvaluationResult,
    ResultComparison,
    compare_results,
    ranking_agreement,
)
from embedsmith.exceptions import ModelError
from embedsmith.metrics import parse_measures
from embedsmith.reports import comparison_page, comparison_text

__all__ = ["COMPARE_EPILOG", "compare_command"]

# \b keeps click from filling the lines of a paragraph.
COMPARE_EPILOG = (
    """\b
Examples:
  embedsmith compare results/march results/april
  embedsmith compare results/live results/candidate --fail-if-worse
  embedsmith compare --synthetic results/synth --human results/labelled

The values per query that the results hold are paired again; nothing is embedded or searched. All
results must be of the same data (by its hash), split and settings. A model that several of them
hold counts once.

--synthetic and --human show whether synthetic queries rank the models that both results hold as
people's queries do: Kendall's tau-b, with a bootstrap interval over the queries of both.

--fail-if-worse exits with 1 if a model of a later result is worse than the baseline by any measure
compared, with the corrected test; "not enough evidence" passes.

\b
"""
    + EXIT_CODES_HELP
)

_WIDEST, _NARROWEST = 160, 60


def compare_command(
    results: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RESULT...", help="result.json files, or folders that hold one."),
    ] = None,
    *,
    measures: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Comma-separated. Default: all, which must be the same in every result.",
            show_default=False,
        ),
    ] = None,
    correction: Annotated[
        str, typer.Option(metavar="NAME", help="Of the p-values: holm, bonferroni, bh or none.")
    ] = "holm",
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Model that others must not be worse than. Default: the first result's first.",
            show_default=False,
        ),
    ] = None,
    synthetic: Annotated[
        Path | None,
        typer.Option(
            metavar="RESULT",
            help="A result on synthetic queries: does it rank models as --human does?",
            show_default=False,
        ),
    ] = None,
    human: Annotated[
        Path | None,
        typer.Option(
            metavar="RESULT",
            help="The same models on queries that people labelled.",
            show_default=False,
        ),
    ] = None,
    fail_if_worse: Annotated[
        bool,
        typer.Option(
            "--fail-if-worse", help="Exit with 1 if a model of a later result is worse than it."
        ),
    ] = False,
    format_: Annotated[
        Literal["text", "md", "html", "latex"],
        typer.Option("--format", help="html is a whole page; latex needs the package booktabs."),
    ] = "text",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the comparison as JSON instead.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; so does EMBEDSMITH_DEBUG=1.")
    ] = False,
) -> None:
    """Compare the models of stored results, query by query, with corrected tests."""
    if (synthetic is None) != (human is None) or (synthetic is not None) == bool(results):
        msg = "name results to compare; or --synthetic and --human, both and nothing else."
        raise typer.BadParameter(msg)
    with guarded(debug=debug):
        if synthetic is not None and human is not None:
            _show_agreement(synthetic, human, measures, as_json=as_json)
            return
        results = results or []
        chosen = None if measures is None else parse_measures(measures)
        stored = {str(place): EvaluationResult.load(place) for place in results}
        compared = compare_results(stored, chosen, correction=correction)
        base = _baseline(compared, baseline)
        if as_json:
            text = json.dumps(compared.to_dict(), indent=2, sort_keys=True, ensure_ascii=False)
        elif format_ == "text":
            columns = shutil.get_terminal_size(fallback=(100, 24)).columns
            text = comparison_text(compared, width=min(max(columns, _NARROWEST), _WIDEST))
        else:
            text = comparison_page(compared, format_).rstrip("\n")
        with to_stdout():
            typer.echo(text)
        if fail_if_worse:
            worse = _worse(compared, base, first=str(results[0]))
            for line in worse:
                typer.echo(f"gate: {line}", err=True)
            if worse:
                raise SystemExit(int(ExitCode.GATE))


def _show_agreement(synthetic: Path, human: Path, measure: str | None, *, as_json: bool) -> None:
    found = ranking_agreement(
        EvaluationResult.load(synthetic), EvaluationResult.load(human), measure=measure
    )
    if as_json:
        text = json.dumps(found.to_dict(), indent=2, ensure_ascii=False)
    else:
        width = max(map(len, ("model", *found.models)))
        lines = [f"{'model':<{width}}  synthetic  human"]
        lines += [
            f"{name:<{width}}  {one:>9.3f}  {two:>5.3f}"
            for name, one, two in zip(found.models, found.synthetic, found.human, strict=True)
        ]
        text = "\n".join((*lines, "", textwrap.fill(found.sentence, _WIDEST // 2 + 20)))
    with to_stdout():
        typer.echo(text)


def _baseline(compared: ResultComparison, named: str | None) -> str:
    names = [one.name for one in compared.models]
    if named is None:
        return names[0]
    if named not in names:
        msg = f"no model is called {named!r}; --baseline is one of {', '.join(map(repr, names))}."
        raise ModelError(msg)
    return named


def _worse(compared: ResultComparison, base: str, *, first: str) -> list[str]:
    """Return one sentence for each measure by which a later result's model is worse."""
    candidates = {
        one.name for one in compared.models if one.name != base and first not in one.sources
    }
    found = []
    for pair in compared.comparison.pairs:
        if {pair.a, pair.b} != {base, *({pair.a, pair.b} & candidates)}:
            continue
        other, lost = (
            (pair.b, pair.verdict == "worse")
            if pair.a == base
            else (pair.a, pair.verdict == "better")
        )
        if lost:
            found.append(
                f"{other} is worse than {base} by {pair.measure}: difference "
                f"{abs(pair.difference):.4f}, corrected p {pair.p_corrected:.4f}."
            )
    return found
