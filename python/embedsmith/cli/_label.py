"""``embedsmith label``: experts' labels as a data set, their agreement, and what is open."""

from __future__ import annotations

import enum
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from embedsmith._phrases import counted
from embedsmith.cli._exit import EXIT_CODES_HELP, guarded, to_stdout
from embedsmith.cli._options import folder_path, renamed_columns, words
from embedsmith.labelling import (
    import_labels,
    label_agreement,
    read_labels,
    write_adjudication,
)

__all__ = ["label_app"]

_READING_HELP = """\b
What is read, told by its content:
  CSV, TSV       comma, semicolon, tab, bar; UTF-8, UTF-16, else Windows-1252 (and says so)
  XLSX           one sheet; stored values of formulas; merged cells are filled
  JSON           Label Studio (JSON, JSON-MIN), Argilla 2 (to_json, to_datasets), flat objects
  TREC qrels, BEIR folders

\b
Columns, in any order, known by many names (Frage, passage_id, Relevanz ...):
  query and document   an id, a text, or both
  grade                with a column annotator or without; or a column for each annotator,
                       named "Grade Anna", or with --annotators Anna,Ben
Grades are whole numbers, or words: relevant/yes/ja is 1, not relevant/no/nein is 0; others by
--grade 'highly relevant=2'. An empty cell is no judgement. Nothing is guessed.

"""

_IMPORT_EPILOG = (
    """\b
Example:
  embedsmith label import labels.xlsx --to data/fees
  embedsmith label import anna.csv ben.csv --corpus corpus.jsonl --merge majority \\
    --ties leave-out --grade partly=1 --grade fully=2 --grade no=0 --to data/fees

DIR becomes a BEIR folder with judgements.jsonl (who gave what, and where it stands) and
labels.json (sources with hashes, columns, grades, how annotators were merged).

"""
    + _READING_HELP
    + "\b\n"
    + EXIT_CODES_HELP
)
_AGREEMENT_EPILOG = (
    """\b
Example:
  embedsmith label agreement labels.xlsx
  embedsmith label agreement anna.csv ben.csv --resample query --json

Krippendorff's alpha at three levels (">" marks the one that fits the grades) with bootstrap
intervals, and Cohen's kappa of each two annotators. 1 is perfect agreement, 0 what chance gives. By
custom one relies on labels from .800 on, and draws tentative conclusions from .667 (Krippendorff,
Content Analysis, 2018, chapter 12): customs, not tests.

"""
    + _READING_HELP
    + "\b\n"
    + EXIT_CODES_HELP
)
_ADJUDICATE_EPILOG = (
    """\b
Example:
  embedsmith label adjudicate anna.csv ben.csv --to open.xlsx
  (fill in the column decision, save)
  embedsmith label import anna.csv ben.csv --adjudicated open.xlsx --to data/fees

The gravest disagreements come first: relevant to one and not to another, then by spread. Prefer
.xlsx: a spreadsheet makes dates of ids such as 1-2 in .csv. An apostrophe stands before whatever
could be taken for a formula, and is taken away when the list is read.

"""
    + _READING_HELP
    + "\b\n"
    + EXIT_CODES_HELP
)

