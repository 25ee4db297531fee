"""A folder of embeddings, read without loading it."""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from embedsmith._deps import require
from embedsmith._files import sha256_of
from embedsmith._validate import as_count
from embedsmith.backends import Fingerprint
from embedsmith.bulk._manifest import read_manifest
from embedsmith.bulk._shards import OpenShard, open_shard, unpacked_ids
from embedsmith.exceptions import DataError, ModelError, ShapeError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from embedsmith._typing import F32Array, Json, Metric
    from embedsmith.backends import Encoder
    from embedsmith.bulk._manifest import Manifest

__all__ = ["EmbeddingBatch", "EmbeddingFolder"]

_BATCH_ROWS = 4096


class EmbeddingBatch(NamedTuple):
    """Consecutive rows.

    Attributes
    ----------
    ids : list of str
    vectors : ndarray of shape (rows, dim), float32
    """

    ids: list[str]
    vectors: F32Array


class EmbeddingFolder:
    """Embeddings that `embed_corpus` wrote, mapped from their files.

    Reads the manifest and the heads of the files only; vectors and ids are read where they are
    asked for. Does not search: :meth:`embedsmith.Index.open` and :func:`embedsmith.topk` take the
    folder's path.

    Parameters
    ----------
    path : path
        The folder.

    Raises
    ------
    DataError
        If it is not there, not finished, or damaged.

    Notes
    -----
    Into other libraries, with ``folder = es.EmbeddingFolder("out")``:

    FAISS::

        index = faiss.IndexFlatIP(folder.dim)
        for batch in folder.batches(): index.add(batch.vectors)

    LanceDB::

        lancedb.connect("db").create_table("docs", folder.arrow_reader())

    Qdrant::

        client.upload_collection("docs", folder.rows(), ids=range(len(folder)),
                                 payload=({"id": own} for own in folder.ids()))

    pgvector, through psycopg::

        with cursor.copy("COPY docs (id, embedding) FROM STDIN") as copy:
            for pair in zip(folder.ids(), folder.rows()):
                copy.write_row((pair[0], str(pair[1].tolist())))

    Examples
    --------
    >>> import tempfile
    >>> import embedsmith as es
    >>> corpus = es.Corpus(("a", "b"), ("a loan", "a card"))
    >>> path = tempfile.mkdtemp()
    >>> _ = es.embed_corpus(corpus, "fake:8", path, cache=False)
    >>> folder = es.EmbeddingFolder(path)
    >>> folder, folder.ids_at([1, 0])
    (EmbeddingFolder(2 rows, dim=8, float32, 1 shard), ['b', 'a'])
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser()
        self._manifest: Manifest = read_manifest(self.path)
        self._shards: list[OpenShard] = [
            open_shard(self.path / entry.file) for entry in self._manifest.shards
        ]
        rows = [len(shard.content.vectors) for shard in self._shards]
        for entry, found in zip(self._manifest.shards, rows, strict=True):
            if entry.rows != found:
                msg = (
                    f"{self.path / entry.file} has {found} rows, and the manifest says "
                    f"{entry.rows}. Remove it, and give the command that wrote the folder again."
                )
                raise DataError(msg)
        self._starts = np.fromiter(accumulate(rows, initial=0), dtype=np.int64)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __repr__(self) -> str:
        count = len(self._shards)
        return (
            f"EmbeddingFolder({len(self)} rows, dim={self.dim}, {self.dtype}, {count} "
            f"shard{'' if count == 1 else 's'})"
        )

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._manifest.settings.dim

    @property
    def dtype(self) -> str:
        """How vectors are stored: ``"float32"``, ``"float16"`` or ``"int8"``."""
        return self._manifest.settings.dtype

    @property
    def metric(self) -> Metric:
        """Similarity that the model was trained for."""
        return self._manifest.settings.metric

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Identity of the embedding space."""
        return Fingerprint(self._manifest.settings.fingerprint["fields"])

    @property
    def manifest(self) -> Json:
        """All that ``shards.json`` says: settings, counts, files with their hashes."""
        return self._manifest.to_json()

    @property
    def vectors(self) -> list[np.ndarray[Any, Any]]:
        """The shards' vectors as they are stored, mapped: what :func:`embedsmith.topk` takes.

        Rows of int8 lack their scales, which drop out of ``metric="cosine"`` only; for another
        metric pass the folder's path.
        """
        return [shard.content.vectors for shard in self._shards]

    @property
    def scales(self) -> list[F32Array] | None:
        """What each row of int8 is multiplied by, shard by shard; None for other types."""
        scales = [shard.content.scales for shard in self._shards]
        return None if self.dtype != "int8" else cast("list[F32Array]", scales)

    def batches(self, rows: int = _BATCH_ROWS) -> Iterator[EmbeddingBatch]:
        """Return all rows in order, with their ids, some at a time.

        Parameters
        ----------
        rows : int, default 4096
            Most rows of a batch; a batch does not reach into the next shard.

        Returns
        -------
        iterator of EmbeddingBatch
            Vectors as float32, scales applied; copies, which may be kept.

        Raises
        ------
        ShapeError
            If ``rows < 1``.
        """
        step = as_count("rows", rows)
        return self._batches(step)

    def _batches(self, step: int) -> Iterator[EmbeddingBatch]:
        for shard in self._shards:
            ids, content = shard.ids(), shard.content
            for start in range(0, len(ids), step):
                values = content.vectors[start : start + step].astype(np.float32)
                if content.scales is not None:
                    values *= content.scales[start : start + step, None]
                yield EmbeddingBatch(ids[start : start + step], values)

    def ids(self) -> Iterator[str]:
        """Return all ids, in the order of the rows.

        Returns
        -------
        iterator of str
            Read shard by shard.
        """
        for shard in self._shards:
            yield from shard.ids()

    def rows(self) -> Iterator[F32Array]:
        """Return all vectors, one by one.

        Returns
        -------
        iterator of ndarray of shape (dim,), float32
        """
        for batch in self.batches():
            yield from batch.vectors

    def ids_at(self, rows: Any) -> Any:
        """Return the ids of rows, such as those that a search found.

        Parameters
        ----------
        rows : array_like of int
            Of any shape; -1, where a search found nothing, becomes None.

        Returns
        -------
        list, or str for one row
            Nested as ``rows`` is.

        Raises
        ------
        ShapeError
            If a row is not there.
        """
        wanted = np.asarray(rows)
        if wanted.size and wanted.dtype.kind not in "iu":
            msg = f"rows holds {wanted.dtype.name}; whole numbers are expected, such as TopK.rows."
            raise ShapeError(msg)
        if wanted.size and not (wanted.min() >= -1 and wanted.max() < len(self)):
            odd = int(wanted.min() if wanted.min() < -1 else wanted.max())
            msg = f"row {odd} is not there; the folder has {len(self)} rows, from 0."
            raise ShapeError(msg)
        distinct, places = np.unique(wanted.reshape(-1), return_inverse=True)
        names = np.empty(len(distinct), dtype=object)
        for at, row in enumerate(distinct.tolist()):
            names[at] = None if row < 0 else self._id(row)
        return names[places].reshape(wanted.shape).tolist()

    def _id(self, row: int) -> str:
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        file, local = self._shards[number].file, row - int(self._starts[number])
        ends = file.map("id_ends")
        first, last = int(ends[local - 1]) if local else 0, int(ends[local])
        (own,) = unpacked_ids(file.map("ids")[first:last], np.array([last - first]))
        return own

    def arrow_reader(self) -> Any:
        """Return all rows as a stream for Arrow: ``id``, and ``vector`` of float32.

        Returns
        -------
        pyarrow.RecordBatchReader
            What LanceDB, DuckDB and ``pyarrow.dataset.write_dataset`` take; it is read once.

        Raises
        ------
        MissingDependencyError
            If pyarrow is not installed.
        """
        arrow: Any = require("pyarrow", extra="data", feature="Reading embeddings as Arrow")
        vector = arrow.list_(arrow.float32(), self.dim)
        schema = arrow.schema([("id", arrow.string()), ("vector", vector)])
        batches = (
            arrow.record_batch(
                [
                    arrow.array(batch.ids, arrow.string()),
                    arrow.FixedSizeListArray.from_arrays(batch.vectors.reshape(-1), type=vector),
                ],
                schema=schema,
            )
            for batch in self.batches()
        )
        return arrow.RecordBatchReader.from_batches(schema, batches)

    def check_encoder(self, encoder: Encoder) -> None:
        """Refuse an encoder of another embedding space: its queries would find anything.

        Parameters
        ----------
        encoder : Encoder
            What embeds the queries.

        Raises
        ------
        ModelError
            Naming what differs.
        """
        if encoder.fingerprint == self.fingerprint:
            return
        differing = ", ".join(self.fingerprint.differences(encoder.fingerprint))
        msg = (
            f"{encoder.name} is of the embedding space {encoder.fingerprint.short}, and "
            f"{self.path} holds vectors of {self.fingerprint.short}; they differ in {differing}. "
            "Embed the queries with the model that the folder was written with."
        )
        raise ModelError(msg)

    def verify(self) -> None:
        """Read all files, and compare them with the hashes in the manifest.

        Raises
        ------
        DataError
            Naming each file that differs, and what to do.
        """
        wrong: list[str] = []
        for entry in self._manifest.shards:
            path = self.path / entry.file
            if path.stat().st_size != entry.n_bytes or sha256_of(path) != entry.sha256:
                wrong.append(entry.file)
        if wrong:
            raise _damaged(self.path, wrong)


def _damaged(folder: Path, wrong: Sequence[str]) -> DataError:
    msg = (
        f"{folder}: {', '.join(wrong)} {'does' if len(wrong) == 1 else 'do'} not have the SHA-256 "
        "of the manifest: damaged on the disk, or written to. Remove what is named, and give the "
        "command that wrote the folder again: it makes these files anew, and no others."
    )
    return DataError(msg)
