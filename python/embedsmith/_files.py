"""Files that appear whole or not at all, are known by their hash, or have a near name."""

from __future__ import annotations

import contextlib
import difflib
import errno
import hashlib
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from embedsmith.exceptions import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["atomic_folder", "atomic_writer", "nearest_name", "sha256_of"]

_CHUNK_BYTES = 1 << 20


def nearest_name(path: Path) -> Path | None:
    """Return what lies beside ``path`` under the most similar name, if any is similar."""
    names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1)
    return path.parent / near[0] if near else None


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def atomic_writer(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that takes its name only when the block ends well.

    Writes beside the target, syncs, then renames. On any error, Ctrl-C included, what stood under
    the name before still stands, and the file aside is removed.

    Parameters
    ----------
    path : path-like
        Where the file shall appear; its folder must exist.

    Yields
    ------
    BinaryIO
        The file to write to.

    Raises
    ------
    OutputError
        If the place cannot be written or the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_writer(f"{folder}/a.txt") as file:
    ...         _ = file.write(b"whole")
    ...     Path(f"{folder}/a.txt").read_text()
    'whole'
    """
    target = Path(path)
    aside: Path | None = None
    try:
        unused = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        with unused.open("xb") as file:
            aside = unused
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(target)
        aside = None
        _sync_folder(target.parent)
    except OSError as error:
        msg = (
            f"{target} cannot be written: {error.strerror or error}. "
            "Free space there, or choose a place that you may write to."
        )
        raise OutputError(msg) from error
    finally:
        if aside is not None:
            with contextlib.suppress(FileNotFoundError):
                aside.unlink()


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Make a folder that takes its name only when the block ends well.

    The block fills a folder beside the target; then its files are synced and it is renamed. On any
    error, Ctrl-C included, nothing of it is left.

    Parameters
    ----------
    path : path-like
        Where the folder shall appear. Nothing may be there but an empty folder; folders above are
        made.

    Yields
    ------
    Path
        The folder to fill.

    Raises
    ------
    OutputError
        If something is there already, the place cannot be written or the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     with atomic_folder(f"{place}/new") as folder:
    ...         _ = (folder / "a.txt").write_text("whole")
    ...     [entry.name for entry in Path(place).rglob("*")]
    ['new', 'a.txt']
    """
    target = Path(path).expanduser()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        msg = f"{target} exists already. Name a new folder, or remove it first."
        raise OutputError(msg)
    aside: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unused = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        unused.mkdir()
        aside = unused
        yield aside
        for folder, _, names in os.walk(aside):
            for name in names:
                with Path(folder, name).open("rb") as file:
                    os.fsync(file.fileno())
            _sync_folder(Path(folder))
        aside.replace(target)
        aside = None
        _sync_folder(target.parent)
    except OutputError:
        raise
    except OSError as error:
        msg = (
            f"{target} cannot be written: {error.strerror or error}. "
            "Free space there, or choose a place that you may write to."
        )
        raise OutputError(msg) from error
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # What file systems without such a thing answer; the file itself is on the disk.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