label_app = typer.Typer(
    help="Experts' labels: import them, measure their agreement, list what is open.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class _Merge(str, enum.Enum):
    unanimous = "unanimous"
    majority = "majority"
    mean = "mean"
    max = "max"


class _Ties(str, enum.Enum):
    error = "error"
    leave_out = "leave-out"
    lower = "lower"  # type: ignore[assignment]  # hides str.lower, which nothing calls
    higher = "higher"


class _Level(str, enum.Enum):
    nominal = "nominal"
    ordinal = "ordinal"
    interval = "interval"


class _Resample(str, enum.Enum):
    pair = "pair"
    query = "query"


_Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="One or more.")]
_Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="ROLE=NAME",
        callback=renamed_columns,
        help="Of query, query_id, document, document_id, grade or annotator; again for more.",
    ),
]
_Annotators = Annotated[
    str | None,
    typer.Option(metavar="NAME,NAME", help="Columns of one annotator each.", show_default=False),
]
_Sheet = Annotated[
    str | None, typer.Option(metavar="NAME", help="Of a workbook.", show_default=False)
]
_Grades = Annotated[
    list[str] | None,
    typer.Option("--grade", metavar="WORD=N", help="What a word stands for; again for more."),
]
_NotJudged = Annotated[
    list[str] | None,
    typer.Option("--not-judged", metavar="WORD", help="Counts as empty; again for more."),
]
_Encoding = Annotated[
    str | None, typer.Option(metavar="NAME", help="Of text files.", show_default=False)
]
_Delimiter = Annotated[
    str | None, typer.Option(metavar="CHAR", help="Of text files.", show_default=False)
]
_HeaderRow = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Line of the column names.", show_default=False),
]
_FillDown = Annotated[
    bool, typer.Option("--fill-down", help="An empty query is that of the row above.")
]
_Question = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Control or question that is the grade.", show_default=False),
]
_SourceSplit = Annotated[
    str, typer.Option("--source-split", metavar="NAME", help="Judgements of a BEIR folder.")
]
_Corpus = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="Texts by id: a BEIR folder or file.", show_default=False),
]
_Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
_Debug = Annotated[
    bool, typer.Option("--debug", help="Show tracebacks; so does EMBEDSMITH_DEBUG=1.")
]


def _grades(pairs: list[str] | None) -> dict[str, int]:
    found = {}
    for pair in pairs or ():
        word, mark, number = pair.rpartition("=")
        if not mark or not word.strip() or not number.strip().lstrip("+-").isdecimal():
            msg = f"--grade {pair!r} gives no number; write WORD=N, such as 'partly relevant=1'."
            raise typer.BadParameter(msg)
        found[word] = int(number)
    return found


def _columns(pairs: list[str] | None) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in pairs or ())


@label_app.command("import", epilog=_IMPORT_EPILOG)
def label_import_command(
    files: _Files,
    *,
    to: Annotated[Path, typer.Option(metavar="DIR", parser=folder_path, help="A new folder.")],
    split: Annotated[str, typer.Option(help="Name of the judgements.")] = "test",
    merge: Annotated[
        _Merge, typer.Option(help="The grade of a pair that several judged.")
    ] = _Merge.unanimous,
    ties: Annotated[
        _Ties, typer.Option(help="What becomes of a pair without a grade by that.")
    ] = _Ties.error,
    adjudicated: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A list with decisions.", show_default=False),
    ] = None,
    columns: _Columns = None,
    annotators: _Annotators = None,
    sheet: _Sheet = None,
    grades: _Grades = None,
    not_judged: _NotJudged = None,
    encoding: _Encoding = None,
    delimiter: _Delimiter = None,
    header_row: _HeaderRow = None,
    fill_down: _FillDown = False,
    question: _Question = None,
    source_split: _SourceSplit = "test",
    corpus: _Corpus = None,
    queries: _Corpus = None,
    as_json: _Json = False,
    debug: _Debug = False,
) -> None:
    """Write experts' labels as a data set, with the record of where they come from."""
    numbers = _grades(grades)
    with guarded(debug=debug):
        done = import_labels(
            files,
            to,
            split=split,
            merge=merge.value,
            ties=ties.value,
            adjudicated=adjudicated,
            columns=_columns(columns),
            annotators=words(annotators or ""),
            sheet=sheet,
            grades=numbers,
            not_judged=not_judged or (),
            encoding=encoding,
            delimiter=delimiter,
            header_row=header_row,
            fill_down=fill_down,
            question=question,
            source_split=source_split,
            corpus=corpus,
            queries=queries,
        )
        _print(done.to_dict() if as_json else str(done))


