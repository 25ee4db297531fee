"""Relevance judgements."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from embedsmith import _core
from embedsmith._phrases import counted
from embedsmith.datasets._formats import is_parquet, qrels_format
from embedsmith.datasets._grouped import Grouped
from embedsmith.datasets._parquet import Columns, read_parquet, write_parquet
from embedsmith.datasets._paths import existing, expanded
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from embedsmith._typing import I64Array
    from embedsmith.datasets._formats import QrelsFormat

__all__ = ["Qrels"]


@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class Qrels(Grouped[int]):
    """Judgements: a mapping query id -> document id -> grade.

    Grades are whole numbers; what is above 0 is relevant. Equal to any mapping with the same
    content.

    Parameters
    ----------
    judgements : mapping of str to mapping of str to int
        Copied.

    Raises
    ------
    DataError
        If a grade is no whole number, or an id is no string.

    Examples
    --------
    >>> qrels = Qrels({"q1": {"d1": 2, "d2": 0}})
    >>> qrels["q1"]["d1"]
    2
    >>> qrels
    Qrels(1 query, 2 judgements)
    """

    def __init__(self, judgements: Mapping[str, Mapping[str, int]]) -> None:
        grades: list[object] = list(
            chain.from_iterable(of_query.values() for of_query in judgements.values())
        )
        array = np.asarray(grades) if grades else np.empty(0, np.int64)
        if array.ndim != 1 or array.dtype.kind not in "biu":
            wrong = next((g for g in grades if not isinstance(g, (int, np.integer))), grades[0])
            msg = f"the grade {wrong!r} is no whole number. Grades are int, such as 0, 1, 2."
            raise DataError(msg)
        self._fill_from(judgements, array.astype(np.int64))

    def __repr__(self) -> str:
        queries = counted(len(self), "query")
        return f"Qrels({queries}, {counted(self.n_pairs, 'judgement')})"

    @property
    def grades(self) -> I64Array:
        """Grade of each pair, int64, read-only, beside ``rows``."""
        return self._numbers

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Qrels:
        """Read judgements in whatever format the file has.

        Told by the content, plain, gzip or zstd: BEIR's three columns with tabs (``query-id``,
        ``corpus-id``, ``score``, with or without that header); TREC's four with blanks or tabs
        (query, an unused column, document, grade); CSV or TSV whose first line names the columns
        ``query_id``, ``doc_id`` and ``relevance`` (other tools' names are known too); JSON,
        ``{"query": {"document": grade}}``; JSON lines with a ``query_id``, ``doc_id`` and
        ``relevance`` each; parquet with such columns (needs pyarrow). A byte order mark, CRLF and
        blank lines are accepted. A packed file may unpack to 256 MiB, or to 200 times its size if
        that is more.

        Parameters
        ----------
        path : path
            The file.

        Returns
        -------
        Qrels
            In the order of the file.

        Raises
        ------
        ParseError
            With path, line and byte column: wrong columns, a grade that is no whole number of 32
            bits, a pair twice, a damaged or truncated archive, text that is not UTF-8.
        DataError
            If there is no such file, or no judgement in it.
        MissingDependencyError
            If the file is parquet and pyarrow is not installed.
        """
        file = existing(path)
        if is_parquet(file):
            return cls._of(*read_parquet(file, judgements=True))
        return cls._over(_core.read_qrels(file))

    def write(
        self,
        path: str | os.PathLike[str],
        *,
        format: QrelsFormat | None = None,  # noqa: A002 - the word users expect
    ) -> None:
        """Write judgements so that :meth:`read` gives them back.

        The file appears whole or not at all. A name that ends with ``.gz`` or ``.zst`` is
        compressed. A query without judgements is kept by JSON alone.

        Parameters
        ----------
        path : path
            An existing file is replaced.
        format : {"trec", "beir", "json", "jsonl", "csv", "tsv", "parquet"}, optional
            By default what the name ends with: ``.tsv`` (BEIR's), ``.json``, ``.jsonl``, ``.csv``
            or ``.parquet``, perhaps with ``.gz`` or ``.zst``; TREC's for any other name. Ids may
            hold blanks in all but TREC's.

        Raises
        ------
        DataError
            If an id would not read back, or there is no such format.
        OutputError
            If the place cannot be written.
        MissingDependencyError
            If parquet is asked for and pyarrow is not installed.
        """
        chosen = qrels_format(path, format)
        columns = (self.query_ids, self.doc_ids, self.offsets, self.rows, self.grades)
        if chosen in ("trec", "beir"):
            _core.write_qrels(expanded(path), chosen == "beir", *columns)
        elif chosen == "parquet":
            write_parquet(expanded(path), Columns(*columns), judgements=True)
        else:
            _core.write_qrels_table(expanded(path), chosen, *columns)
