"""A folder of shards: one corpus in several ``.npy`` or ``.safetensors`` files.

The convention, for whoever writes one:

- Each shard is a ``.npy`` file (``numpy.save``) with one matrix of numbers, a row per document, all
  of one width; or a ``.safetensors`` file with such a matrix named ``vectors`` and, where a row of
  it has to be multiplied by a number of its own, those numbers named ``scales``. They lie in the
  folder itself. Hidden files and other endings are not looked at.
- Without a manifest, all shards are ``.npy`` files and follow each other in the order of their
  names; names that hold numbers need leading zeros, ``00000.npy``.
- With a manifest, ``shards.json``, they follow each other as listed there. Written last, under
  another name first and then renamed, it also says that the folder is whole::

      {"version": 1, "shards": [{"file": "00000.npy", "rows": 100000}, ...]}

  Every ``.npy`` file of the folder is listed, with its number of rows. Other keys are the writer's
  own, such as the fingerprint of the embedding space. ``embedsmith embed`` writes such folders; see
  ``embedsmith.EmbeddingFolder``.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from embedsmith._files import nearest_name
from embedsmith._phrases import counted
from embedsmith._shard_file import SHARD_ENDING
from embedsmith.exceptions import DataError
from embedsmith.search._scaled import shard_file_source
from embedsmith.search._sources import npy_source

if TYPE_CHECKING:
    from pathlib import Path

    from embedsmith.search._sources import Source

__all__ = ["MANIFEST", "UNFINISHED", "folder_manifest", "folder_sources"]

MANIFEST = "shards.json"
# Stands in place of the manifest as long as the folder is being written for the first time.
UNFINISHED = "unfinished.json"
_VERSION = 1


def folder_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a folder of shards, whose list of shards was checked.

    Raises
    ------
    DataError
        If there is none, or it is no list of shards.
    """
    path = folder / MANIFEST
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        unfinished = (folder / UNFINISHED).exists()
        msg = (
            f"{folder} holds embeddings that are not complete: the run that writes them was "
            "stopped. Give its command again, and it goes on."
            if unfinished
            else f"{folder} has no {MANIFEST}; name a folder that embedsmith embed wrote."
        )
        raise DataError(msg) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        msg = f"{path} cannot be read: {reason}. Check the folder."
        raise DataError(msg) from error
    _parse(path, text)
    content: dict[str, Any] = json.loads(text)
    return content


def folder_sources(folder: Path) -> list[Source]:
    """Look at the shards of a folder, in order.

    Raises
    ------
    DataError
        If there are none, their order is unclear, or they are not what the manifest lists.
    """
    try:
        files = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
        present = [name for name in files if name.endswith(".npy")]
        manifest = folder / MANIFEST
        text = manifest.read_text(encoding="utf-8") if manifest.exists() else None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        msg = f"{folder} cannot be read: {reason}. Check the folder and its {MANIFEST}."
        raise DataError(msg) from error
    if text is None:
        if not present and (folder / UNFINISHED).exists():
            folder_manifest(folder)
        _refuse_unclear_order(folder, present)
        return [
            npy_source(_label(i, folder / name), folder / name) for i, name in enumerate(present)
        ]
    listed = _parse(manifest, text)
    names = [name for name, _ in listed]
    unlisted = sorted(set(present) - set(names))
    if unlisted:
        msg = (
            f"{manifest} does not list {unlisted[0]}"
            f"{f' and {len(unlisted) - 1} more' if len(unlisted) > 1 else ''}, so it is unclear "
            "whether it belongs to the corpus. List it, or move it elsewhere."
        )
        raise DataError(msg)
    sources: list[Source] = []
    for number, (name, rows) in enumerate(listed):
        path = folder / name
        if name not in files:
            near = nearest_name(path)
            hint = f" (near it lies {near.name})" if near is not None else ""
            msg = f"{manifest} lists {name}, which is not there{hint}. Write the folder again."
            raise DataError(msg)
        look = shard_file_source if name.endswith(SHARD_ENDING) else npy_source
        source = look(_label(number, path), path)
        if source.rows != rows:
            msg = (
                f"{source.label} has {counted(source.rows, 'row')}, and {manifest} says {rows}. "
                "One of them is old: write the folder again."
            )
            raise DataError(msg)
        sources.append(source)
    return sources


def _label(number: int, path: Path) -> str:
    return f"corpus shard {number} ({path})"


def _refuse_unclear_order(folder: Path, names: list[str]) -> None:
    if not names:
        msg = f"{folder} holds no .npy files; pass the folder that the shards were written to."
        raise DataError(msg)
    for one, after in zip(names, sorted(names, key=_by_numbers), strict=True):
        if one != after:
            msg = (
                f"the shards in {folder} have no clear order: {one} is the next by name, and "
                f"{after} by number. Name them with leading zeros, or list them in {MANIFEST}."
            )
            raise DataError(msg)


def _by_numbers(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts the numbers in names by their value."""
    parts = re.split(r"([0-9]+)", name)
    # Text stands at even places, so that like is compared with like.
    return [(int(part), "") if place % 2 else (0, part) for place, part in enumerate(parts)]


def _parse(path: Path, text: str) -> list[tuple[str, int]]:
    """Return file names and row counts in order."""
    try:
        content: Any = json.loads(text)
    except ValueError as error:
        msg = f"{path} is no JSON: {error}. Write the folder again."
        raise DataError(msg) from error
    version = content.get("version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > _VERSION:
        msg = (
            f"{path} is of version {version}, and this release reads up to {_VERSION}. "
            "Install the release that wrote it."
        )
        raise DataError(msg)
    entries = content.get("shards") if isinstance(content, dict) else None
    if version != _VERSION or not isinstance(entries, list) or not entries:
        raise _unlike(path, "it has no version 1 and list of shards")
    listed: dict[str, int] = {}
    for number, entry in enumerate(entries):
        name, rows = (entry.get("file"), entry.get("rows")) if isinstance(entry, dict) else (0, 0)
        # A name and no more: a manifest from elsewhere may not point out of its folder.
        if not isinstance(name, str) or name != re.split(r"[/\\]", name)[-1] or name in listed:
            raise _unlike(path, f"entry {number} names no file of the folder, or one named before")
        if not isinstance(rows, int) or isinstance(rows, bool) or rows < 0:
            raise _unlike(path, f"entry {number} has no number of rows")
        listed[name] = rows
    return list(listed.items())


def _unlike(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path} is no list of shards: {reason}. Expected is "
        '{"version": 1, "shards": [{"file": "00000.npy", "rows": 100000}]}.'
    )
