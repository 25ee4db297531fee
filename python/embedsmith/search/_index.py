"""A corpus made ready for many searches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedsmith._core import row_norms
from embedsmith._validate import as_count, as_matrix, as_metric
from embedsmith.exceptions import ShapeError
from embedsmith.search._index_file import IndexContent, read_index, write_index
from embedsmith.search._topk import TopK, search_matrix

if TYPE_CHECKING:
    import os

    from embedsmith._typing import Metric

__all__ = ["Index"]


class Index:
    """A corpus with its norms, ready for many exact searches.

    Answers are those of :func:`embedsmith.topk`, bit for bit. Building reads the corpus once and
    refuses NaN and infinity; searches then read it only to search.

    Parameters
    ----------
    corpus : array_like of shape (n_docs, dim)
        Borrowed if it is C-contiguous float32, else converted once. Do not write to it while the
        index is in use: its norms would no longer fit.
    metric : {"cosine", "dot", "l2"}, default "cosine"
        As in :func:`embedsmith.topk`.
    fingerprint : str, optional
        Identity of the embedding space that the vectors come from, such as
        ``encoder.fingerprint.digest``. The file keeps it, so that whoever opens the index can tell
        whether a query's encoder fits.
    threads : int, optional
        For building. Defaults as in :func:`embedsmith.topk`.

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

    _content: IndexContent

    def __init__(
        self,
        corpus: Any,
        *,
        metric: Metric = "cosine",
        fingerprint: str | None = None,
        threads: int | None = None,
    ) -> None:
        metric = as_metric(metric)
        vectors = as_matrix("corpus", corpus)
        if not len(vectors):
            msg = "corpus is empty; pass at least one row."
            raise ShapeError(msg)
        threads = None if threads is None else as_count("threads", threads)
        norms = row_norms(vectors, threads)
        self._content = IndexContent(vectors, norms, metric, fingerprint)

    def __len__(self) -> int:
        return int(self._content.vectors.shape[0])

    def __repr__(self) -> str:
        return f"Index({len(self)} rows, dim={self.dim}, metric={self.metric!r})"

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return int(self._content.vectors.shape[1])

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

        Returns
        -------
        TopK
            ``scores`` and ``rows`` of shape (n_queries, min(k, n_docs)).

        Raises
        ------
        ShapeError
            If the width is not the index's, or ``k < 1``.
        NonFiniteError
            If a query holds NaN or infinity, or a file's vector was damaged to NaN.
        """
        return search_matrix(
            as_matrix("queries", queries),
            self._content.vectors,
            norms=self._content.norms,
            k=k,
            metric=self._content.metric,
            exclude=exclude,
            where=where,
            threads=threads,
        )

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
        write_index(path, self._content)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, verify: bool = False) -> Index:
        """Open a saved index, memory-mapped.

        Vectors are read from the file as a search needs them.

        Parameters
        ----------
        path : path-like
            A file that :meth:`save` wrote.
        verify : bool, default False
            Also read all vectors and compare their SHA-256. The header and the norms are
            always verified; without this, a vector damaged on disk goes unnoticed unless it
            becomes NaN in a search.

        Returns
        -------
        Index

        Raises
        ------
        DataError
            If the file is missing, foreign, truncated, damaged, or of a newer version.
        """
        index = cls.__new__(cls)
        index._content = read_index(path, verify=verify)  # noqa: SLF001
        return index
