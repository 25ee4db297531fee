"""Judgements and results in parquet files: three columns, a row for each entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from embedsmith._deps import require
from embedsmith._files import atomic_writer
from embedsmith.exceptions import DataError, ParseError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from embedsmith._typing import I64Array

__all__ = ["Columns", "read_parquet", "value_column", "write_parquet"]

# The same names as in the core's text tables, the surest first.
_QUERY = ("query_id", "qid", "q_id", "topic_id", "query", "topic")
_DOC = (
    "doc_id", "corpus_id", "docid", "docno", "document_id", "pid", "passage_id", "document",
)  # fmt: skip
_SCORE = ("score", "similarity", "sim")
_GRADE = ("relevance", "rel", "grade", "label", "judgment", "judgement", "score")

# What a file may always unpack to, and beyond that how many times its own size.
_FREE_BYTES = 1 << 28
_MOST_TIMES = 200
# A row takes at least half a byte of a file that is no bomb: ids differ from row to row.
_FREE_ROWS = 1 << 24
_ROWS_PER_BYTE = 2

_LARGEST_GRADE = 2**31


class Columns(NamedTuple):
    """What a file holds, grouped by query."""

    query_ids: tuple[str, ...]
    doc_ids: tuple[str, ...]
    offsets: I64Array
    rows: I64Array
    numbers: NDArray[Any]


def read_parquet(path: Path, *, judgements: bool) -> Columns:
    """Return what a parquet file holds.

    Raises
    ------
    ParseError
        If the file is damaged or unpacks to too much, lacks a column, or holds a null, a number
        that its kind refuses, or a pair twice; the message names the row, from 1.
    DataError
        If it holds no row.
    MissingDependencyError
        If pyarrow is not installed.
    """
    arrow: Any = require("pyarrow", extra="data", feature="Reading parquet")
    parquet: Any = require("pyarrow.parquet", extra="data", feature="Reading parquet")
    try:
        with parquet.ParquetFile(path) as file:
            _check_size(path, file.metadata)
            names = _names(path, file.schema_arrow.names, judgements=judgements)
            table = file.read(columns=list(names))
    except (arrow.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    if table.num_rows == 0:
        what = "judgements" if judgements else "results"
        msg = f"{path} holds no {what}. Check that it was written to the end."
        raise DataError(msg)
    query, doc, value = (table.column(name).combine_chunks() for name in names)
    query_ids, of_query = _ids(arrow, path, names[0], query)
    doc_ids, of_doc = _ids(arrow, path, names[1], doc)
    numbers = _numbers(arrow, path, names[2], value, judgements=judgements)
    _check_repeats(path, query_ids, doc_ids, of_query, of_doc)
    order = np.argsort(of_query, kind="stable")
    counts = np.bincount(of_query, minlength=len(query_ids))
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
    return Columns(query_ids, doc_ids, offsets, of_doc[order], numbers[order])


def value_column(path: Path) -> str:
    """Return the name of the column of numbers, plain: "score", or one of a grade's."""
    parquet: Any = require("pyarrow.parquet", extra="data", feature="Reading parquet")
    try:
        names: list[str] = parquet.read_schema(path).names
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    plain = {_plain(name) for name in names}
    return next((name for name in (*_GRADE[:-1], "score") if name in plain), "score")


def _damaged(path: Path, error: Exception) -> ParseError:
    msg = (
        f"{path}: found damaged parquet data ({error}); expected a whole parquet file. "
        "Fetch or write the file again."
    )
    return ParseError(msg)


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def write_parquet(path: Path, columns: Columns, *, judgements: bool) -> None:
    """Write entries to a file that appears whole or not at all.

    Raises
    ------
    DataError
        If there is no entry, or an id is no text that UTF-8 can hold.
    OutputError
        If the place cannot be written.
    MissingDependencyError
        If pyarrow is not installed.
    """
    arrow: Any = require("pyarrow", extra="data", feature="Writing parquet")
    parquet: Any = require("pyarrow.parquet", extra="data", feature="Writing parquet")
    if not len(columns.rows):
        msg = f"{path} was not written: there is nothing to write. Look at what produced it."
        raise DataError(msg)
    places = np.repeat(np.arange(len(columns.query_ids)), np.diff(columns.offsets))
    try:
        ids = (arrow.array(ids, arrow.string()) for ids in (columns.query_ids, columns.doc_ids))
        query, doc = (
            own.take(arrow.array(at)) for own, at in zip(ids, (places, columns.rows), strict=True)
        )
    except (UnicodeEncodeError, arrow.ArrowInvalid) as error:
        msg = f"{path} was not written: an id holds half a surrogate pair. Rename the id."
        raise DataError(msg) from error
    value = "relevance" if judgements else "score"
    table = arrow.table({"query_id": query, "doc_id": doc, value: columns.numbers})
    with atomic_writer(path) as file:
        parquet.write_table(table, file, compression="zstd")


