"""Relevance judgements."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal

import numpy as np

from embedsmith import _core
from embedsmith._phrases import counted
from embedsmith.datasets._grouped import Grouped
from embedsmith.datasets._paths import existing, expanded
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from embedsmith._typing import I64Array

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
        queries = counted(len(self), "query", "queries")
        return f"Qrels({queries}, {counted(self.n_pairs, 'judgement')})"

    @property
    def grades(self) -> I64Array:
        """Grade of each pair, int64, read-only, beside ``rows``."""
        return self._numbers

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Qrels:
        """Read judgements in BEIR's or TREC's layout; the first line tells which.

        Three columns with tabs (``query-id``, ``corpus-id``, ``score``, with or without that
        header), or four with blanks or tabs (query, an unused column, document, grade). Plain or
        gzip, told by the content. A byte order mark, CRLF and blank lines are accepted.

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
            With path, line and byte column: wrong columns, a grade that is no whole number, a pair
            twice, a damaged .gz, text that is not UTF-8.
        DataError
            If there is no such file, or no judgement in it.
        """
        return cls._of(*_core.read_qrels(existing(path)))

    def write(
        self,
        path: str | os.PathLike[str],
        *,
        format: Literal["trec", "beir"] = "trec",  # noqa: A002 - the word users expect
    ) -> None:
        """Write judgements so that :meth:`read` gives them back.

        The file appears whole or not at all. A name that ends with ``.gz`` is compressed. A query
        without judgements leaves no line.

        Parameters
        ----------
        path : path
            An existing file is replaced.
        format : {"trec", "beir"}, default "trec"
            ``"beir"`` has a header and tabs, so its ids may hold blanks.

        Raises
        ------
        DataError
            If an id would not read back.
        OutputError
            If the place cannot be written.
        """
        if format not in ("trec", "beir"):
            msg = f"format={format!r} is unknown. Choose 'trec' or 'beir'."
            raise DataError(msg)
        columns = (self.query_ids, self.doc_ids, self.offsets, self.rows, self.grades)
        _core.write_qrels(expanded(path), format == "beir", *columns)
