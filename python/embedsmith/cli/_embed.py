"""``embedsmith embed``: a corpus to a folder of embeddings."""

from __future__ import annotations

import enum
import json
import sys
import time
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from embedsmith._phrases import counted
from embedsmith.backends import EmbeddingCache
from embedsmith.bulk import EmbeddingFolder, embed_corpus
from embedsmith.bulk._estimate import estimate_corpus
from embedsmith.cli._exit import EXIT_CODES_HELP, guarded, to_stdout
from embedsmith.cli._model_options import MODEL_KINDS_HELP, ModelOptions
from embedsmith.cli._open_model import asked_options, resolved
from embedsmith.cli._option_group import with_option_groups
from embedsmith.cli._options import folder_path, not_empty, renamed_columns
from embedsmith.cli._service_options import ServiceOptions
from embedsmith.cli._show import show_estimates
from embedsmith.evaluation import CostEstimate

if TYPE_CHECKING:
    from embedsmith.bulk import EmbeddingRun, EmbedState

__all__ = ["EMBED_EPILOG", "embed_command"]

EMBED_EPILOG = (
    """\b
Example:
  embedsmith embed corpus.jsonl --model all-MiniLM-L6-v2 --out embeddings/
  embedsmith embed --verify --out embeddings/

CORPUS is a file of JSON lines (_id, text, perhaps title), parquet or plain lines, packed (.gz,
.zst) or not, or a BEIR folder; it may be larger than memory. Stop it as you like and give the
command again: it goes on, and the folder ends with the bytes of an undisturbed run. Over a changed
corpus it embeds what is new. Search the folder with embedsmith.Index.open("embeddings/").

"""
    + MODEL_KINDS_HELP
    + """
\b
"""
    + EXIT_CODES_HELP
)

_LINE_EVERY_S = 10.0


class _Dtype(str, enum.Enum):
    float32 = "float32"
    float16 = "float16"
    int8 = "int8"


class _Role(str, enum.Enum):
    document = "document"
    query = "query"


class _Format(str, enum.Enum):
    jsonl = "jsonl"
    parquet = "parquet"
    txt = "txt"


class _Cluster(str, enum.Enum):
    ray = "ray"


@with_option_groups
def embed_command(
    corpus: Annotated[
        str | None, typer.Argument(metavar="CORPUS", help="Texts to embed.", show_default=False)
    ] = None,
    *,
    out: Annotated[
        Path, typer.Option(metavar="DIR", parser=folder_path, help="Folder of the embeddings.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="NAME or FOLDER, or KIND:MODEL; the kinds stand below.",
            show_default=False,
        ),
    ] = None,
    dtype: Annotated[
        _Dtype,
        typer.Option(help="How vectors are stored; int8 has a scale for each row."),
    ] = _Dtype.float32,
    role: Annotated[
        _Role, typer.Option(help="What the texts are; it chooses the prompt.")
    ] = _Role.document,
    format: Annotated[  # noqa: A002 - the word users expect
        _Format | None,
        typer.Option(help="Of CORPUS. Default: by its name.", show_default=False),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=ITS_NAME",
            callback=renamed_columns,
            help="What the file calls _id, text or title: _id=doc_id; once per column.",
            show_default=False,
        ),
    ] = None,
    shard_rows: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Most texts of a file. Default: 16384.", show_default=False
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(metavar="N", min=1, help="Processes, each with its own model.")
    ] = 1,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Of each worker. Default: as the folder was begun, else processors / workers.",
            show_default=False,
        ),
    ] = None,
    cluster: Annotated[
        _Cluster | None,
        typer.Option(
            help="Embed on the Ray cluster at RAY_ADDRESS, --workers tasks at a time.",
            show_default=False,
        ),
    ] = None,
    models: ModelOptions,
    services: ServiceOptions,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Compare the files of DIR with their hashes; embed nothing."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; so does EMBEDSMITH_DEBUG=1.")
    ] = False,
) -> None:
    """Embed a corpus of any size into a folder that is searched as it is."""
    if verify:
        if corpus is not None or model is not None:
            msg = "--verify embeds nothing; leave CORPUS and --model out."
            raise typer.BadParameter(msg)
        _verify(out, as_json=as_json, debug=debug)
        return
    if corpus is None or model is None:
        missing = "CORPUS" if corpus is None else "--model"
        msg = f"{missing} is missing; --verify alone does without."
        raise typer.BadParameter(msg)
    options = asked_options(models, services)
    # A cluster's nodes have no folder of this user's.
    if not models.no_cache and (cluster is None or models.cache is not None):
        options["cache"] = str(EmbeddingCache(models.cache).folder)
    shown = _Shown(quiet=quiet)
    with guarded(debug=debug):
        model = resolved(model, options, shown.note)
    source: dict[str, Any] = {
        "role": role.value,
        "format": None if format is None else format.value,
        "columns": dict(pair.split("=", 1) for pair in column or ()),
    }
    if services.dry_run:
        with guarded(debug=debug):
            name, found = estimate_corpus(not_empty(corpus), model, **source, **options)
            show_estimates([CostEstimate(name=name, spec=model, **vars(found))], as_json=as_json)
        return
    if shard_rows is not None:
        options["shard_rows"] = shard_rows
    kept = f"What is finished is kept in {out}; the same command goes on from there."
    with guarded(debug=debug, kept=kept), shown:
        if cluster is not None:
            _connect()
        run = embed_corpus(
            not_empty(corpus),
            model,
            out,
            dtype=dtype.value,
            workers=workers,
            threads=threads,
            cluster=None if cluster is None else cluster.value,
            progress=shown,
            **source,
            **options,
        )
        shown.stop()
        with to_stdout():
            typer.echo(
                json.dumps(run.to_dict(), indent=2, sort_keys=True, ensure_ascii=False)
                if as_json
                else _summary(run)
            )


