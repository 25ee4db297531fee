"""``embedsmith split``: train, dev and test that share nothing."""

from __future__ import annotations

import enum
import json
from pathlib import Path  # noqa: TC003 - typer reads the types of a command
from typing import Annotated

import typer

from embedsmith.cli._exit import EXIT_CODES_HELP, ExitCode, guarded, to_stdout
from embedsmith.cli._options import folder_path, words
from embedsmith.labelling import split_dataset

__all__ = ["SPLIT_EPILOG", "split_command"]

SPLIT_EPILOG = (
    """\b
Example:
  embedsmith split data/fees --to parts --fractions .8,.1,.1 --seed 1
  embedsmith split data/rulebooks --split all --by group --group - --to parts
  embedsmith mine parts/train --model all-MiniLM-L6-v2 --out mined
  embedsmith eval parts/test --model all-MiniLM-L6-v2

DIR gets the data sets train, dev and test (each with the judgements of its own name), train.jsonl
with a pair in each line, and split.json with the sizes asked for and got and the leakage found.

\b
--by         never in two parts
  document   relevant documents, and queries that share one, directly or through others
  group      neither those nor a group: --group - (document ids up to the last "-"),
             field:NAME of the corpus, or query:NAME of the queries
  query      queries; documents may be shared
Texts that are nearly equal stay together in each case. The result is read back and checked: exits
with 1 if something leaks that should not.

\b
"""
    + EXIT_CODES_HELP
)


class _By(str, enum.Enum):
    document = "document"
    group = "group"
    query = "query"


def split_command(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="BEIR folder, or JSON lines of pairs.")
    ],
    *,
    to: Annotated[Path, typer.Option(metavar="DIR", parser=folder_path, help="A new folder.")],
    by: Annotated[_By, typer.Option(help="What is never in two parts.")] = _By.document,
    group: Annotated[
        str | None,
        typer.Option(metavar="SPEC", help="Groups, with --by group.", show_default=False),
    ] = None,
    fractions: Annotated[
        str, typer.Option(metavar="F,F[,F]", help="Of train, dev and test, or train and test.")
    ] = ".8,.1,.1",
    split: Annotated[
        str | None,
        typer.Option(help="Judgements of a folder with several; all.", show_default=False),
    ] = None,
    near: Annotated[
        float, typer.Option(help="Jaccard similarity from which texts count as one.")
    ] = 0.8,
    max_shared: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Documents of more queries join none; they leak.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other parts.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print split.json.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; so does EMBEDSMITH_DEBUG=1.")
    ] = False,
) -> None:
    """Split a data set into train, dev and test between which nothing leaks."""
    try:
        shares = [float(word) for word in words(fractions)]
    except ValueError:
        msg = f"--fractions {fractions!r} are no numbers; write .8,.1,.1."
        raise typer.BadParameter(msg) from None
    with guarded(debug=debug):
        done = split_dataset(
            data,
            to,
            by=by.value,
            group=group,
            fractions=shares,
            split=split,
            near=near,
            max_shared=max_shared,
            seed=seed,
        )
        with to_stdout():
            typer.echo(
                json.dumps(done.to_dict(), indent=2, ensure_ascii=False) if as_json else str(done)
            )
    if not done.passed:
        raise SystemExit(int(ExitCode.GATE))
