"""Result lists of a retrieval system."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith import _core
from embedsmith._phrases import counted
from embedsmith.datasets._formats import is_parquet, run_format
from embedsmith.datasets._grouped import Grouped
from embedsmith.datasets._parquet import Columns, read_parquet, write_parquet
from embedsmith.datasets._paths import existing, expanded
from embedsmith.exceptions import DataError, NonFiniteError, ShapeError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from embedsmith._typing import BoolArray, F64Array, I64Array, Metric
    from embedsmith.datasets._formats import RunFormat

__all__ = ["Run"]


@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class Run(Grouped[float]):
    """Results: a mapping query id -> document id -> score, larger being better.

    Equal to any mapping with the same content.

    Parameters
    ----------
    results : mapping of str to mapping of str to float
        Copied; scores are kept as float64.

    Raises
    ------
    NonFiniteError
        If a score is NaN or infinite.
    DataError
        If a score is no number, or an id is no string.

    Examples
    --------
    >>> run = Run({"q1": {"d1": 0.5, "d2": 0.25}})
    >>> run["q1"]
    {'d1': 0.5, 'd2': 0.25}
    >>> run
    Run(1 query, 2 results)
    """

    def __init__(self, results: Mapping[str, Mapping[str, float]]) -> None:
        scores: list[object] = list(
            chain.from_iterable(of_query.values() for of_query in results.values())
        )
        array = np.asarray(scores) if scores else np.empty(0)
        if array.ndim != 1 or array.dtype.kind not in "iuf":
            wrong = next((s for s in scores if not isinstance(s, (int, float, np.number))), scores)
            msg = f"the score {wrong!r} is no number. Scores are float."
            raise DataError(msg)
        array = array.astype(np.float64)
        if not np.isfinite(array).all():
            bad = int(np.flatnonzero(~np.isfinite(array))[0])
            pairs = ((query, doc) for query, docs in results.items() for doc in docs)
            query, doc = next(pair for place, pair in enumerate(pairs) if place == bad)
            msg = (
                f"query {query!r} has the score {array[bad]} for document {doc!r}, which has no "
                "place in an order. Look at what produced it, or leave the document out."
            )
            raise NonFiniteError(msg)
        self._fill_from(results, array)

    def __repr__(self) -> str:
        queries = counted(len(self), "query")
        return f"Run({queries}, {counted(self.n_pairs, 'result')})"

    @property
    def scores(self) -> F64Array:
        """Score of each pair, float64, read-only, beside ``rows``."""
        return self._numbers

    @classmethod
    def from_topk(
        cls,
        scores: ArrayLike,
        rows: ArrayLike,
        query_ids: Sequence[str],
        doc_ids: Sequence[str],
        *,
        metric: Metric = "cosine",
    ) -> Run:
        """Make a run of what ``topk`` returns, without a loop over the results.

        Parameters
        ----------
        scores : array-like of shape (n_queries, k)
            Best first. Widened to float64, which changes no float32.
        rows : array-like of int, of shape (n_queries, k)
            Positions in ``doc_ids``; -1 marks a missing place, whose score is not used.
        query_ids : sequence of str
            One for each row of ``scores``.
        doc_ids : sequence of str
            The ids of the whole corpus. A tuple is kept, not copied.
        metric : {"cosine", "dot", "l2"}, default "cosine"
            ``"l2"`` scores are distances; they are negated, since a run's larger score is better.

        Returns
        -------
        Run
            A query without results has an empty mapping.

        Raises
        ------
        ShapeError
            If shapes or counts differ, or a row is outside the corpus.
        NonFiniteError
            If a score that counts is NaN or infinite.
        DataError
            If scores are not best first, or a query has a document twice.

        Examples
        --------
        >>> Run.from_topk([[0.9, 0.1]], [[1, 0]], ["q"], ["a", "b"])["q"]
        {'b': 0.9, 'a': 0.1}
        """
        wide = np.asarray(scores, dtype=np.float64)
        places = np.asarray(rows)
        _check_shapes(wide, places, len(query_ids), len(doc_ids))
        places = places.astype(np.int64, copy=False)
        filled = places >= 0
        _check_order(wide, filled, metric)
        _check_repeats(places)
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(filled.sum(axis=1))])
        kept = wide[filled]
        return cls._of(
            tuple(query_ids),
            tuple(doc_ids),
            ends.astype(np.int64, copy=False),
            places[filled],
            -kept if metric == "l2" else kept,
        )

    @property
    def tag(self) -> str | None:
        """Name that a TREC file gave the run in its last line, as trec_eval takes it, or None."""
        return self._lists.tag[0] if isinstance(self._lists, _core.RunLists) else None

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Run:
        """Read results in whatever format the file has.

        Told by the content, plain, gzip or zstd: TREC's six columns (query, Q0, document, rank,
        score, tag); CSV or TSV whose first line names the columns ``query_id``, ``doc_id`` and
        ``score`` (other tools' names are known too); JSON, ``{"query": {"document": score}}``;
        JSON lines with a ``query_id``, ``doc_id`` and ``score`` each; parquet with such columns
        (needs pyarrow). The score alone makes the order, as in trec_eval; ranks are not used. A
        byte order mark, CRLF and blank lines are accepted. A packed file may unpack to 256 MiB,
        or to 200 times its size if that is more.

        Parameters
        ----------
        path : path
            The file.

        Returns
        -------
        Run
            In the order of the file. Columns of Python strings are made when first asked for, so
            that measuring a large run needs none.

        Raises
        ------
        ParseError
            With path, line and byte column: wrong columns, a score that is no finite number, a
            pair twice, a damaged or truncated archive, text that is not UTF-8.
        DataError
            If there is no such file, or no result in it.
        MissingDependencyError
            If the file is parquet and pyarrow is not installed.
        """
        file = existing(path)
        if is_parquet(file):
            return cls._of(*read_parquet(file, judgements=False))
        return cls._over(_core.read_run(file))

    def write(
        self,
        path: str | os.PathLike[str],
        *,
        tag: str | None = None,
        format: RunFormat | None = None,  # noqa: A002 - the word users expect
    ) -> None:
        """Write results so that :meth:`read` gives them back bit for bit.

        In TREC's format a query's documents stand in trec_eval's order (score descending, then id
        descending by bytes), ranks from 1; the other formats keep the order of the run. A score is
        the shortest decimal that reads back as the same float64. The file appears whole or not at
        all: it is written beside its place, forced to the disk and renamed. A name that ends with
        ``.gz`` or ``.zst`` is compressed. A query without results is kept by JSON alone, which
        trec_eval's measures count the same.

        Parameters
        ----------
        path : path
            An existing file is replaced.
        tag : str, optional
            Name of the run, one word; TREC's format alone has it. By default the one that was
            read, else "embedsmith".
        format : {"trec", "json", "jsonl", "csv", "tsv", "parquet"}, optional
            By default what the name ends with: ``.json``, ``.jsonl``, ``.csv``, ``.tsv`` or
            ``.parquet``, perhaps with ``.gz`` or ``.zst``; TREC's for any other name.

        Raises
        ------
        DataError
            If an id (of any document of the corpus) holds what the format could not give back, such
            as a blank in TREC's: escaping it would make other ids than the data set's. If there is
            no result at all, or no such format.
        OutputError
            If the place cannot be written.
        MissingDependencyError
            If parquet is asked for and pyarrow is not installed.
        """
        chosen = run_format(path, format)
        columns = (self.query_ids, self.doc_ids, self.offsets, self.rows, self.scores)
        if chosen == "trec":
            _core.write_run(
                expanded(path), (self.tag or "embedsmith") if tag is None else tag, *columns
            )
        elif chosen == "parquet":
            write_parquet(expanded(path), Columns(*columns), judgements=False)
        else:
            _core.write_run_table(expanded(path), chosen, *columns)


def _check_shapes(scores: F64Array, rows: NDArray[Any], n_queries: int, n_docs: int) -> None:
    if rows.dtype.kind not in "iu":
        msg = f"rows are {rows.dtype}, but they are positions. Pass the rows that topk returned."
        raise ShapeError(msg)
    if scores.ndim != 2 or scores.shape != rows.shape:  # noqa: PLR2004 - a matrix
        msg = (
            f"scores have shape {scores.shape} and rows {rows.shape}, but both are "
            "(n_queries, k). Pass the two arrays of one topk call."
        )
        raise ShapeError(msg)
    if len(rows) != n_queries:
        msg = (
            f"there are {counted(len(rows), 'result list')} but "
            f"{counted(n_queries, 'query id')}. Pass one id per list."
        )
        raise ShapeError(msg)
    outside = (rows >= n_docs) | (rows < -1)
    if outside.any():
        msg = (
            f"rows name position {rows[outside][0]}, but there are "
            f"{counted(n_docs, 'document id')}. "
            "Pass the ids of the corpus that was searched, in its order."
        )
        raise ShapeError(msg)


def _check_order(scores: F64Array, filled: BoolArray, metric: Metric) -> None:
    bad = filled & ~np.isfinite(scores)
    if bad.any():
        query = int(np.flatnonzero(bad.any(axis=1))[0])
        msg = f"scores row {query} holds NaN or infinity. Look at what produced it."
        raise NonFiniteError(msg)
    both = filled[:, 1:] & filled[:, :-1]
    before, after = scores[:, :-1], scores[:, 1:]
    wrong = both & ((after < before) if metric == "l2" else (after > before))
    if wrong.any():
        query = int(np.flatnonzero(wrong.any(axis=1))[0])
        fix = (
            "Sort each row ascending, or name the metric that was searched with."
            if metric == "l2"
            else "Pass metric='l2' if they are distances, else sort each row."
        )
        msg = f"scores row {query} is not best first under metric={metric!r}. {fix}"
        raise DataError(msg)


def _check_repeats(rows: I64Array) -> None:
    in_order = np.sort(rows, axis=1)
    twice = (in_order[:, 1:] == in_order[:, :-1]) & (in_order[:, 1:] >= 0)
    if twice.any():
        query = int(np.flatnonzero(twice.any(axis=1))[0])
        msg = (
            f"rows row {query} holds position {in_order[query, 1:][twice[query]][0]} twice. "
            "A query ranks a document once: merge chunks into documents first."
        )
        raise DataError(msg)
