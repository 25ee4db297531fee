"""``embedsmith eval``: the main job."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, cast

import typer

from embedsmith.cli._axis_options import (
    Dims,
    ExcerptChars,
    Excerpts,
    Precisions,
    RescoreDepth,
    Slices,
    SmallSlice,
    Worst,
)
from embedsmith.cli._exit import EXIT_CODES_HELP, guarded
from embedsmith.cli._model_options import MODEL_KINDS_HELP, ModelOptions
from embedsmith.cli._open_model import asked_options, kept_embeddings, resolved
from embedsmith.cli._option_group import with_option_groups
from embedsmith.cli._options import (
    folder_path,
    not_empty,
    numbers,
    renamed_columns,
    separator,
    task_name,
    words,
)
from embedsmith.cli._progress import progress_on_stderr
from embedsmith.cli._service_options import ServiceOptions
from embedsmith.cli._show import show_estimates, show_result
from embedsmith.datasets import load_task
from embedsmith.evaluation import (
    DEFAULT_MEASURES,
    EXCERPT_CHARS,
    LATENCY_BATCHES,
    LATENCY_SECONDS,
    RESCORE_DEPTH,
    SMALL_SLICE,
    WORST,
    ResultFolder,
    Silent,
    estimate_cost,
    evaluate,
)
from embedsmith.metrics import parse_measures

if TYPE_CHECKING:
    from embedsmith._typing import Task

__all__ = ["EVAL_EPILOG", "eval_command"]

# \b keeps click from filling the lines of a paragraph.
EVAL_EPILOG = (
    """\b
Example:
  embedsmith eval --data sample:bank --model all-MiniLM-L6-v2 --model bm25 --out results/
  embedsmith eval --task sts --data pairs.csv --model all-MiniLM-L6-v2

The table goes to stdout, progress to stderr. --out gets result.json (everything, per query),
qrels.txt and one TREC run file per model. Repeating the command replaces its own result and
embeds nothing again; another result in the same folder is refused unless --force is given.

\b
Tasks and what they read (JSONL, CSV, TSV or parquet; a file, or a folder of split files):
  retrieval            a BEIR folder, or query, positive, negative
  reranking            query, positive, negative; or a BEIR folder with candidates/
  sts                  sentence1, sentence2, score
  pair_classification  sentence1, sentence2, label (1 or 0)
  classification       text, label: a folder with train.* and test.*
  clustering           text, label
  bitext               source, target

"""
    + MODEL_KINDS_HELP
    + """
\b
Services (extra api; keys from OPENAI_API_KEY or CO_API_KEY; the host is said before a text leaves):
  embedsmith eval --data my-data --model openai:text-embedding-3-small --dry-run
  embedsmith eval --data my-data --model openai:text-embedding-3-small --max-cost 0.50
  embedsmith eval --data my-data --model openai:e5 --base-url http://localhost:8000/v1 \\
    --query-prompt 'query: ' --document-prompt 'passage: '

\b
Measure again with another tool:
  ir_measures results/qrels.txt results/bm25.run nDCG@10 R@10