def _connect() -> None:
    """Join the cluster that RAY_ADDRESS names; one that runs here is found without it."""
    from embedsmith._deps import require  # noqa: PLC0415 - only for a cluster

    ray: Any = require("ray", extra="ray", feature="Embedding on a Ray cluster")
    ray.init(address="auto", log_to_driver=False, logging_level="error")


def _verify(out: Path, *, as_json: bool, debug: bool) -> None:
    with guarded(debug=debug):
        folder = EmbeddingFolder(out)
        folder.verify()
        content = folder.manifest
        with to_stdout():
            if as_json:
                found = {
                    "folder": str(out),
                    "verified": True,
                    "fingerprint": content["fingerprint"],
                    "counts": content["counts"],
                    "files": len(content["shards"]),
                }
                typer.echo(json.dumps(found, indent=2, sort_keys=True))
            else:
                typer.echo(
                    f"{out}: {counted(len(content['shards']), 'file')} with "
                    f"{counted(len(folder), 'vector')} have the SHA-256 of the manifest."
                )


def _summary(run: EmbeddingRun) -> str:
    rate = run.tokens_per_s
    parts = [
        ("model", run.spec),
        ("texts", f"{run.n_texts:,}, {run.n_unique:,} distinct"),
        ("computed", f"{run.n_computed:,}"),
        ("from cache", f"{run.n_cached:,}"),
        ("from folder", f"{run.n_reused:,}"),
        ("truncated", f"{run.n_truncated:,}"),
        ("tokens", f"{run.n_tokens:,}" + ("" if rate is None else f", {rate:,.0f}/s computed")),
        ("time", f"{run.elapsed_s:.1f} s"),
        ("folder", f"{run.folder}, {counted(run.n_shards, 'file')}"),
        ("fingerprint", run.fingerprint),
    ]
    if run.n_restarts:
        parts.insert(6, ("restarts", f"{run.n_restarts} (a worker died; its shard was redone)"))
    return "\n".join(f"{name:<12}{value}" for name, value in parts)


class _Shown:
    """Progress on stderr: a bar on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._stage = ""
        self._spoken = 0.0

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def note(self, text: str) -> None:
        """Say one thing."""
        if not self._quiet:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def __call__(self, state: EmbedState) -> None:
        """Show how far it is."""
        if self._quiet:
            return
        if self._console.is_terminal:
            self._draw(state)
        else:
            self._write(state)

    def _draw(self, state: EmbedState) -> None:
        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("")
        total = None if state.left_tokens is None else state.tokens + state.left_tokens
        self._bar.update(
            self._task, description=_phrase(state), completed=state.tokens, total=total
        )

    def _write(self, state: EmbedState) -> None:
        now = time.monotonic()
        if state.stage == self._stage and now - self._spoken < _LINE_EVERY_S:
            return
        self._stage, self._spoken = state.stage, now
        sys.stderr.write(f"{_phrase(state)}\n")
        sys.stderr.flush()


def _phrase(state: EmbedState) -> str:
    if state.total is None:
        return f"reading: {state.texts:,} texts"
    text = f"embedding: {state.texts:,} of {state.total:,} texts"
    if state.left_tokens is None:
        return text
    text += f", {state.tokens:,} tokens, about {state.left_tokens:,} left"
    if state.left_s is None:
        return text
    minutes, seconds = divmod(round(state.left_s), 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"{text}, {clock}"
