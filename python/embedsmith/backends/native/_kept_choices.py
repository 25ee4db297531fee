"""What was found out about a model's number formats, kept for the next start."""

from __future__ import annotations

import io
import json
import logging
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from embedsmith._files import atomic_writer
from embedsmith.backends._folders import make_private_folder
from embedsmith.backends.native._choice import Choice
from embedsmith.exceptions import CacheError

if TYPE_CHECKING:
    from pathlib import Path

    from embedsmith._typing import F32Array

__all__ = ["KeptChoices"]

_log = logging.getLogger(__name__)

# Of a shape like (2 * layers, hidden).
_AXES = 2


class KeptChoices:
    """A folder of choices, a file for each model, processor and version.

    Finding a choice takes the f32 model over the texts that come with embedsmith: seconds that
    every start would pay. The result is the same each time, so it is kept.

    Parameters
    ----------
    folder : Path
        Created with rights for this user only when first written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, key: str) -> tuple[Choice, F32Array | None] | None:
        """Return a kept choice and the ranges that int8 needs; None if there is none.

        A damaged file counts as none, with a warning: what it held is found out again.

        Parameters
        ----------
        key : str
            What the choice depends on, as hexadecimal digits.

        Raises
        ------
        CacheError
            If the file cannot be read.
        """
        path = self._path(key)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            msg = (
                f"{path} cannot be read: {error.strerror or error}. Give back its rights or delete "
                "it; cache=False (--no-cache) goes without."
            )
            raise CacheError(msg) from error
        try:
            return _parsed(content)
        except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            _log.warning("%s is damaged (%s) and will be made again.", path, error)
            return None

    def keep(self, key: str, choice: Choice, ranges: F32Array | None) -> None:
        """Write a choice, in place of one that stands under its key.

        Parameters
        ----------
        key : str
            What the choice depends on, as hexadecimal digits.
        choice : Choice
            What was taken.
        ranges : ndarray of shape (2 * layers, hidden), float32, or None
            What int8 evens out its ranges by.

        Raises
        ------
        CacheError, OutputError
            If the folder cannot be written, or the disk is full.
        """
        make_private_folder(self.folder)
        told = {
            "precision": choice.precision,
            "mean": choice.mean,
            "least": choice.least,
            "refused": choice.refused,
        }
        arrays = {"choice": np.array(json.dumps(told))}
        if ranges is not None:
            arrays["ranges"] = ranges
        content = io.BytesIO()
        np.savez(content, allow_pickle=False, **arrays)
        with atomic_writer(self._path(key)) as file:
            file.write(content.getvalue())

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npz"


def _parsed(content: bytes) -> tuple[Choice, F32Array | None]:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        told = json.loads(str(arrays["choice"]))
        ranges = arrays["ranges"] if "ranges" in arrays.files else None
    choice = Choice(**told)
    if choice.precision == "int8" and ranges is None:
        msg = "the ranges are missing"
        raise ValueError(msg)
    if ranges is not None and (
        ranges.dtype != np.float32 or ranges.ndim != _AXES or not np.isfinite(ranges).all()
    ):
        msg = "the ranges are no finite floats"
        raise ValueError(msg)
    return choice, ranges