def _check_size(path: Path, metadata: Any) -> None:
    size = path.stat().st_size
    unpacked = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    if (
        unpacked > max(_FREE_BYTES, _MOST_TIMES * size)
        or metadata.num_rows > max(_FREE_ROWS, _ROWS_PER_BYTE * size)
        or unpacked < 0
    ):
        msg = (
            f"{path}: found {metadata.num_rows:,} rows of {unpacked:,} bytes in a file of "
            f"{size:,}; expected one that packs to no less. "
            "If it is to be trusted, write it as JSON lines."
        )
        raise ParseError(msg)


def _names(path: Path, columns: list[str], *, judgements: bool) -> tuple[str, str, str]:
    plain = {_plain(name): name for name in columns}
    wanted = (_QUERY, _DOC, _GRADE if judgements else _SCORE)
    found = [next((plain[name] for name in known if name in plain), None) for known in wanted]
    if None in found:
        asked = ", ".join(known[0] for known in wanted)
        msg = (
            f"{path}: found the columns {', '.join(columns) or 'none'}; expected {asked}. "
            "Rename the columns."
        )
        raise ParseError(msg)
    query, doc, value = found
    return str(query), str(doc), str(value)


def _ids(arrow: Any, path: Path, name: str, column: Any) -> tuple[tuple[str, ...], I64Array]:
    """Return the distinct ids, in the order in which they come, and the position of each row's."""
    types = arrow.types
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if not (types.is_string(kind) or types.is_large_string(kind) or types.is_integer(kind)):
        msg = (
            f"{path}: found {column.type} in the column {name}; expected strings or whole numbers. "
            "Write the ids as strings."
        )
        raise ParseError(msg)
    _check_nulls(path, name, column)
    if types.is_dictionary(column.type):
        column = column.cast(kind)
    encoded = column.dictionary_encode()
    ids = tuple(map(str, encoded.dictionary.to_pylist()))
    at: I64Array = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    if "" in ids:
        row = int(np.flatnonzero(at == ids.index(""))[0]) + 1
        msg = f"{path}: found an empty {name} in row {row}; expected an id. Remove the row."
        raise ParseError(msg)
    return ids, at


def _check_nulls(path: Path, name: str, column: Any) -> None:
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0]) + 1
        msg = f"{path}: found no {name} in row {row}; expected a value. Fill it or drop the row."
        raise ParseError(msg)


def _numbers(arrow: Any, path: Path, name: str, column: Any, *, judgements: bool) -> NDArray[Any]:
    types = arrow.types
    if not (types.is_integer(column.type) or types.is_floating(column.type)):
        msg = (
            f"{path}: found {column.type} in the column {name}; expected numbers. "
            "Write the column as float64 or int64."
        )
        raise ParseError(msg)
    _check_nulls(path, name, column)
    numbers: NDArray[Any] = column.to_numpy(zero_copy_only=False).astype(np.float64)
    wrong = ~np.isfinite(numbers)
    expected = "a finite number"
    if judgements:
        wrong |= (numbers % 1 != 0) | (np.abs(numbers) >= _LARGEST_GRADE)
        expected = "a whole number that fits 32 bits"
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        msg = (
            f"{path}: found {numbers[row]} as {name} in row {row + 1}; expected {expected}. "
            "Look at what produced it, or drop the row."
        )
        raise ParseError(msg)
    return numbers.astype(np.int64) if judgements else numbers


def _check_repeats(
    path: Path,
    query_ids: tuple[str, ...],
    doc_ids: tuple[str, ...],
    of_query: I64Array,
    of_doc: I64Array,
) -> None:
    pairs = of_query * len(doc_ids) + of_doc
    _, first = np.unique(pairs, return_index=True)
    if len(first) == len(pairs):
        return
    again = np.ones(len(pairs), np.bool_)
    again[first] = False
    row = int(np.flatnonzero(again)[0])
    earlier = int(np.flatnonzero(pairs == pairs[row])[0])
    msg = (
        f"{path}: found query {query_ids[of_query[row]]!r} with document "
        f"{doc_ids[of_doc[row]]!r} again in row {row + 1} (first in row {earlier + 1}); "
        "expected each pair once. Remove one of the two rows."
    )
    raise ParseError(msg)
