"""One writer per folder."""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import TYPE_CHECKING, Any

from embedsmith.exceptions import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

__all__ = ["LOCK", "only_writer"]

LOCK = ".lock"


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the folder's lock for the block.

    The system gives the lock back when the process ends, however it ends, so none is left behind.

    Raises
    ------
    OutputError
        If another process holds it, or the folder cannot be written or locked.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("ab")
    except OSError as error:
        msg = (
            f"{folder} cannot be written: {error.strerror or error}. "
            "Choose a place that you may write to."
        )
        raise OutputError(msg) from error
    with file:
        try:
            _lock(file)
        # Windows says so of a byte that is locked.
        except (BlockingIOError, PermissionError) as error:
            msg = (
                f"another process is writing to {folder}. Wait until it is done, or name another "
                "folder."
            )
            raise OutputError(msg) from error
        except OSError as error:
            msg = (
                f"{folder} cannot be locked: {error.strerror or error}, so a second process could "
                "write to it at the same time. Name a folder on another disk, and copy it when it "
                "is done."
            )
            raise OutputError(msg) from error
        yield


def _lock(file: BinaryIO) -> None:
    # Looked up by name: each system has one of the two.
    if sys.platform == "win32":
        locking: Any = importlib.import_module("msvcrt")
        locking.locking(file.fileno(), locking.LK_NBLCK, 1)
    else:
        posix: Any = importlib.import_module("fcntl")
        posix.flock(file.fileno(), posix.LOCK_EX | posix.LOCK_NB)
