"""The folder of an export, which is there only when it is whole."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from typing import TYPE_CHECKING, Any

from embedsmith._deps import require
from embedsmith._files import sha256_of
from embedsmith.backends._export_manifest import (
    GRAPH_FILE,
    MANIFEST_FILE,
    WEIGHTS_FILE,
    ExportedFile,
)
from embedsmith.backends.export._graph import FEATURE
from embedsmith.exceptions import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["check_target", "folder_aside", "hashed_files", "write_graph_file"]

# One protobuf message holds 2 GiB at most.
INLINE_BYTES = 1_500_000_000


def check_target(target: Path, *, force: bool) -> None:
    """Refuse a place that holds something, before any work is done.

    Raises
    ------
    OutputError
        If the place is taken, or would be replaced though it is no export.
    """
    if not target.exists() and not target.is_symlink():
        if not target.absolute().parent.is_dir():
            msg = f"{target.absolute().parent} does not exist. Create it, or name another place."
            raise OutputError(msg)
        return
    if not target.is_dir() or target.is_symlink():
        msg = f"{target} is no folder. Name a folder that does not exist yet."
        raise OutputError(msg)
    if not any(target.iterdir()):
        return
    if not (target / MANIFEST_FILE).is_file():
        msg = f"{target} holds files that are no export. Name a folder that does not exist yet."
        raise OutputError(msg)
    if not force:
        msg = (
            f"{target} holds an export already. Pass --force (force=True) to replace it, or name "
            "another folder."
        )
        raise OutputError(msg)


@contextlib.contextmanager
def folder_aside(target: Path) -> Iterator[Path]:
    """Yield a new folder beside ``target`` that takes its name when the block ends well.

    On any error, Ctrl-C included, it is removed, and what stood there before still stands.

    Raises
    ------
    OutputError
        If the place cannot be written, or the disk is full.
    """
    token = secrets.token_hex(6)
    aside = target.absolute().with_name(f".{target.name}.{token}")
    old = target.absolute().with_name(f".{target.name}.{token}.old")
    try:
        aside.mkdir()
        yield aside
        for file in aside.iterdir():
            _sync(file)
        _sync(aside)
        if target.exists():
            target.rename(old)
        aside.rename(target)
        _sync(target.absolute().parent)
    except OutputError:
        raise
    except OSError as error:
        msg = (
            f"{target} cannot be written: {error.strerror or error}. "
            "Free space there, or choose a place that you may write to."
        )
        raise OutputError(msg) from error
    finally:
        if old.exists() and not target.exists():
            # Stopped between the two renames, by an error or by Ctrl-C.
            old.rename(target)
        for left in (aside, old):
            if left.exists():
                shutil.rmtree(left)


def _sync(path: Path) -> None:
    if os.name != "posix" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_graph_file(model: Any, folder: Path) -> None:
    """Write the graph, its weights in it, or beside it where they are too large."""
    if model.ByteSize() <= INLINE_BYTES:
        (folder / GRAPH_FILE).write_bytes(model.SerializeToString(deterministic=True))
        return
    onnx = require("onnx", extra="onnx", feature=FEATURE)
    onnx.save_model(
        model,
        str(folder / GRAPH_FILE),
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=WEIGHTS_FILE,
        size_threshold=1024,
    )


def hashed_files(folder: Path) -> dict[str, ExportedFile]:
    """Return size and hash of the files of a folder, by name."""
    return {
        file.name: ExportedFile(sha256_of(file), file.stat().st_size)
        for file in sorted(folder.iterdir())
    }
