"""``embedsmith check-data``: whether training data can be trusted."""

from __future__ import annotations

import enum
import json
import sys
from pathlib import Path  # noqa: TC003 - typer reads the types of a command
from typing import Annotated

import typer

from embedsmith.cli._exit import EXIT_CODES_HELP, ExitCode, guarded, to_stdout
from embedsmith.cli._model_options import MODEL_KINDS_HELP, ModelOptions
from embedsmith.cli._open_model import (
    asked_options,
    estimate_model,
    kept_embeddings,
    open_cross_encoder,
    open_model,
)
from embedsmith.cli._option_group import with_option_groups
from embedsmith.cli._service_options import ServiceOptions
from embedsmith.cli._show import show_estimates
from embedsmith.cli._stage_lines import StageLines
from embedsmith.hygiene import TrainingData, check_data, write_cleaned
from embedsmith.hygiene._check import texts_to_embed
from embedsmith.reports import data_check_markdown, data_check_text

__all__ = ["CHECK_DATA_EPILOG", "check_data_command"]

CHECK_DATA_EPILOG = (
    """\b
Example:
  embedsmith check-data train.jsonl --eval data/regulations --format md > check.md
  embedsmith check-data train.jsonl --corpus corpus.jsonl.gz --model all-MiniLM-L6-v2 \\
    --eval dev.jsonl --eval test.jsonl --max-leakage "cross queries=0" --languages en,de

Lines of train.jsonl have query, positive, and perhaps negative and scores:
  {"query": "fee?", "positive": "It is 5.", "negative": ["Free."], "scores": [0.9, 0.3]}

\b
What is found                  what to do
  leaked query, pair, passage  drop it from training, or split by document
  shared evaluation ...        two evaluation sets have it: keep it in one
  contradiction                an expert decides: one text is positive and negative
  likely false negative        drop, relabel as positive, or expert, as each finding says
  repeated pair, duplicates    keep one
  paraphrased (--model)        look at both
  empty, broken, long, boilerplate   drop or split
  other script                 by letters only: German among English is not seen
  other language (--languages) where that is sure; short texts often are not
  passage not in corpus (--corpus)   add it, or drop the pair
  far from training (--model)  the passages of which training speaks least
  personal data                e-mail, IBAN, card and phone numbers, shown masked

Exits with 1 if more queries or pairs of an evaluation set stand in training than --max-leakage
allows. It is given as a share for both, or as NAME=SHARE and more than once: queries, pairs,
passages, "cross queries", "cross pairs" and "cross passages" (of two evaluation sets), or
SET:NAME for one set. The data itself is never changed: --fix DIR writes a copy without what leaks,
repeats, contradicts or cannot be used, and removed.jsonl with the reason for each pair.

"""
    + MODEL_KINDS_HELP
    + """
\b
"""
    + EXIT_CODES_HELP
)


class _Format(str, enum.Enum):
    text = "text"
    md = "md"
    json = "json"


@with_option_groups
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
    max_words: Annotated[
        int, typer.Option(help="Longer texts are reported; of --model its own limit counts.")
    ] = 400,
    max_leakage: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]SHARE",
            help="What may stand in training; may be given again. Default: no query and no pair.",
            show_default=False,
        ),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="What will be searched: JSON lines, parquet, or a BEIR folder.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="Compare embeddings, too: NAME or FOLDER, or KIND:MODEL; the kinds stand below.",
            show_default=False,
        ),
    ] = None,
    cross_encoder: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A sentence-transformers CrossEncoder that judges negatives.",
            show_default=False,
        ),
    ] = None,
    cosine: Annotated[
        float, typer.Option(help="Cosine from which two embeddings count as one text.")
    ] = 0.95,
    coverage_cosine: Annotated[
        float, typer.Option(help="Cosine from which a passage is covered by a positive.")
    ] = 0.7,
    languages: Annotated[
        str | None,
        typer.Option(
            metavar="CODES",
            help="Languages that texts may be in: en,de. Default: any.",
            show_default=False,
        ),
    ] = None,
    models: ModelOptions,
    services: ServiceOptions,
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
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; so does EMBEDSMITH_DEBUG=1.")
    ] = False,
) -> None:
    """Check training data: leakage into evaluation, duplicates, labels, texts, personal data."""
    options = asked_options(models, services)
    if services.dry_run and model is None:
        msg = "--dry-run is for --model, and none is given; name the model that would be asked."
        raise typer.BadParameter(msg)
    limits = _limits(max_leakage or [])
    shown = StageLines(quiet=quiet)
    kept = "Nothing was written." if model is None else kept_embeddings(models)
    with guarded(debug=debug, kept=kept):
        data = TrainingData.of(training, split)
        encoder = None if model is None else open_model(model, options, shown.note)
        if services.dry_run and encoder is not None:
            texts = texts_to_embed(
                data, evaluation or [], corpus=corpus, evaluation_split=eval_split
            )
            show_estimates([estimate_model(encoder, texts)], as_json=as_json)
            return
        check = check_data(
            data,
            evaluation or [],
            corpus=corpus,
            encoder=encoder,
            teacher=None if cross_encoder is None else open_cross_encoder(cross_encoder),
            languages=None if languages is None else [one.strip() for one in languages.split(",")],
            split=split,
            evaluation_split=eval_split,
            near=near,
            cosine=cosine,
            coverage_cosine=coverage_cosine,
            false_negative_ratio=false_negative_ratio,
            max_words=max_words,
            max_leakage=limits,
            seed=seed,
            progress=shown,
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


def _limits(given: list[str]) -> dict[str, float]:
    """Return shares by name; a share alone is of queries and pairs."""
    limits: dict[str, float] = {}
    for one in given:
        # A set's name may hold an equals sign; a share does not.
        name, _, share = one.rpartition("=")
        try:
            number = float(share)
        except ValueError as error:
            msg = f"--max-leakage {one!r} has no share; write 0.01, or queries=0.01."
            raise typer.BadParameter(msg) from error
        limits |= {name: number} if name else {"queries": number, "pairs": number}
    return limits
