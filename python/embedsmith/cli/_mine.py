"""``embedsmith mine``: hard negatives for training pairs."""

from __future__ import annotations

import enum
import json
import shutil
import sys
import time
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embedsmith._files import atomic_writer
from embedsmith._phrases import counted
from embedsmith.backends import load_encoder, resolve_spec
from embedsmith.cli._exit import EXIT_CODES_HELP, guarded, to_stdout
from embedsmith.cli._model_options import (
    MODEL_KINDS_HELP,
    AllowDownload,
    BatchSize,
    CacheFolder,
    Device,
    DocumentPrompt,
    MaxTokens,
    NoCache,
    Precision,
    QueryPrompt,
    TruncateDim,
    TrustRemoteCode,
)
from embedsmith.cli._options import folder_path, not_empty
from embedsmith.exceptions import OutputError
from embedsmith.mining import MinedNegatives, mine_hard_negatives

if TYPE_CHECKING:
    from embedsmith._typing import Json

__all__ = ["MINE_EPILOG", "mine_command"]

MINE_EPILOG = (
    """\b
Example:
  embedsmith mine beir/fiqa --model all-MiniLM-L6-v2 --out mined/
  embedsmith mine pairs.jsonl --anchor question --positive answer --corpus corpus.jsonl \\
    --model models/mine --num-negatives 5 --bm25 --out mined/

DATA is a BEIR folder with judgements of --split, or a file of pairs (JSONL, CSV, TSV, parquet).
DIR gets train.jsonl (or .parquet), negatives.jsonl (every negative with its rank, its scores and
why it was kept) and report.json (settings, fingerprint, counts, what each filter took, and every
query that is short, with the reason). A query gets its negatives whenever the corpus holds them:
filters act while it is searched. Positives, copies of them and near-duplicates are never negatives.
Stop it as you like and give the command again: finished blocks of queries are kept until the end.

"""
    + MODEL_KINDS_HELP
    + """
\b
"""
    + EXIT_CODES_HELP
)

_LINE_EVERY_S = 10.0
_SHORT_SHOWN = 5


class _Form(str, enum.Enum):
    triplet = "triplet"
    n_tuple = "n-tuple"
    labeled_pair = "labeled-pair"
    labeled_list = "labeled-list"


class _FileType(str, enum.Enum):
    jsonl = "jsonl"
    parquet = "parquet"


class _Strategy(str, enum.Enum):
    top = "top"
    window = "window"
    random = "random"
    softmax = "softmax"
    stratified = "stratified"


class _MarginTo(str, enum.Enum):
    min = "min"
    mean = "mean"
    max = "max"
    each = "each"


class _Pool(str, enum.Enum):
    full = "full"
    st = "st"


