"""Examples to files, without a list of them in memory."""

from __future__ import annotations

import itertools
import json
import os
from typing import TYPE_CHECKING, Any

from embedsmith._deps import require
from embedsmith._files import atomic_writer
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedsmith._typing import Json

__all__ = ["check_ending", "write_jsonl", "write_parquet"]

_ENDINGS = (".jsonl", ".parquet")
_ROWS = 16_384


def check_ending(path: str | os.PathLike[str]) -> None:
    """Refuse a name whose format is not known.

    Raises
    ------
    DataError
        Naming the endings.
    """
    if not os.fspath(path).endswith(_ENDINGS):
        msg = f"{path} has an ending that is not known. Name the file .jsonl or .parquet."
        raise DataError(msg)


def write_jsonl(path: str | os.PathLike[str], rows: Iterator[Json]) -> int:
    """Write one object per line; return how many."""
    check_ending(path)
    count = 0
    with atomic_writer(path) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n")
            count += 1
    return count


def write_parquet(path: str | os.PathLike[str], rows: Iterator[Json]) -> int:
    """Write a parquet file; return how many rows it has."""
    check_ending(path)
    arrow: Any = require("pyarrow", extra="data", feature="Writing parquet")
    parquet: Any = require("pyarrow.parquet", extra="data", feature="Writing parquet")
    count = 0
    with atomic_writer(path) as file:
        writer = None
        while part := list(itertools.islice(rows, _ROWS)):
            if writer is None:
                table = arrow.Table.from_pylist(part)
                writer = parquet.ParquetWriter(file, table.schema)
            else:
                table = arrow.Table.from_pylist(part, schema=writer.schema)
            writer.write_table(table)
            count += len(part)
        if writer is None:
            # A file without rows is still a table.
            parquet.write_table(arrow.table({}), file)
        else:
            writer.close()
    return count
