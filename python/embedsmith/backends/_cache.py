"""Embeddings on disk: one SQLite file per embedding space and producer.

The file's name and its header both hold the fingerprint and the producer, so vectors of one model
are never served for another, nor those of one device, batch size or library version as those of
another. Texts are not stored, only their SHA-256.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import threading
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith.backends._batches import CachedRow
from embedsmith.backends._fingerprint import Fingerprint, canonical_json
from embedsmith.backends._folders import make_private_folder, user_cache_folder
from embedsmith.exceptions import CacheError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["EmbeddingCache", "EmbeddingStore"]

# "embs" in ASCII: `file` and we tell our databases from others by it.
_APPLICATION_ID = 0x656D6273
_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE header (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE vectors (
    key BLOB PRIMARY KEY, n_tokens INTEGER NOT NULL, crc INTEGER NOT NULL, vector BLOB NOT NULL
);
CREATE TABLE measurements (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
# SQLite refuses more than 999 variables in a statement where it was built with the old default.
_KEYS_PER_QUERY = 500
# A vector of 768 floats takes 3 kB: four of them fill a page of this size, against one in 4 kB.
_PAGE_BYTES = 16384
_LOCK_WAIT_S = 60.0
_WRONG_VECTOR = "a stored vector does not match its checksum"


class EmbeddingCache:
    """A folder of embeddings, one file per embedding space and producer.

    The folder must be on a local disk: processes that share a file do so through memory (SQLite's
    write-ahead log), which network file systems do not offer.

    Parameters
    ----------
    folder : path, optional
        Created with rights for this user only when first written to. None: ``embeddings`` in
        ``$EMBEDSMITH_CACHE``, else in the user's cache folder.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = (
            user_cache_folder() / "embeddings" if folder is None else Path(folder).expanduser()
        )

    def path(self, fingerprint: Fingerprint, producer: Mapping[str, Any]) -> Path:
        """Return where the vectors of a space lie, whether the file exists or not.

        Parameters
        ----------
        fingerprint : Fingerprint
            The space.
        producer : mapping
            What computes them; see `Encoder.producer`.

        Returns
        -------
        Path
            A file in the folder, named after both.
        """
        made = hashlib.sha256(canonical_json(dict(producer)).encode("utf-8")).hexdigest()
        return self.folder / f"{fingerprint.digest}-{made[:16]}.sqlite3"

    def open(
        self, fingerprint: Fingerprint, dim: int, producer: Mapping[str, Any]
    ) -> EmbeddingStore:
        """Open the store of one space, and create it if it is missing.

        Parameters
        ----------
        fingerprint : Fingerprint
            The space.
        dim : int
            Width of its vectors.
        producer : mapping
            What computes them; see `Encoder.producer`.

        Returns
        -------
        EmbeddingStore
            To be closed by the caller.

        Raises
        ------
        CacheError
            If the folder cannot be written, or the file is damaged, is not a cache, or belongs to
            another space or producer.
        """
        make_private_folder(self.folder)
        return EmbeddingStore(self.path(fingerprint, producer), fingerprint, dim, producer)

    def stored_dim(self, fingerprint: Fingerprint, producer: Mapping[str, Any]) -> int | None:
        """Return the width of the vectors of a space, None if none are kept; writes nothing.

        Parameters
        ----------
        fingerprint : Fingerprint
            The space.
        producer : mapping
            What computes them.

        Returns
        -------
        int or None
            Columns.

        Raises
        ------
        CacheError
            If the file is no cache.
        """
        with _peeked(self.path(fingerprint, producer)) as db:
            row = db and db.execute("SELECT value FROM header WHERE name = 'dim'").fetchone()
            return int(row[0]) if row else None

    def stored_keys(
        self, fingerprint: Fingerprint, producer: Mapping[str, Any], keys: Sequence[bytes]
    ) -> set[bytes]:
        """Return those of the keys that are kept of a space; reads no vector, writes nothing.

        Parameters
        ----------
        fingerprint : Fingerprint
            The space.
        producer : mapping
            What computes them.
        keys : sequence of bytes
            Of texts; see ``text_key``.

        Returns
        -------
        set of bytes
            Empty if nothing of the space is kept.

        Raises
        ------
        CacheError
            If the file is no cache.
        """
        found: set[bytes] = set()
        with _peeked(self.path(fingerprint, producer)) as db:
            for start in range(0, len(keys) if db else 0, _KEYS_PER_QUERY):
                part = keys[start : start + _KEYS_PER_QUERY]
                marks = ",".join("?" * len(part))
                # Only question marks are formatted in.
                rows = db and db.execute(f"SELECT key FROM vectors WHERE key IN ({marks})", part)  # noqa: S608
                found.update(key for (key,) in rows or ())
        return found