def mine_command(
    data: Annotated[str, typer.Argument(metavar="DATA", help="What to mine for.")],
    *,
    out: Annotated[
        Path, typer.Option(metavar="DIR", parser=folder_path, help="Folder of the results.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="NAME or FOLDER, or KIND:MODEL; the kinds stand below.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Judgements of a BEIR folder.")] = "train",
    anchor: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Of the queries. Default: anchor.", show_default=False),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Of their positives. Default: positive.", show_default=False
        ),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Passages for a file of pairs. Default: all positives.",
            show_default=False,
        ),
    ] = None,
    add_positives: Annotated[
        bool, typer.Option("--add-positives", help="Add positives that --corpus lacks.")
    ] = False,
    query_embeddings: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="A .npy file or embedsmith embed's folder.", show_default=False
        ),
    ] = None,
    corpus_embeddings: Annotated[
        str | None, typer.Option(metavar="PATH", help="Likewise.", show_default=False)
    ] = None,
    num_negatives: Annotated[int, typer.Option(metavar="N", min=1, help="For each query.")] = 3,
    range_min: Annotated[
        int, typer.Option(metavar="N", min=0, help="Best ranks to leave out.")
    ] = 0,
    range_max: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Last rank. Default: as far as it takes.", show_default=False
        ),
    ] = None,
    relative_margin: Annotated[
        float,
        typer.Option(
            metavar="X", help="Stay this share of the positive's score below it; -1: no margin."
        ),
    ] = 0.05,
    absolute_margin: Annotated[
        float | None,
        typer.Option(metavar="X", help="Stay this far below it.", show_default=False),
    ] = None,
    margin_to: Annotated[
        _MarginTo, typer.Option(help="Which positive, if a query has several.")
    ] = _MarginTo.min,
    max_score: Annotated[
        float | None, typer.Option(metavar="X", help="Of a negative.", show_default=False)
    ] = None,
    min_score: Annotated[
        float | None, typer.Option(metavar="X", help="Of a negative.", show_default=False)
    ] = None,
    near_duplicate: Annotated[
        float,
        typer.Option(metavar="X", help="Drop what has this cosine to a positive; 0: do not."),
    ] = 0.95,
    shingles: Annotated[
        float,
        typer.Option(metavar="X", help="Drop what shares so much of its text; 0: do not."),
    ] = 0.8,
    strategy: Annotated[
        _Strategy, typer.Option(help="Which candidates become negatives.")
    ] = _Strategy.top,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the draws.")] = 0,
    bm25: Annotated[
        bool, typer.Option("--bm25", help="Also take candidates that BM25 finds.")
    ] = False,
    cross_encoder: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A sentence-transformers CrossEncoder: its scores decide.",
            show_default=False,
        ),
    ] = None,
    pool: Annotated[
        _Pool, typer.Option(help="st: the candidates of sentence-transformers' function.")
    ] = _Pool.full,
    form: Annotated[
        _Form, typer.Option("--output-format", help="Of the training file.")
    ] = _Form.triplet,
    scores: Annotated[bool, typer.Option("--scores", help="Write scores beside.")] = False,
    file_type: Annotated[_FileType, typer.Option(help="Of the training file.")] = _FileType.jsonl,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Default: all processors granted.", show_default=False
        ),
    ] = None,
    cache: CacheFolder = None,
    no_cache: NoCache = False,
    device: Device = "cpu",
    batch_size: BatchSize = None,
    max_tokens: MaxTokens = None,
    truncate_dim: TruncateDim = None,
    precision: Precision = None,
    query_prompt: QueryPrompt = None,
    document_prompt: DocumentPrompt = None,
    trust_remote_code: TrustRemoteCode = False,
    allow_download: AllowDownload = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; so does EMBEDSMITH_DEBUG=1.")
    ] = False,
) -> None:
    """Mine hard negatives for training pairs."""
    if model is None and (query_embeddings is None or corpus_embeddings is None):
        msg = "--model is missing; without it give --query-embeddings and --corpus-embeddings."
        raise typer.BadParameter(msg)
    if cache is not None and no_cache:
        msg = "--cache and --no-cache exclude each other; give one of them."
        raise typer.BadParameter(msg)
    typed: dict[str, Any] = {
        "device": device,
        "batch_size": batch_size,
        "max_tokens": max_tokens,
        "truncate_dim": truncate_dim,
        "precision": precision,
        "document_prompt": document_prompt,
        "query_prompt": query_prompt,
        "trust_remote_code": trust_remote_code,
        "allow_download": allow_download,
        "cache": False if no_cache else cache,
    }
    usual = (None, "cpu")
    options = {
        name: value
        for name, value in typed.items()
        if value not in usual and (value is not False or name == "cache")
    }
    shown = _Shown(quiet=quiet)
    kept = f"Finished blocks are kept in {out}; the same command goes on from there."
    with guarded(debug=debug, kept=kept):
        encoder = None
        if model is not None:
            asked = ("device", "precision", "trust_remote_code", "allow_download")
            chosen = resolve_spec(model, **{key: options[key] for key in asked if key in options})
            if chosen is not None:
                shown.note(f"{model} runs as {chosen.spec}: {chosen.reason}")
            encoder = load_encoder(model if chosen is None else chosen.spec, **options)
        _make(out)
        blocks = out / "blocks"
        mined = mine_hard_negatives(
            not_empty(data),
            encoder,
            corpus=corpus,
            query_embeddings=query_embeddings,
            corpus_embeddings=corpus_embeddings,
            anchor_column_name=anchor,
            positive_column_name=positive,
            split=split,
            add_positives=add_positives,
            num_negatives=num_negatives,
            range_min=range_min,
            range_max=range_max,
            max_score=max_score,
            min_score=min_score,
            absolute_margin=absolute_margin,
            relative_margin=None if relative_margin < 0 else relative_margin,
            margin_to=margin_to.value,
            near_duplicate=near_duplicate or None,
            shingle_similarity=shingles or None,
            sampling_strategy=strategy.value,
            seed=seed,
            retrievers=("dense", "bm25") if bm25 else ("dense",),
            cross_encoder=None if cross_encoder is None else _cross_encoder(cross_encoder),
            pool=pool.value,
            batch_size=batch_size,
            checkpoint=blocks,
            threads=threads,
            progress=shown.progress,
        )
        train = out / f"train.{file_type.value}"
        written = mined.write(train, form.value, output_scores=scores)
        mined.write_negatives(out / "negatives.jsonl")
        report = {**mined.report, "output_format": form.value, "examples": written}
        with atomic_writer(out / "report.json") as file:
            file.write(json.dumps(report, indent=2, ensure_ascii=False).encode("utf-8") + b"\n")
        shutil.rmtree(blocks)
        with to_stdout():
            typer.echo(
                json.dumps(report, indent=2, ensure_ascii=False)
                if as_json
                else _summary(mined, train, written)
            )


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{out} cannot be made: {error.strerror or error}. Choose another place."
        raise OutputError(msg) from error


