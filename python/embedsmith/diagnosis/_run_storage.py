"""In a process of its own: looks at the cache folder; a dead network disk may never answer."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["run"]

_COUNTING_S = 2.0


def run(folder: str, answer: Callable[[Any], None]) -> None:
    """Answer the place, then whether it takes files, then what it holds.

    Parameters
    ----------
    folder : str
        The cache folder, which need not exist, and is not created.
    answer : callable
        Takes ``{"exists", "at"}`` (the folder, or the nearest above it that exists), then
        ``{"filesystem", "free_bytes"}``, then ``{"writable", "wal", "error"}``, then ``{"files",
        "bytes", "complete"}``.
    """
    path = Path(folder)
    at = path
    while not at.exists() and at != at.parent:
        at = at.parent
    answer({"exists": path.exists(), "at": str(at)})
    answer({"filesystem": _filesystem(at), "free_bytes": shutil.disk_usage(at).free})
    answer(_written(at, is_there=path.exists()))
    files = size = 0
    stop, complete = time.monotonic() + _COUNTING_S, True
    for entry in _files(path) if path.is_dir() else ():
        files += 1
        size += entry.stat(follow_symlinks=False).st_size
        if time.monotonic() > stop:
            complete = False
            break
    answer({"files": files, "bytes": size, "complete": complete})


def _written(at: Path, *, is_there: bool) -> dict[str, Any]:
    """Write what the cache would write: a database with a write-ahead log."""
    if not at.is_dir():
        return {"writable": False, "wal": False, "error": f"{at} is not a folder"}
    if not is_there:
        # Nothing is left behind in a folder that is not ours.
        allowed = os.access(at, os.W_OK | os.X_OK)
        error = None if allowed else f"{at} gives no right to create a folder in it"
        return {"writable": allowed, "wal": None, "error": error}
    try:
        with tempfile.TemporaryDirectory(dir=at, prefix=".doctor-") as scratch:
            database = sqlite3.connect(Path(scratch, "test.sqlite3"))
            try:
                (mode,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
                database.execute("CREATE TABLE t (x)")
                database.commit()
            finally:
                database.close()
    except (OSError, sqlite3.Error) as error:
        return {"writable": False, "wal": False, "error": str(error)}
    return {"writable": True, "wal": mode == "wal", "error": None}


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                yield entry


def _filesystem(at: Path) -> str | None:
    """Return the kind of file system of a folder, None where the system does not tell."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    best, kind = -1, None
    where = at.resolve()
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields, what = left.split(), right.split()
        if len(fields) < 5 or not what:  # noqa: PLR2004 - up to the mount point
            continue
        point = Path(fields[4].encode().decode("unicode_escape"))
        if where.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), what[0]
    return kind
