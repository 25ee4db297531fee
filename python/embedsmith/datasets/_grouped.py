"""What qrels and runs share: a number for each (query, document), kept in columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Self

    from embedsmith._core import QrelsLists, RunLists
    from embedsmith._typing import BoolArray, I64Array

__all__ = ["Grouped"]

V = TypeVar("V", int, float)

_COLUMNS = frozenset({"doc_ids", "offsets", "rows", "_numbers"})


@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class Grouped(Mapping[str, Mapping[str, V]], Generic[V]):
    """A read-only mapping query id -> document id -> number, in compressed-row columns.

    ``self[query_id]`` builds a new dict each time, so that changing it changes nothing here. The
    columns need a few bytes a pair where nested dicts need two hundred.

    Attributes
    ----------
    query_ids : tuple of str
        Distinct, in the order in which they came.
    doc_ids : tuple of str
        Distinct; may hold documents that no query names.
    offsets : ndarray of shape (n_queries + 1,), int64
        Query ``i`` owns the pairs ``offsets[i]`` to ``offsets[i + 1]``.
    rows : ndarray of shape (n_pairs,), int64
        Position of each pair's document in ``doc_ids``.
    """

    query_ids: tuple[str, ...]
    doc_ids: tuple[str, ...]
    offsets: I64Array
    rows: I64Array
    _numbers: NDArray[Any]
    _places: dict[str, int]
    # What a file held, from which the columns are made when they are first asked for: measures
    # need them not, and a Python string for each document takes longer than reading them.
    _lists: QrelsLists | RunLists | None

    if not TYPE_CHECKING:  # mypy would take any name for an attribute

        def __getattr__(self, name: str) -> Any:
            """Fill the columns; called only where a slot is empty."""
            lists = object.__getattribute__(self, "_lists") if name in _COLUMNS else None
            if lists is None:
                msg = f"{type(self).__name__!r} object has no attribute {name!r}"
                raise AttributeError(msg)
            self._fill(*lists.columns(), lists=lists)
            return object.__getattribute__(self, name)

    def __reduce__(self) -> tuple[Any, ...]:
        columns = (self.query_ids, self.doc_ids, self.offsets, self.rows, self._numbers)
        return type(self)._of, columns  # noqa: SLF001 - its own

    def __getitem__(self, query_id: str) -> dict[str, V]:
        place = self._places[query_id]
        pairs = slice(int(self.offsets[place]), int(self.offsets[place + 1]))
        documents = map(self.doc_ids.__getitem__, self.rows[pairs].tolist())
        return dict(zip(documents, self._numbers[pairs].tolist(), strict=True))

    def __iter__(self) -> Iterator[str]:
        return iter(self.query_ids)

    def __len__(self) -> int:
        return len(self.query_ids)

    def __contains__(self, query_id: object) -> bool:
        return query_id in self._places

    @property
    def n_pairs(self) -> int:
        """Number of (query, document) pairs."""
        return len(self.rows) if self._lists is None else self._lists.n_pairs

    def _fill(
        self,
        query_ids: tuple[str, ...],
        doc_ids: tuple[str, ...],
        offsets: I64Array,
        rows: I64Array,
        numbers: NDArray[Any],
        *,
        lists: QrelsLists | RunLists | None = None,
    ) -> None:
        """Set the columns; the arrays are taken over and locked."""
        places = {query_id: place for place, query_id in enumerate(query_ids)}
        if len(places) != len(query_ids):
            again = next(q for place, q in enumerate(query_ids) if places[q] != place)
            msg = f"the query id {again!r} stands more than once. Give each query an id of its own."
            raise DataError(msg)
        for array in (offsets, rows, numbers):
            array.flags.writeable = False
        columns = {
            "query_ids": query_ids,
            "doc_ids": doc_ids,
            "offsets": offsets,
            "rows": rows,
            "_numbers": numbers,
            "_places": places,
            "_lists": lists,
        }
        for name, column in columns.items():
            object.__setattr__(self, name, column)

    def _fill_from(self, mapping: Mapping[str, Mapping[str, V]], numbers: NDArray[Any]) -> None:
        """Set the columns from a mapping whose numbers were checked and laid end to end."""
        places: dict[str, int] = {}
        rows = [
            places.setdefault(doc_id, len(places))
            for doc_id in chain.from_iterable(mapping.values())
        ]
        _check_ids("query", mapping)
        _check_ids("document", places)
        self._fill(
            tuple(mapping),
            tuple(places),
            _offsets(np.fromiter(map(len, mapping.values()), np.int64, len(mapping))),
            np.array(rows, dtype=np.int64),
            numbers,
        )

    @classmethod
    def _of(
        cls,
        query_ids: tuple[str, ...],
        doc_ids: tuple[str, ...],
        offsets: I64Array,
        rows: I64Array,
        numbers: NDArray[Any],
    ) -> Self:
        """Return an instance over columns that are known to be sound."""
        made = cls.__new__(cls)
        made._fill(query_ids, doc_ids, offsets, rows, numbers)  # noqa: SLF001 - its own
        return made

    @classmethod
    def _over(cls, lists: QrelsLists | RunLists) -> Self:
        """Return an instance over what a file held."""
        made = cls.__new__(cls)
        query_ids = lists.query_ids
        object.__setattr__(made, "query_ids", query_ids)
        object.__setattr__(made, "_places", {q: place for place, q in enumerate(query_ids)})
        object.__setattr__(made, "_lists", lists)
        return made

    def _keep(self, pairs: BoolArray) -> Self:
        """Return the pairs that are marked; a query that loses all of its pairs goes too."""
        ends = np.concatenate([[0], np.cumsum(pairs)])
        counts = np.diff(ends[self.offsets])
        return self._of(
            tuple(q for q, count in zip(self.query_ids, counts.tolist(), strict=True) if count),
            self.doc_ids,
            _offsets(counts[counts > 0]),
            self.rows[pairs],
            self._numbers[pairs],
        )


def _offsets(counts: I64Array) -> I64Array:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def _check_ids(what: str, ids: Iterable[object]) -> None:
    for identifier in ids:
        if not isinstance(identifier, str):
            msg = (
                f"the {what} id {identifier!r} is {type(identifier).__name__}, but ids are "
                f"strings. Write str({identifier!r})."
            )
            raise DataError(msg)
