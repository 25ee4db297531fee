"""``embedsmith mine``: hard negatives for training pairs."""

from __future__ import annotations

import enum
import json
import shutil
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embedsmith._files import atomic_writer
from embedsmith._phrases import counted
from embedsmith.backends import Bm25, EmbeddingCache
from embedsmith.cli._exit import EXIT_CODES_HELP, guarded, to_stdout
from embedsmith.cli._mining_stages import embedded_side, mining_queries
from embedsmith.cli._model_options import MODEL_KINDS_HELP, ModelOptions
from embedsmith.cli._open_model import asked_options, estimate_model, open_cross_encoder, open_model
from embedsmith.cli._option_group import with_option_groups
from embedsmith.cli._options import folder_path, not_empty
from embedsmith.cli._progress import progress_on_stderr
from embedsmith.cli._service_options import ServiceOptions
from embedsmith.cli._show import show_estimates
from embedsmith.evaluation import Silent
from embedsmith.exceptions import OutputError
from embedsmith.mining import MinedNegatives, mine_hard_negatives
from embedsmith.mining._data import as_mining_data
from embedsmith.mining._settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedsmith._typing import Json
    from embedsmith.backends import Encoder, Role
    from embedsmith.mining._data import MiningData

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
Stop it as you like and give the command again: embeddings (unless --no-cache) and finished blocks
of 2,048 queries are kept until the end.

\b
Lines of a file of pairs; the columns are named by --anchor and --positive:
  {"anchor": "what is the monthly fee", "positive": "It is 5 euros."}

Services (extra api; the host is said before a text leaves): --dry-run tells texts and price first,
--max-cost stops before it costs more.

"""
    + MODEL_KINDS_HELP
    + """
\b
"""
    + EXIT_CODES_HELP
)

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


@with_option_groups
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
    models: ModelOptions,
    services: ServiceOptions,
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
    options = asked_options(models, services)
    shown = Silent() if quiet else progress_on_stderr()
    blocks = out / "blocks"
    with guarded(debug=debug, kept=lambda: _kept(None if model is None else models, blocks)):
        # All that can be refused is refused before a folder is made or a model is opened.
        settings = Settings(
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
        )
        pairs = as_mining_data(
            not_empty(data),
            corpus=corpus,
            anchor_column_name=anchor,
            positive_column_name=positive,
            split=split,
            add_positives=add_positives,
            refuse_equal=pool is _Pool.full,
        )
        if bm25:
            Bm25()  # whose packages may be missing
        teacher = None if cross_encoder is None else open_cross_encoder(cross_encoder)
        encoder = None if model is None else open_model(model, options, shown.note)
        sides: dict[Role, Any] = {"query": query_embeddings, "document": corpus_embeddings}
        if services.dry_run:
            _estimate(pairs, encoder, sides, as_json=as_json)
            return
        _make(out)
        if encoder is not None and query_embeddings is None and corpus_embeddings is None:
            sides = {
                "query": embedded_side(
                    encoder, pairs.query_texts, "query", models.batch_size, shown
                ),
                "document": embedded_side(
                    encoder, pairs.doc_texts, "document", models.batch_size, shown
                ),
            }
        units = len(pairs.positives.rows) if margin_to is _MarginTo.each else len(pairs)
        name = "embeddings" if encoder is None else encoder.name
        with mining_queries(shown, name, units) as told:
            mined = mine_hard_negatives(
                pairs,
                encoder,
                query_embeddings=sides["query"],
                corpus_embeddings=sides["document"],
                **vars(settings),
                retrievers=("dense", "bm25") if bm25 else ("dense",),
                cross_encoder=teacher,
                pool=pool.value,
                batch_size=models.batch_size,
                checkpoint=blocks,
                threads=threads,
                progress=told,
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


def _kept(models: ModelOptions | None, blocks: Path) -> str:
    """Return what an interrupted command leaves: what is on the disk, not what was meant to be."""
    parts = []
    if models is not None and not models.no_cache:
        parts.append(f"embeddings made so far in {EmbeddingCache(models.cache).folder}")
    finished = len(list(blocks.glob("*.npz")))
    if finished:
        parts.append(f"{counted(finished, 'finished block')} of queries in {blocks}")
    if not parts:
        return "Nothing was kept; the same command begins anew."
    return f"Kept are {' and '.join(parts)}; the same command goes on from there."


def _estimate(
    pairs: MiningData, encoder: Encoder | None, sides: Mapping[Role, Any], *, as_json: bool
) -> None:
    """Print what the model would be asked: texts of the sides that have no embeddings."""
    if encoder is None:
        msg = "--dry-run is for --model, and none is given; name the model that would be asked."
        raise typer.BadParameter(msg)
    texts = {"query": pairs.query_texts or (), "document": pairs.doc_texts or ()}
    asked = {role: () if sides[role] is not None else texts[role] for role in sides}
    show_estimates([estimate_model(encoder, asked)], as_json=as_json)


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{out} cannot be made: {error.strerror or error}. Choose another place."
        raise OutputError(msg) from error


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