def _cross_encoder(name: str) -> Any:
    from embedsmith._deps import require  # noqa: PLC0415 - only for a cross-encoder

    library: Any = require("sentence_transformers", extra="st", feature="A cross-encoder")
    return library.CrossEncoder(name, device="cpu", local_files_only=True)


def _summary(mined: MinedNegatives, train: Path, written: int) -> str:
    report: Json = mined.report
    counts, means = report["counts"], report["scores"]
    taken = {name: count for name, count in report["taken"].items() if count}
    parts = [
        ("queries", f"{counts['queries']:,}, {counted(counts['positives'], 'positive')}"),
        ("passages", f"{counts['passages']:,}"),
        ("negatives", f"{counts['negatives']:,}"),
        ("short", f"{counts['short']:,}, {counts['without_negative']:,} of them without any"),
        ("taken by", ", ".join(f"{name} {count:,}" for name, count in taken.items()) or "none"),
        ("examples", f"{train}, {written:,}"),
    ]
    if means["negative_mean"] is not None:
        said = f"positives {means['positive_mean']:.3f}, negatives {means['negative_mean']:.3f}"
        parts.insert(4, ("mean score", said))
    lines = [f"{name:<12}{value}" for name, value in parts]
    if counts["without_positive"]:
        lines.append(f"{counts['without_positive']:,} judged queries have no positive; left out")
    for place, one in enumerate(mined.short()):
        if place == _SHORT_SHOWN:
            lines.append(f"  and {counts['short'] - _SHORT_SHOWN:,} more in report.json")
            break
        lines.append(f"  {one}")
    return "\n".join(lines)


class _Shown:
    """Progress on stderr: a line every ten seconds."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._spoken = time.monotonic()

    def note(self, text: str) -> None:
        """Say one thing."""
        if not self._quiet:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def progress(self, done: int, total: int) -> None:
        """Show how far it is."""
        now = time.monotonic()
        if now - self._spoken >= _LINE_EVERY_S:
            self._spoken = now
            self.note(f"mining, {done:,} of {total:,} queries")
