"""Finished blocks in a folder, so that a run that was stopped goes on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embedsmith._files import atomic_writer
from embedsmith.exceptions import DataError, OutputError
from embedsmith.mining._block import Block

if TYPE_CHECKING:
    import os

    from embedsmith._typing import Json

__all__ = ["Checkpoint"]

_MANIFEST = "mining.json"


class Checkpoint:
    """A folder with one file for each finished block.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    identity : dict
        All that decides the result; a folder of another run is refused.

    Raises
    ------
    DataError
        If the folder is of another run.
    OutputError
        If it cannot be made.
    """

    def __init__(self, folder: str | os.PathLike[str], identity: Json) -> None:
        self._folder = Path(folder).expanduser()
        text = json.dumps(identity, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        manifest = self._folder / _MANIFEST
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"{folder} cannot be made: {error.strerror or error}. Choose another place."
            raise OutputError(msg) from error
        if manifest.exists():
            self._compare(manifest, identity, digest)
        else:
            with atomic_writer(manifest) as file:
                file.write(json.dumps({"sha256": digest, "of": identity}, indent=2).encode())

    def _compare(self, manifest: Path, identity: Json, digest: str) -> None:
        try:
            known = json.loads(manifest.read_text(encoding="utf-8"))
            same, of = known["sha256"] == digest, known["of"]
            differing = sorted(
                name for name in {*of, *identity} if of.get(name) != identity.get(name)
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f"{manifest} cannot be read ({error}). Remove {self._folder} and start again."
            raise DataError(msg) from error
        if not same:
            msg = (
                f"{self._folder} keeps blocks of another run; they differ in "
                f"{', '.join(differing)}. Name another folder, or remove this one."
            )
            raise DataError(msg)

    def read(self, number: int) -> Block | None:
        """Return a finished block; None if it is not there."""
        path = self._path(number)
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return Block(**{one.name: arrays[one.name] for one in fields(Block)})
        except (OSError, ValueError, KeyError, EOFError) as error:
            msg = f"{path} is damaged ({error}). Remove it, and give the same command again."
            raise DataError(msg) from error

    def write(self, number: int, block: Block) -> None:
        """Keep a finished block."""
        with atomic_writer(self._path(number)) as file:
            np.savez(file, **{one.name: getattr(block, one.name) for one in fields(Block)})

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.npz"
