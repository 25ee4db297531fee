"""Where caches live. Nothing is created before it is needed, and then for this user only."""

from __future__ import annotations

import os
from pathlib import Path

from embedsmith._deps import require
from embedsmith.exceptions import CacheError

__all__ = ["CACHE_VARIABLE", "make_private_folder", "user_cache_folder"]

CACHE_VARIABLE = "EMBEDSMITH_CACHE"


def user_cache_folder() -> Path:
    """Return ``$EMBEDSMITH_CACHE`` if set, else the user's cache folder for embedsmith.

    Does not create it.

    Raises
    ------
    MissingDependencyError
        If the variable is not set and ``platformdirs`` is not installed.
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    platformdirs = require("platformdirs", extra="st", feature="The user's cache folder")
    return Path(platformdirs.user_cache_dir("embedsmith", appauthor=False))


def make_private_folder(folder: Path) -> Path:
    """Create a folder, and its missing parents, readable by this user only; return it.

    A folder that exists keeps its rights.

    Raises
    ------
    CacheError
        If it cannot be created or is not a folder.
    """
    try:
        missing = []
        at = folder.absolute()
        while not at.exists():
            missing.append(at)
            at = at.parent
        for part in reversed(missing):
            part.mkdir(mode=0o700, exist_ok=True)
        if not folder.is_dir():
            raise NotADirectoryError(20, "Not a folder", str(folder))
    except OSError as error:
        msg = (
            f"The cache folder {folder} cannot be used: {error.strerror or error}. Name another "
            f"one with cache=... (--cache) or {CACHE_VARIABLE}, or pass cache=False (--no-cache)."
        )
        raise CacheError(msg) from error
    return folder
