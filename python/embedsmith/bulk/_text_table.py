"""Where each text of a corpus stands first, in a table on disk: memory does not grow with it."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from embedsmith.exceptions import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["WORK_FILE", "RowPlace", "TextTable"]

WORK_FILE = ".work.sqlite3"
# SQLite refuses more than 999 variables in a statement where it was built with the old default.
_KEYS_PER_QUERY = 500
_CACHE_KIB = 64 << 10
_SCHEMA = """
CREATE TABLE ids (id TEXT PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE planned (
    key BLOB PRIMARY KEY, shard INTEGER NOT NULL, row INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE present (
    key BLOB PRIMARY KEY, shard INTEGER NOT NULL, row INTEGER NOT NULL
) WITHOUT ROWID;
"""

# Number of a shard, and the row in it.
RowPlace = tuple[int, int]


class TextTable:
    """Ids that were seen, and places of texts by their SHA-256.

    A scratch file, made anew by each run and never trusted by the next.

    Parameters
    ----------
    path : Path
        The file; one that is there is removed.

    Raises
    ------
    OutputError
        If it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._translated():
            path.unlink(missing_ok=True)
            # Which thread asks is ours to order; nothing survives, so nothing is synced.
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            with self._translated():
                self._db.execute("PRAGMA journal_mode = OFF")
                self._db.execute("PRAGMA synchronous = OFF")
                self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
                self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    self._db.execute(statement)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the file."""
        self._db.close()
        with self._translated():
            self._path.unlink(missing_ok=True)

    def add_ids(self, ids: Sequence[str], first_row: int) -> tuple[int, int] | None:
        """Keep ids of consecutive rows; return the first repeat and its earlier row, if any."""
        with self._translated(), self._transaction():
            before = self._db.total_changes
            self._db.executemany(
                "INSERT OR IGNORE INTO ids VALUES (?, ?)",
                zip(ids, range(first_row, first_row + len(ids)), strict=True),
            )
            if self._db.total_changes - before == len(ids):
                return None
            for row, own in enumerate(ids, first_row):
                (earlier,) = self._db.execute("SELECT row FROM ids WHERE id = ?", (own,)).fetchone()
                if earlier != row:
                    return row, earlier
        return None

    def add_planned(self, places: Mapping[bytes, RowPlace]) -> None:
        """Keep where texts stand first in this corpus."""
        self._add("planned", places)

    def add_present(self, places: Mapping[bytes, RowPlace]) -> None:
        """Keep where texts stand in files that are there; one that is known keeps its place."""
        self._add("present", places)

    def planned(self, keys: Sequence[bytes]) -> dict[bytes, RowPlace]:
        """Return where those of the texts stand first that are known."""
        return self._find("planned", keys)

    def present(self, keys: Sequence[bytes]) -> dict[bytes, RowPlace]:
        """Return where those of the texts stand in files that are there."""
        return self._find("present", keys)

    def _add(self, table: str, places: Mapping[bytes, RowPlace]) -> None:
        with self._translated(), self._transaction():
            self._db.executemany(
                f"INSERT OR IGNORE INTO {table} VALUES (?, ?, ?)",  # noqa: S608 - our own names
                ((key, *place) for key, place in places.items()),
            )

    def _find(self, table: str, keys: Sequence[bytes]) -> dict[bytes, RowPlace]:
        found: dict[bytes, RowPlace] = {}
        with self._translated():
            for start in range(0, len(keys), _KEYS_PER_QUERY):
                part = keys[start : start + _KEYS_PER_QUERY]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, shard, row FROM {table} WHERE key IN ({marks})"  # noqa: S608
                for key, shard, row in self._db.execute(query, part):
                    found[key] = (shard, row)
        return found

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN")
        yield
        self._db.execute("COMMIT")

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, sqlite3.DatabaseError, OSError) as error:
            msg = (
                f"{self._path} cannot be written: {error}. Free space there, or name another "
                "folder; what was embedded is kept, and the same command goes on from there."
            )
            raise OutputError(msg) from error