\b
"""
    + EXIT_CODES_HELP
)


@with_option_groups
def eval_command(
    context: typer.Context,
    *,
    data: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            callback=not_empty,
            help="Labelled set: a BEIR folder, a JSONL file of query, positive and negative, "
            "or sample:bank.",
        ),
    ],
    model: Annotated[
        list[str],
        typer.Option(
            metavar="SPEC",
            help="NAME or FOLDER, or KIND:MODEL, or bm25; the kinds stand below. Give it once per "
            "model to compare.",
        ),
    ],
    task: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            callback=task_name,
            help="retrieval, reranking, sts, pair_classification, classification, clustering or "
            "bitext; what each reads stands below.",
        ),
    ] = "retrieval",
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=ITS_NAME",
            callback=renamed_columns,
            help="What the file calls a column, for tasks other than retrieval: "
            "sentence1=premise; once per column.",
            show_default=False,
        ),
    ] = None,
    candidates: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="For reranking: the run that lists each query's documents. Default: the data "
            "folder's candidates/SPLIT.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(metavar="NAME", help="Judgements to use: qrels/SPLIT.tsv.")
    ] = "test",
    measures: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Comma-separated: ndcg@10, recall@100, rr@10, ap, p@5, success@1; other tasks: "
            "cosine_spearman, max_ap, accuracy, v_measure or all. Default: the task's usual ones, "
            f"for retrieval {','.join(DEFAULT_MEASURES)}.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=folder_path,
            help="Folder for result.json, qrels.txt, runs. Default: none.",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Replace another evaluation in --out; never a file it did not write."
        ),
    ] = False,
    depth: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Documents kept per query. Default: 100 or the largest cutoff; "
            "1,000 with ap or rr without cutoff.",
            show_default=False,
        ),
    ] = None,
    models: ModelOptions,
    services: ServiceOptions,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing", help="Drop judgements of unknown documents, and count them."
        ),
    ] = False,
    collapse: Annotated[
        str | None,
        typer.Option(
            metavar="SEPARATOR",
            callback=separator,
            help="Texts are passages, 'a#1' of document 'a' with '#'; or field:NAME of the corpus. "
            "Measures are then of documents. Default: texts are documents.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of intervals and tests.")] = 0,
    confidence: Annotated[
        float, typer.Option(metavar="SHARE", help="Level of the intervals.")
    ] = 0.95,
    fine_tune_below: Annotated[
        float,
        typer.Option(metavar="SHARE", help="FINE_TUNE if the interval of R@10 ends below this."),
    ] = 0.8,
    keep_above: Annotated[
        float, typer.Option(metavar="SHARE", help="KEEP if the interval of R@10 starts above this.")
    ] = 0.9,
    latency_queries: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Queries timed one at a time; 0 times none. Default: 100, and none of a service "
            "that is paid for.",
            show_default=False,
        ),
    ] = None,
    n_experiments: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="Seeded draws of classification and clustering."),
    ] = 10,
    samples_per_label: Annotated[
        int, typer.Option(metavar="N", min=1, help="Training texts per label (classification).")
    ] = 8,
    n_neighbors: Annotated[
        int, typer.Option(metavar="N", min=1, help="Neighbours that vote (classification's kNN).")
    ] = 5,
    latency_batches: Annotated[
        str,
        typer.Option(
            metavar="LIST", callback=numbers, help="Sizes of batches timed, by length of texts."
        ),
    ] = ",".join(map(str, LATENCY_BATCHES)),
    latency_seconds: Annotated[
        float,
        typer.Option(metavar="S", min=0, help="Time for that, per model; 0 times no batches."),
    ] = LATENCY_SECONDS,
    dims: Dims = "",
    precisions: Precisions = "",
    rescore_depth: RescoreDepth = RESCORE_DEPTH,
    slices: Slices = None,
    small_slice: SmallSlice = SMALL_SLICE,
    worst: Worst = WORST,
    excerpts: Excerpts = True,
    excerpt_chars: ExcerptChars = EXCERPT_CHARS,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Of the search. Default: all cores.", show_default=False
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a summary as JSON instead of the table.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; so does EMBEDSMITH_DEBUG=1.")
    ] = False,
) -> None:
    """Measure models on labelled queries, compare them, and decide whether to fine-tune.

    Embeds, searches exactly, and prints one table: each measure with its interval, speed and
    memory, the paired differences with corrected p-values, and a verdict per model.
    """
    with guarded(debug=debug, kept=kept_embeddings(models)):
        # All that can be refused is refused before the first text is embedded.
        if task == "retrieval" and measures is not None:
            parse_measures(measures)
        dataset = load_task(
            data,
            cast("Task", task),
            split=split,
            columns=dict(pair.split("=", 1) for pair in column or ()),
            allow_missing=allow_missing,
            collapse=collapse,
            candidates=candidates,
        )
        options = asked_options(models, services)
        if services.dry_run:
            show_estimates(estimate_cost(model, dataset, **options), as_json=as_json)
            return
        folder = None if out is None else ResultFolder(out, force=force)
        if folder is not None:
            folder.check(
                dataset,
                [spec if spec.lower() == "bm25" else resolved(spec, options) for spec in model],
            )
        result = evaluate(
            model,
            dataset,
            measures=measures,
            depth=depth,
            **options,
            allow_missing=allow_missing,
            seed=seed,
            confidence=confidence,
            fine_tune_below=fine_tune_below,
            keep_above=keep_above,
            latency_queries=latency_queries,
            n_experiments=n_experiments,
            samples_per_label=samples_per_label,
            n_neighbors=n_neighbors,
            dims=[int(word) for word in words(dims)],
            precisions=words(precisions),
            latency_batches=[int(word) for word in words(latency_batches)],
            latency_seconds=latency_seconds,
            rescore_depth=rescore_depth,
            slices=slices or (),
            small_slice=small_slice,
            worst=worst,
            excerpts=excerpts,
            excerpt_chars=excerpt_chars,
            threads=threads,
            progress=Silent() if quiet else progress_on_stderr(),
        )
        result = replace(
            result,
            # As typed, with the places it wrote to: they differ between equal runs.
            timing={**result.timing, "arguments": list(context.obj)},
        )
        if out is not None:
            result.save(out, force=force)
        show_result(result, out=out, as_json=as_json)
