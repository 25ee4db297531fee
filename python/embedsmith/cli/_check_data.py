"""``embedsmith check-data``: whether training data can be trusted."""

from __future__ import annotations

import enum
import json
import sys
from pathlib import Path  # noqa: TC003 - typer reads the types of a command
from typing import Annotated

import typer

from embedsmith.cli._exit import EXIT_CODES_HELP, ExitCode, guarded, to_stdout
from embedsmith.hygiene import TrainingData, check_data, write_cleaned
from embedsmith.reports import data_check_markdown, data_check_text

__all__ = ["CHECK_DATA_EPILOG", "check_data_command"]

CHECK_DATA_EPILOG = (
    """\b
Example:
  embedsmith check-data train.jsonl --eval data/regulations --format md > check.md

Lines of train.jsonl have query, positive, and perhaps negative and scores:
  {"query": "fee?", "positive": "It is 5.", "negative": ["Free."], "scores": [0.9, 0.3]}

\b
What is found                  what to do
  leaked query, pair, passage  drop it from training, or split by document
  contradiction                an expert decides: one text is positive and negative
  likely false negative        drop, relabel as positive, or expert, as each finding says
  repeated pair, duplicates    keep one
  empty, long, boilerplate     drop or split
  other script                 by letters only: German among English is not seen
  personal data                e-mail, IBAN, card and international phone numbers, shown masked

Exits with 1 if more queries or pairs of an evaluation set stand in training than --max-leakage
allows. The data itself is never changed: --fix DIR writes a copy without what leaks, repeats,
contradicts or is empty, and removed.jsonl with the reason for each pair.

\b
"""
    + EXIT_CODES_HELP
)


class _Format(str, enum.Enum):
    text = "text"
    md = "md"
    json = "json"


def check_data_command(
    training: Annotated[
        Path, typer.Argument(metavar="TRAIN", help="BEIR folder, or JSON lines of pairs.")
    ],
    *,
    evaluation: Annotated[
        list[Path] | None,
        typer.Option("--eval", metavar="PATH", help="Evaluation set; may be given again."),
    ] = None,
    split: Annotated[str, typer.Option(help="Judgements of a training folder.")] = "train",
    eval_split: Annotated[str, typer.Option(help="Judgements of evaluation folders.")] = "test",
    near: Annotated[
        float, typer.Option(help="Jaccard similarity from which texts count as one.")
    ] = 0.8,
    false_negative_ratio: Annotated[
        float,
        typer.Option(help="Share of the positive's score that makes a negative suspicious."),
    ] = 0.95,
    max_words: Annotated[int, typer.Option(help="Longer texts are reported.")] = 400,
    max_leakage: Annotated[
        float, typer.Option(metavar="SHARE", help="Queries and pairs that may stand in training.")
    ] = 0.0,
    max_passage_leakage: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Relevant passages that may. Default: no limit.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="For the near-duplicates.")] = 0,
    most: Annotated[
        int, typer.Option("--most", metavar="N", min=1, help="Findings to show of each kind.")
    ] = 5,
    form: Annotated[_Format, typer.Option("--format", help="How to print.")] = _Format.text,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all findings as JSON; as --format json.")
    ] = False,
    fix: Annotated[
        Path | None,
        typer.Option("--fix", metavar="DIR", help="New folder for a cleaned copy and its log."),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; so does EMBEDSMITH_DEBUG=1.")
    ] = False,
) -> None:
    """Check training data: leakage into evaluation, duplicates, labels, texts, personal data."""
    with guarded(debug=debug):
        data = TrainingData.of(training, split)
        check = check_data(
            data,
            evaluation or [],
            split=split,
            evaluation_split=eval_split,
            near=near,
            false_negative_ratio=false_negative_ratio,
            max_words=max_words,
            max_leakage=max_leakage,
            max_passage_leakage=max_passage_leakage,
            seed=seed,
        )
        if fix is not None:
            sys.stderr.write(f"{write_cleaned(data, check, fix)}\n")
        with to_stdout():
            if as_json or form is _Format.json:
                typer.echo(json.dumps(check.to_dict(), indent=2))
            elif form is _Format.md:
                typer.echo(data_check_markdown(check, most=most), nl=False)
            else:
                typer.echo(data_check_text(check, most=most), nl=False)
    if not check.passed:
        raise SystemExit(int(ExitCode.GATE))
