"""Paths that exist, or an error that offers the nearest one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from embedsmith._files import nearest_name
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    import os

__all__ = ["existing", "expanded", "listing"]


def expanded(path: str | os.PathLike[str]) -> Path:
    """Return ``path`` with a leading ``~`` replaced by the home folder."""
    return Path(path).expanduser()


def existing(path: str | os.PathLike[str]) -> Path:
    """Return ``path`` if something is there, else raise with the nearest name beside it.

    Raises
    ------
    DataError
        If nothing is there.
    """
    wanted = expanded(path)
    if wanted.exists():
        return wanted
    folder = wanted.parent
    if not folder.is_dir():
        msg = f"{wanted} does not exist, nor does the folder {folder}. Check the path."
        raise DataError(msg)
    near = nearest_name(wanted)
    # A folder that is only a point reads as a mark of the sentence.
    shown = "That folder" if folder == Path() else folder
    fix = f"Did you mean {near}?" if near else f"{shown} holds {listing(folder)}."
    start = "" if wanted.is_absolute() else f" (relative paths start at {Path.cwd()})"
    msg = f"{wanted} does not exist{start}. {fix}"
    raise DataError(msg)


def listing(folder: Path, most: int = 8) -> str:
    """Return the first names in ``folder`` as a phrase."""
    names = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())
    if not names:
        return "nothing"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
