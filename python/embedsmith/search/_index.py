"""A corpus made ready for many searches."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedsmith._validate import (
    CorpusMatrix,
    as_corpus,
    as_count,
    as_matrix,
    as_metric,
    as_progress,
    fitting,
)
from embedsmith.exceptions import ModelError, ShapeError
from embedsmith.search._content import IndexContent, built, extended
from embedsmith.search._index_file import read_index, write_index
from embedsmith.search._pairs import MAX_PAIRS, Pairs, neighbours_within, pairs_within
from embedsmith.search._sharded import ShardedContent, open_shards
from embedsmith.search._topk import TopK, search_matrix

if TYPE_CHECKING:
    import os

    from embedsmith._typing import Metric, Progress

__all__ = ["Index"]


class Index:
    """A corpus with its norms and its 8-bit codes, ready for many exact searches.

    Answers are those of :func:`embedsmith.topk`, bit for bit. Building reads the corpus once and
    refuses NaN and infinity; searches then read the codes, a quarter of the corpus's bytes, and of
    the corpus only the few rows that the codes cannot rule out.

    Parameters
    ----------
    corpus : array_like of shape (n_docs, dim)
        Borrowed if it is C-contiguous float32, float16 or bfloat16, else converted to float32 once.
        Do not write to it while the index is in use: its norms and codes would no longer fit. The
        codes take a byte a value (rows padded to 64), and 32 bytes a row.
    metric : {"cosine", "dot", "l2"}, default "cosine"
        As in :func:`embedsmith.topk`.
    fingerprint : str, optional
        Identity of the embedding space that the vectors come from, such as
        ``encoder.fingerprint.digest``. The file keeps it, so that whoever opens the index can tell
        whether a query's encoder fits.
    threads : int, optional
        For building. Defaults as in :func:`embedsmith.topk`.
    progress : callable, optional
        Called as ``progress(done, total)`` while building, in rows.

    Raises
    ------
    ShapeError
        If the corpus is no matrix of numbers, or the metric is unknown.
    NonFiniteError
        If a row holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> import embedsmith as es
    >>> index = es.Index(np.eye(3, dtype=np.float32), metric="dot")
    >>> index.search([[0.0, 2.0, 1.0]], k=2).rows
    array([[1, 2]])
    """

    _content: IndexContent | ShardedContent

    def __init__(
        self,
        corpus: Any,
        *,
        metric: Metric = "cosine",
        fingerprint: str | None = None,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        metric = as_metric(metric)
        vectors = as_corpus("corpus", corpus)
        if not len(vectors.values):
            msg = "corpus is empty; pass at least one row."
            raise ShapeError(msg)
        self._content = built(
            vectors,
            metric,
            fingerprint,
            threads=None if threads is None else as_count("threads", threads),
            progress=as_progress(progress),
        )
        self._adding = threading.Lock()

    def __len__(self) -> int:
        return len(self._content)

    def __repr__(self) -> str:
        return f"Index({len(self)} rows, dim={self.dim}, metric={self.metric!r})"

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._content.dim

    @property
    def metric(self) -> Metric:
        """How vectors are compared."""
        return self._content.metric

    @property
    def fingerprint(self) -> str | None:
        """Identity of the embedding space, if it was given."""
        return self._content.fingerprint

    def search(
        self,
        queries: Any,
        k: int = 10,
        *,
        exclude: Any = None,
        where: Any = None,
        threads: int | None = None,
        stats: bool = False,
        progress: Progress | None = None,
        fingerprint: Any = None,
    ) -> TopK:
        """Return the best ``k`` rows for each query, exactly.

        Any number of threads may search one index at once.

        Parameters
        ----------
        queries : array_like of shape (n_queries, dim)
            As in :func:`embedsmith.topk`, like the other parameters.
        k : int, default 10
            Rows wanted per query.
        exclude : sequence of sequences of int, or integer ndarray, optional
            Rows that a query must not return.
        where : array_like of shape (n_docs,), bool, optional
            True where a row may be found.
        threads : int, optional
            Threads for this search.
        stats, progress
            As in :func:`embedsmith.topk`.
        fingerprint : Fingerprint or str, optional
            Identity of the space that the queries are of, such as ``encoder.fingerprint``. If the
            index knows its own, another one is refused.

        Returns
        -------
        TopK
            ``scores`` and ``rows`` of shape (n_queries, min(k, n_docs)).

        Raises
        ------
        ShapeError
            If the width is not the index's, or ``k < 1``.
        ModelError
            If the queries are of another embedding space.
        NonFiniteError
            If a query holds NaN or infinity, or a file's vector was damaged to NaN.
        """
        content = self._content
        _refuse_other_space(content.fingerprint, fingerprint)
        if isinstance(content, ShardedContent):
            return content.search(
                queries,
                k=k,
                exclude=exclude,
                where=where,
                threads=threads,
                stats=stats,
                progress=as_progress(progress),
            )
        return search_matrix(
            as_matrix("queries", queries),
            CorpusMatrix(content.vectors, content.half),
            norms=content.norms,
            k=k,
            metric=content.metric,
            exclude=exclude,
            where=where,
            threads=threads,
            plane=content.plane,
            stats=stats,
            progress=progress,
        )

    def pairs_above(
        self,
        threshold: float = 0.95,
        *,
        max_pairs: int = MAX_PAIRS,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> Pairs:
        """Return all pairs of rows that score at least ``threshold``, exactly.

        Parameters
        ----------
        threshold : float, default 0.95
            As in :func:`embedsmith.pairs_above`, like the other parameters.
        max_pairs : int, default 10_000_000
            More pairs are an error.
        threads : int, optional
            Threads for this call.
        progress : callable, optional
            Called as ``progress(done, total)``.

        Returns
        -------
        Pairs
            The best first, then by the rows.

        Raises
        ------
        ShapeError
            If ``threshold`` is no number.
        NonFiniteError
            If a file's vector was damaged to NaN.
        OutOfMemoryError
            If there are more than ``max_pairs`` pairs.
        """
        return pairs_within(
            self._in_one_piece(), threshold, max_pairs=max_pairs, threads=threads, progress=progress
        )

    def topk_self(
        self,
        k: int = 10,
        *,
        threads: int | None = None,
        stats: bool = False,
        progress: Progress | None = None,
    ) -> TopK:
        """Return the best ``k`` other rows for each row, exactly.

        Parameters
        ----------
        k : int, default 10
            As in :func:`embedsmith.topk_self`, like the other parameters.
        threads : int, optional
            Threads for this call.
        stats, progress
            As in :func:`embedsmith.topk_self`.

        Returns
        -------
        TopK
            ``scores`` and ``rows`` of shape (n_docs, min(k, n_docs - 1)).

        Raises
        ------
        ShapeError
            If ``k < 1``.
        NonFiniteError
            If a file's vector was damaged to NaN.
        """
        content = self._in_one_piece()
        return neighbours_within(content, k, threads=threads, stats=stats, progress=progress)

    def add(self, vectors: Any, *, threads: int | None = None) -> None:
        """Append rows; they get the numbers that follow the last one.

        Searches that are under way finish on the rows they started with. The first addition copies
        the corpus into a buffer of the index's own, with room to grow; later ones write behind it.

        Parameters
        ----------
        vectors : array_like of shape (n, dim)
            Of the index's width; converted to its precision, float32, float16 or bfloat16.
        threads : int, optional
            As for building.

        Raises
        ------
        ShapeError
            If the width is not the index's.
        NonFiniteError
            If a row holds NaN or infinity; then nothing is added.
        """
        more = as_corpus("vectors", vectors)
        threads = None if threads is None else as_count("threads", threads)
        with self._adding:
            content = self._in_one_piece()
            more = fitting("vectors", more, content.half)
            if more.values.shape[1] != self.dim:
                msg = (
                    f"vectors have {more.values.shape[1]} columns but the index has {self.dim}. "
                    "Encode them with the model that the index was built with."
                )
                raise ShapeError(msg)
            if len(more.values):
                self._content = extended(content, more, threads=threads)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to one file.

        The file appears whole or not at all: it is written aside, synced and renamed.

        Parameters
        ----------
        path : path-like
            File to write; an index there is replaced.

        Raises
        ------
        OutputError
            If the place cannot be written; what was there before stays.
        """
        write_index(path, self._in_one_piece())

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, verify: bool = False) -> Index:
        """Open a saved index, or a folder of embeddings, memory-mapped.

        Vectors are read from the files as a search needs them.

        Parameters
        ----------
        path : path-like
            A file that :meth:`save` wrote, or a folder that :func:`embedsmith.embed_corpus` wrote.
            A folder is searched as it is: it has no codes, so each search, be it of one query,
            reads all of it, and it can neither grow nor be compared with itself here. For more
            than a few searches, build an index once, as in the example.
        verify : bool, default False
            Also read all vectors and compare their SHA-256. The header and the norms of a file are
            always verified; without this, a vector damaged on disk goes unnoticed unless it
            becomes NaN in a search.

        Returns
        -------
        Index

        Raises
        ------
        DataError
            If the file is missing, foreign, truncated, damaged, or of a newer version; if the
            folder is not complete.

        Examples
        --------
        From a folder to an index with codes, which takes its vectors into memory once:

        >>> import tempfile
        >>> import numpy as np
        >>> import embedsmith as es
        >>> path, texts = tempfile.mkdtemp(), es.Corpus(("a", "b"), ("a loan", "a card"))
        >>> _ = es.embed_corpus(texts, "fake:8", path, cache=False)
        >>> folder = es.EmbeddingFolder(path)
        >>> vectors = np.concatenate([batch.vectors for batch in folder.batches()])
        >>> built = es.Index(vectors, metric=folder.metric, fingerprint=folder.fingerprint.digest)
        >>> built.save(f"{path}.index")
        >>> es.Index.open(f"{path}.index").search(vectors[1:], k=1).rows
        array([[1]])
        >>> es.Index.open(path).search(vectors[1:], k=1).rows
        array([[1]])
        """
        place = Path(path)
        index = cls.__new__(cls)
        index._content = (  # noqa: SLF001
            open_shards(place, verify=verify)
            if place.is_dir()
            else read_index(place, verify=verify)
        )
        index._adding = threading.Lock()  # noqa: SLF001
        return index

    def _in_one_piece(self) -> IndexContent:
        """Return the content, unless it is a folder's."""
        if isinstance(self._content, ShardedContent):
            msg = (
                "this index was opened from a folder of shards, which is only searched. For all "
                "else build an embedsmith.Index of the vectors that EmbeddingFolder gives."
            )
            raise ShapeError(msg)
        return self._content


def _refuse_other_space(own: str | None, asked: Any) -> None:
    digest = getattr(asked, "digest", asked)
    if own is not None and digest is not None and digest != own:
        msg = (
            f"the queries are of the embedding space {str(digest)[:12]}, and the index holds "
            f"vectors of {own[:12]}. Embed them with the model that the index was built with."
        )
        raise ModelError(msg)