@contextlib.contextmanager
def _peeked(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Open a cache file for a look that leaves no trace; None if there is none."""
    if not path.is_file():
        yield None
        return
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_LOCK_WAIT_S)
        ) as db:
            yield db
    except sqlite3.Error as error:
        msg = (
            f"The embedding cache {path} cannot be read: {error}. Delete the file (and its -wal "
            "and -shm), or name another folder with cache=... (--cache)."
        )
        raise CacheError(msg) from error


class EmbeddingStore:
    """Vectors and measurements of one embedding space, in one file.

    Several processes may use the file at once; each batch is one transaction, and a process that
    dies loses the batch it was writing. Made by `EmbeddingCache.open`.

    Parameters
    ----------
    path : Path
        The file; created if it is missing.
    fingerprint : Fingerprint
        The space whose vectors it holds.
    dim : int
        Width of a vector.
    producer : mapping
        What computes them.

    Raises
    ------
    CacheError
        If the file cannot be used, or belongs to another space or producer.
    """

    def __init__(
        self, path: Path, fingerprint: Fingerprint, dim: int, producer: Mapping[str, Any]
    ) -> None:
        self.path = path
        self._dim = dim
        self._identity = {
            "digest": fingerprint.digest,
            "dim": str(dim),
            "producer": canonical_json(dict(producer)),
        }
        # For whoever looks into the file; it is the digest that is compared.
        self._description = {"fingerprint": fingerprint.canonical}
        self._lock = threading.Lock()
        with self._translated("opened"):
            # Transactions are ours (isolation_level=None); the lock above serialises the threads.
            self._db = sqlite3.connect(
                path, timeout=_LOCK_WAIT_S, isolation_level=None, check_same_thread=False
            )
        try:
            with self._translated("opened"):
                self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        self._db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        # Read first: it fails on a file that is no database before anything is written to it.
        (application,) = self._db.execute("PRAGMA application_id").fetchone()
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != _APPLICATION_ID and tables:
            msg = (
                f"{self.path} is a database of another program, not an embedding cache. "
                "Move it away, or name another folder with cache=... (--cache)."
            )
            raise CacheError(msg)
        self._db.execute("PRAGMA journal_mode = WAL")
        # With WAL, NORMAL survives a killed process; only a power cut may take the last batches.
        self._db.execute("PRAGMA synchronous = NORMAL")
        with self._transaction():
            # Looked up again inside the transaction: another process may have been faster.
            (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if not tables:
                self._create()
        self._check_header()

    def _create(self) -> None:
        for statement in filter(str.strip, _SCHEMA.split(";")):
            self._db.execute(statement)
        self._db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        self._db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        self._db.executemany(
            "INSERT INTO header VALUES (?, ?)", {**self._identity, **self._description}.items()
        )

    def _check_header(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version != _SCHEMA_VERSION:
            msg = (
                f"{self.path} is an embedding cache of format {version}; this embedsmith reads "
                f"format {_SCHEMA_VERSION}. Delete the file, or use the version that wrote it."
            )
            raise CacheError(msg)
        header = dict(self._db.execute("SELECT name, value FROM header").fetchall())
        for name, value in self._identity.items():
            if header.get(name) != value:
                msg = (
                    f"{self.path} holds vectors of another embedding space or producer "
                    f"({name} {header.get(name)!r}, not {value!r}): the file was renamed or "
                    "copied. Delete it."
                )
                raise CacheError(msg)

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, CachedRow]:
        """Return those of the keys that are stored.

        Raises
        ------
        CacheError
            If the file is damaged: each vector is checked against its checksum.
        """
        found: dict[bytes, CachedRow] = {}
        with self._lock, self._translated("read"):
            for start in range(0, len(keys), _KEYS_PER_QUERY):
                part = keys[start : start + _KEYS_PER_QUERY]
                marks = ",".join("?" * len(part))
                rows = self._db.execute(
                    # Only question marks are formatted in.
                    f"SELECT key, n_tokens, crc, vector FROM vectors WHERE key IN ({marks})",  # noqa: S608
                    part,
                )
                for key, n_tokens, crc, blob in rows:
                    if len(blob) != 4 * self._dim or zlib.crc32(blob) != crc:
                        raise self._damaged(_WRONG_VECTOR)
                    # Little-endian on disk, whatever the machine.
                    vector = np.frombuffer(blob, dtype="<f4").astype(np.float32, copy=False)
                    found[key] = CachedRow(vector, n_tokens)
        return found

    def put_many(self, rows: Sequence[tuple[bytes, CachedRow]]) -> None:
        """Store rows in one transaction. A key that is stored keeps the vector it has.

        Raises
        ------
        CacheError
            If the disk is full, the file cannot be written, or it stays locked.
        """
        packed = []
        for key, row in rows:
            blob = row.vector.astype("<f4", copy=False).tobytes()
            packed.append((key, row.n_tokens, zlib.crc32(blob), blob))
        with self._lock, self._translated("written"), self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?, ?)", packed)

    def put_measurement(self, name: str, value: Any) -> None:
        """Store a JSON value that was measured with this model, in place of an earlier one."""
        text = canonical_json(value)
        with self._lock, self._translated("written"), self._transaction():
            self._db.execute("INSERT OR REPLACE INTO measurements VALUES (?, ?)", (name, text))

    def get_measurement(self, name: str) -> Any | None:
        """Return what `put_measurement` stored under this name, None if nothing."""
        with self._lock, self._translated("read"):
            row = self._db.execute(
                "SELECT value FROM measurements WHERE name = ?", (name,)
            ).fetchone()
            return None if row is None else json.loads(row[0])

    def __len__(self) -> int:
        with self._lock, self._translated("read"):
            (count,) = self._db.execute("SELECT count(*) FROM vectors").fetchone()
        return int(count)

    def close(self) -> None:
        """Close the file. Calling twice does no harm."""
        self._db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            # A full disk has rolled back already.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextlib.contextmanager
    def _translated(self, done: str) -> Iterator[None]:
        """Turn SQLite's errors into ours, with the file and what to do."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locking protocol" in str(error):
                fix = "Its file system cannot share memory: name a folder on a local disk."
            elif "locked" in str(error):
                fix = "Another process holds it: wait for that one, or name another cache folder."
            elif "full" in str(error):
                fix = (
                    "Free space, name another folder with cache=... (--cache), or pass cache=False "
                    "(--no-cache)."
                )
            elif "no such" in str(error):
                raise self._damaged(str(error)) from error
            else:
                fix = (
                    "Make its folder writable, free space there, name another one with cache=... "
                    "(--cache), or pass cache=False (--no-cache)."
                )
            msg = f"The embedding cache {self.path} cannot be {done}: {error}. {fix}"
            raise CacheError(msg) from error
        except sqlite3.ProgrammingError:
            # A closed store is a slip of the caller's, not damage to the file.
            raise
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, reason: str) -> CacheError:
        msg = (
            f"The embedding cache {self.path} is damaged or is not one: {reason}. "
            "Delete the file (and its -wal and -shm); its vectors will be computed again."
        )
        return CacheError(msg)