@label_app.command("agreement", epilog=_AGREEMENT_EPILOG)
def label_agreement_command(
    files: _Files,
    *,
    level: Annotated[
        _Level | None,
        typer.Option(help="Default: nominal for two grades, else ordinal.", show_default=False),
    ] = None,
    resample: Annotated[_Resample, typer.Option(help="What the bootstrap draws.")] = _Resample.pair,
    confidence: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    draws: Annotated[int, typer.Option(min=100, help="Of the bootstrap.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    columns: _Columns = None,
    annotators: _Annotators = None,
    sheet: _Sheet = None,
    grades: _Grades = None,
    not_judged: _NotJudged = None,
    encoding: _Encoding = None,
    delimiter: _Delimiter = None,
    header_row: _HeaderRow = None,
    fill_down: _FillDown = False,
    question: _Question = None,
    source_split: _SourceSplit = "test",
    corpus: _Corpus = None,
    queries: _Corpus = None,
    as_json: _Json = False,
    debug: _Debug = False,
) -> None:
    """Measure how far annotators agree."""
    numbers = _grades(grades)
    with guarded(debug=debug):
        labels = read_labels(
            files,
            columns=_columns(columns),
            annotators=words(annotators or ""),
            sheet=sheet,
            grades=numbers,
            not_judged=not_judged or (),
            encoding=encoding,
            delimiter=delimiter,
            header_row=header_row,
            fill_down=fill_down,
            question=question,
            split=source_split,
            corpus=corpus,
            queries=queries,
        )
        _notes(labels.notes)
        found = label_agreement(
            labels,
            level=None if level is None else level.value,
            resample=resample.value,
            confidence=confidence,
            draws=draws,
            seed=seed,
        )
        _print(found.to_dict() if as_json else str(found))


@label_app.command("adjudicate", epilog=_ADJUDICATE_EPILOG)
def label_adjudicate_command(
    files: _Files,
    *,
    to: Annotated[Path, typer.Option(metavar="FILE", help="A new .xlsx or .csv.")],
    columns: _Columns = None,
    annotators: _Annotators = None,
    sheet: _Sheet = None,
    grades: _Grades = None,
    not_judged: _NotJudged = None,
    encoding: _Encoding = None,
    delimiter: _Delimiter = None,
    header_row: _HeaderRow = None,
    fill_down: _FillDown = False,
    question: _Question = None,
    source_split: _SourceSplit = "test",
    corpus: _Corpus = None,
    queries: _Corpus = None,
    as_json: _Json = False,
    debug: _Debug = False,
) -> None:
    """List the pairs on which annotators disagree, to be decided."""
    numbers = _grades(grades)
    with guarded(debug=debug):
        labels = read_labels(
            files,
            columns=_columns(columns),
            annotators=words(annotators or ""),
            sheet=sheet,
            grades=numbers,
            not_judged=not_judged or (),
            encoding=encoding,
            delimiter=delimiter,
            header_row=header_row,
            fill_down=fill_down,
            question=question,
            split=source_split,
            corpus=corpus,
            queries=queries,
        )
        _notes(labels.notes)
        found = write_adjudication(labels, to)
        across = sum(one.across for one in found)
        text = (
            f"{to}: {counted(len(found), 'pair')} to decide, {across:,} of them relevant to one "
            "annotator and not to another. Fill in the column 'decision', then give the list to "
            f"embedsmith label import as --adjudicated {to}"
        )
        _print({"file": str(to), "pairs": [one.to_dict() for one in found]} if as_json else text)


def _print(what: Any) -> None:
    with to_stdout():
        typer.echo(
            what if isinstance(what, str) else json.dumps(what, indent=2, ensure_ascii=False)
        )


def _notes(notes: tuple[str, ...]) -> None:
    for note in notes:
        sys.stderr.write(f"note: {note}\n")
