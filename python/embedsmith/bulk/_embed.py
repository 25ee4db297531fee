"""From a corpus to a folder of embeddings, with nothing lost on the way."""

from __future__ import annotations

import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from embedsmith._core import thread_count
from embedsmith._validate import as_count
from embedsmith.backends import load_encoder
from embedsmith.bulk._lock import LOCK, only_writer
from embedsmith.bulk._manifest import (
    Manifest,
    read_manifest,
    read_unfinished,
    write_json,
)
from embedsmith.bulk._plan import find_present, plan_run
from embedsmith.bulk._processes import ProcessRunner
from embedsmith.bulk._progress import Meter
from embedsmith.bulk._ray import RayRunner
from embedsmith.bulk._run import Writer
from embedsmith.bulk._runner import LocalRunner, ModelOrder, Runner, identity_of
from embedsmith.bulk._settings import SHARD_BYTES, SHARD_ROWS, Settings
from embedsmith.bulk._shards import is_shard_name
from embedsmith.bulk._text_table import WORK_FILE, TextTable
from embedsmith.datasets import stream_corpus
from embedsmith.exceptions import DataError, ModelError, OutputError
from embedsmith.search._folder import MANIFEST, UNFINISHED

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from embedsmith._typing import Json
    from embedsmith.backends import Encoder, Role
    from embedsmith.bulk._progress import EmbedProgress
    from embedsmith.bulk._settings import VectorType
    from embedsmith.datasets import Corpus, CorpusFormat, DocumentStream

__all__ = ["EmbeddingRun", "embed_corpus"]

# What a killed run leaves of a file that it was writing.
_ASIDE = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}")


@dataclass(frozen=True)
class EmbeddingRun:
    """What a run of `embed_corpus` did.

    Attributes
    ----------
    folder : str
        Where the embeddings are.
    spec : str
        What the model is loaded by, its backend included.
    fingerprint : str
        Identity of the embedding space: a digest of 64 hexadecimal digits.
    n_texts, n_unique : int
        Texts of the corpus, and distinct ones among them. Equal texts are embedded once.
    n_reused : int
        Distinct texts whose vectors the folder held already.
    n_cached : int
        Distinct texts whose vectors came from the encoder's cache.
    n_computed : int
        Distinct texts that the model embedded now.
    n_truncated : int
        Texts of which the model saw only a part.
    n_tokens : int
        Tokens of all texts, before anything was cut.
    computed_tokens : int
        Tokens that the model looked at now.
    elapsed_s, embedding_s : float
        Time of the whole run, and of its part after the corpus was read and checked, the
        loading of the model included.
    n_shards, n_shards_written : int
        Files of the folder, and those written now.
    n_restarts : int
        How often a worker died and its shard was given to another.
    """

    folder: str
    spec: str
    fingerprint: str
    n_texts: int
    n_unique: int
    n_reused: int
    n_cached: int
    n_computed: int
    n_truncated: int
    n_tokens: int
    computed_tokens: int
    elapsed_s: float
    embedding_s: float
    n_shards: int
    n_shards_written: int
    n_restarts: int

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens that the model looked at in a second; None if it embedded nothing."""
        return self.computed_tokens / self.embedding_s if self.computed_tokens else None

    def to_dict(self) -> Json:
        """Return JSON values.

        Returns
        -------
        dict
            A field for each attribute.
        """
        return {**asdict(self), "tokens_per_s": self.tokens_per_s}


def embed_corpus(
    corpus: Corpus | str | os.PathLike[str],
    model: Encoder | str,
    out: str | os.PathLike[str],
    *,
    dtype: VectorType = "float32",
    role: Role = "document",
    format: CorpusFormat | None = None,  # noqa: A002 - the word users expect
    columns: Mapping[str, str] | None = None,
    shard_rows: int = SHARD_ROWS,
    shard_bytes: int = SHARD_BYTES,
    workers: int = 1,
    threads: int | None = None,
    cluster: Literal["ray"] | None = None,
    task_options: Mapping[str, Any] | None = None,
    progress: EmbedProgress | None = None,
    **load_options: Any,
) -> EmbeddingRun:
    """Embed a corpus of any size into a folder, and lose nothing if it is interrupted.

    Builds no index. What is finished is kept: after a crash, a full disk or Ctrl-C the same call
    goes on, and the folder ends with the bytes of an undisturbed run. Over a changed corpus, it
    embeds what is new.

    Parameters
    ----------
    corpus : Corpus or path
        A file of JSON lines, parquet or plain lines, or a BEIR folder, perhaps packed; see
        :func:`embedsmith.datasets.stream_corpus`. It is read twice, and never held in memory.
    model : Encoder or str
        What :func:`embedsmith.load_encoder` returns or takes.
    out : path
        Folder to write; one that an earlier run wrote is continued or brought up to date.
    dtype : {"float32", "float16", "int8"}, default "float32"
        How vectors are stored. ``"int8"``: each row times a scale of its own, its largest absolute
        value divided by 127, that is stored beside it; with cosine the scale drops out.
    role : {"query", "document"}, default "document"
        What the texts are, which chooses the prompt.
    format : {"jsonl", "parquet", "txt"}, optional
        Default: by the name of the file.
    columns : mapping of str to str, optional
        What the file calls ``_id``, ``text`` or ``title``.
    shard_rows, shard_bytes : int
        A shard ends with so many texts, or once its texts take so many bytes. Memory: the texts
        and vectors of one shard, or of ``workers + 1``.
    workers : int, default 1
        Processes of this machine, each with its own model; or tasks of a cluster at a time. The
        bytes do not depend on it, as long as ``threads`` is the same. ``model`` is then a string.
    threads : int, optional
        Threads of each worker, for libraries that mind ``OMP_NUM_THREADS`` and
        ``EMBEDSMITH_NUM_THREADS``. Part of the folder's identity, as it may change the last bits.
        Default: what the folder was begun with; else the processors divided by ``workers``, or the
        libraries' own choice for one worker.
    cluster : {"ray"}, optional
        Embed on the Ray cluster that is connected. Texts and vectors travel; the folder is written
        here. The model must be on each node; nodes keep no cache, unless ``cache`` is passed.
    task_options : mapping, optional
        Further options for Ray's tasks, as ``RemoteFunction.options`` takes them:
        ``num_gpus``, ``resources``, ``scheduling_strategy``.
    progress : callable, optional
        Called with an `EmbedState`, at times from another thread.
    **load_options
        Passed to :func:`embedsmith.load_encoder` if ``model`` is a string: ``device``, ``cache``,
        ``batch_size``, ...

    Returns
    -------
    EmbeddingRun
        What was done; open the folder with :class:`embedsmith.EmbeddingFolder` or
        :meth:`embedsmith.Index.open`.

    Raises
    ------
    DataError
        If the corpus is empty, has an id twice, or changes meanwhile; `ParseError` with file and
        line for a row that cannot be used. Nothing has been embedded then.
    NonFiniteError, ModelError
        If the model's answer for a text cannot be searched; names its file, line and id.
    OutputError
        If the folder was made with another model, type or shard size, holds other files, is being
        written by another process, or the disk is full.
    ClusterError
        If a worker died three times on one shard.

    Notes
    -----
    The folder holds ``shards.json``, which lists all and appears last, and a safetensors file for
    each shard (``vectors``, ``scales`` for int8, ids, SHA-256 of each text, token counts). A file
    takes its name only when it is whole and on the disk.

    What is guaranteed: the same corpus, settings, machine and caches give the same bytes, however
    often the run is stopped, and for any number of workers with the same ``threads``. Each text
    belongs to the shard it stands in first; what of a shard has to be embedded goes through the
    model together, in an order that does not depend on the run. A vector that comes from the cache,
    or from the folder after the corpus has changed, was computed in another batch: unless the model
    is batch-invariant, its last bits may differ (about 1e-7) from those of a run from nothing.

    Without a cache, an interrupted run loses what it computed of the shards under way.

    Of Ray only the core is used: Ray Data would add pandas and pyarrow, choose blocks and their
    order by itself and write files of its own, and here one driver keeps the order and the files.
    Ray reports usage statistics to its makers unless ``RAY_USAGE_STATS_ENABLED=0`` is set before
    the cluster starts.

    Examples
    --------
    >>> import tempfile
    >>> import embedsmith as es
    >>> corpus = es.Corpus(("a", "b", "c"), ("a loan", "a card", "a loan"))
    >>> folder = tempfile.mkdtemp()
    >>> run = es.embed_corpus(corpus, "fake:8", folder, cache=False)
    >>> run.n_texts, run.n_unique, run.n_computed
    (3, 2, 2)
    >>> query = es.load_encoder("fake:8", cache=False).encode(["card"], role="query")
    >>> es.Index.open(folder).search(query.vectors, k=1).rows
    array([[1]])
    """
    began = time.monotonic()
    folder, workers = Path(out).expanduser(), as_count("workers", workers)
    stream = stream_corpus(corpus, format=format, columns=columns)
    if cluster not in (None, "ray"):
        msg = f"cluster={cluster!r} is unknown. Pass cluster='ray', or leave it out."
        raise DataError(msg)
    if cluster == "ray" and isinstance(model, str):
        load_options = {"cache": False, **load_options}
    encoder = _encoder(model, load_options)
    with only_writer(folder):
        before = _earlier(folder)
        threads = _threads(threads, before, workers, cluster)
        settings = Settings.of(
            encoder,
            role=role,
            dtype=dtype,
            shard_rows=shard_rows,
            shard_bytes=shard_bytes,
            threads=threads,
        )
        earlier = before.settings if isinstance(before, Manifest) else before
        if earlier is not None:
            earlier.refuse_other(settings, folder)
        meter = Meter(progress)

        def open_runner() -> Runner:
            if cluster is None and workers == 1 and threads is None:
                return LocalRunner(encoder, role, meter.within)
            if not isinstance(model, str):
                msg = (
                    "workers, threads and cluster start processes that open the model themselves: "
                    f"pass what load_encoder takes, such as {encoder.spec!r}, in place of an "
                    "encoder."
                )
                raise ModelError(msg)
            if load_options.get("max_cost") is not None:
                msg = (
                    "max_cost is a limit of one process, and workers, threads and cluster start "
                    "others. Leave them out: a service is asked many things at once as it is."
                )
                raise ModelError(msg)
            order = ModelOrder(encoder.spec, load_options, role, identity_of(encoder))
            if cluster == "ray":
                cpus = threads or 1
                return RayRunner(order, workers, meter.within, task_options, cpus=cpus)
            return ProcessRunner(order, workers, threads, meter.within)

        finished = before if isinstance(before, Manifest) else None
        job = _Job(folder, settings, stream, finished, encoder.spec)
        return job.run(open_runner, meter, began)


@dataclass(frozen=True)
class _Job:
    """A run whose folder is locked and whose settings fit."""

    folder: Path
    settings: Settings
    stream: DocumentStream
    before: Manifest | None
    spec: str

    def run(self, open_runner: Callable[[], Runner], meter: Meter, began: float) -> EmbeddingRun:
        folder, before = self.folder, self.before
        for file in folder.iterdir():
            if _left_aside(file.name):
                file.unlink()
        known = {entry.file: entry for entry in before.shards} if before is not None else {}
        table = TextTable(folder / WORK_FILE)
        try:
            written_ns = (folder / MANIFEST).stat().st_mtime_ns if known else 0
            present = find_present(folder, known, written_ns, self.settings, table)
            plan = plan_run(self.stream, self.settings, table, present, meter.read)
            if before is None:
                # Only now: a corpus that cannot be used binds nobody to these settings.
                write_json(folder / UNFINISHED, self.settings.to_json())
            start = time.monotonic()
            meter.begin(plan)
            writer = Writer(folder, self.settings, plan, table=table, present=present, meter=meter)
            shards, counts = writer.run(self.stream, open_runner, known)
        finally:
            table.close()
        manifest = Manifest(self.settings, counts, plan.corpus, shards)
        if manifest != before:
            write_json(folder / MANIFEST, manifest.to_json())
        self._tidy({entry.file for entry in shards})
        ended, tally = time.monotonic(), writer.tally
        return EmbeddingRun(
            folder=str(folder),
            spec=self.spec,
            fingerprint=self.settings.fingerprint["digest"],
            n_texts=counts.texts,
            n_unique=counts.unique_texts,
            n_reused=sum(shard.n_reused for shard in plan.shards),
            n_cached=tally.n_cached,
            n_computed=tally.n_computed,
            n_truncated=counts.truncated,
            n_tokens=counts.tokens,
            computed_tokens=tally.computed_tokens,
            elapsed_s=ended - began,
            embedding_s=ended - start,
            n_shards=len(shards),
            n_shards_written=tally.shards_written,
            n_restarts=tally.n_restarts,
        )

    def _tidy(self, kept: set[str]) -> None:
        """Remove what the manifest no longer lists."""
        (self.folder / UNFINISHED).unlink(missing_ok=True)
        for file in self.folder.iterdir():
            if is_shard_name(file.name) and file.name not in kept:
                file.unlink()


def _encoder(model: Encoder | str, options: Mapping[str, Any]) -> Encoder:
    if isinstance(model, str):
        return load_encoder(model, **options)
    if options:
        msg = f"{min(options)} is for load_encoder, but model is an encoder already. Pass it there."
        raise ModelError(msg)
    return model


def _earlier(folder: Path) -> Manifest | Settings | None:
    """Return what an earlier run left: a whole folder, one that was begun, or none."""
    if (folder / MANIFEST).exists():
        return read_manifest(folder)
    begun = read_unfinished(folder)
    names = [file.name for file in folder.iterdir() if not _left_aside(file.name)]
    if begun is not None and not any(map(is_shard_name, names)):
        # Nothing was made yet that other settings could contradict.
        return None
    if begun is None:
        foreign = sorted(name for name in names if name not in (LOCK, WORK_FILE))
        if foreign:
            msg = (
                f"{folder} holds {foreign[0]}, which no run of this kind wrote. Name a new or "
                "empty folder."
            )
            raise OutputError(msg)
    return begun


def _left_aside(name: str) -> bool:
    """Tell whether a file is what a killed run left of one of ours."""
    match = _ASIDE.fullmatch(name)
    return match is not None and (
        match["name"] in (MANIFEST, UNFINISHED) or is_shard_name(match["name"])
    )


def _threads(
    asked: int | None, before: Manifest | Settings | None, workers: int, cluster: str | None
) -> int | None:
    if asked is not None:
        return as_count("threads", asked)
    if before is not None:
        return (before.settings if isinstance(before, Manifest) else before).threads
    if cluster is not None:
        return 1
    return None if workers == 1 else max(1, thread_count() // workers)
