"""What says that a folder of embeddings is whole, and what is in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from embedsmith._files import atomic_writer
from embedsmith.bulk._settings import Settings
from embedsmith.exceptions import DataError
from embedsmith.search._folder import MANIFEST, UNFINISHED, folder_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from embedsmith._typing import Json

__all__ = ["Counts", "Manifest", "ShardEntry", "read_manifest", "read_unfinished", "write_json"]

_SCHEMA = "embedsmith.embeddings/1"
_VERSION = 1


class ShardEntry(NamedTuple):
    """One file of a folder."""

    file: str
    rows: int
    n_bytes: int
    sha256: str


class Counts(NamedTuple):
    """What a folder holds.

    Attributes
    ----------
    texts, unique_texts : int
        Rows, and distinct texts among them.
    truncated : int
        Rows of which the model saw only a part.
    tokens : int
        Of all rows, before anything was cut.
    """

    texts: int
    unique_texts: int
    truncated: int
    tokens: int


@dataclass(frozen=True)
class Manifest:
    """All that a finished folder says of itself."""

    settings: Settings
    counts: Counts
    corpus: str
    shards: tuple[ShardEntry, ...]

    def to_json(self) -> Json:
        """Return JSON values; the same for the same content, whoever made it and when."""
        return {
            # What a search reads, whoever wrote the folder.
            "version": _VERSION,
            "fingerprint": self.settings.fingerprint["digest"],
            "metric": self.settings.metric,
            "shards": [
                {
                    "file": entry.file,
                    "rows": entry.rows,
                    "bytes": entry.n_bytes,
                    "sha256": entry.sha256,
                }
                for entry in self.shards
            ],
            # What is ours.
            "schema": _SCHEMA,
            "settings": self.settings.to_json(),
            "settings_sha256": self.settings.digest,
            "counts": self.counts._asdict(),
            "corpus_sha256": self.corpus,
        }


def write_json(path: Path, content: Json) -> None:
    """Write JSON, whole or not at all."""
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
    with atomic_writer(path) as file:
        file.write(text.encode() + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a finished folder.

    Raises
    ------
    DataError
        If there is none, another program wrote it, or it was edited.
    """
    content = folder_manifest(folder)
    path = folder / MANIFEST
    if content.get("schema") != _SCHEMA:
        msg = (
            f"{path} is of schema {content.get('schema')!r}; {_SCHEMA} is expected. Name a folder "
            "that embedsmith embed wrote, or read its shards with embedsmith.topk."
        )
        raise DataError(msg)
    try:
        settings = Settings.from_json(path, content["settings"])
        found = Manifest(
            settings,
            Counts(**content["counts"]),
            content["corpus_sha256"],
            tuple(
                ShardEntry(entry["file"], entry["rows"], entry["bytes"], entry["sha256"])
                for entry in content["shards"]
            ),
        )
    except (KeyError, TypeError) as error:
        raise _edited(path, f"{error} is missing or unknown") from error
    if content != json.loads(json.dumps(found.to_json())):
        raise _edited(path, "its parts contradict each other")
    return found


def read_unfinished(folder: Path) -> Settings | None:
    """Return the settings of a run that was stopped before the folder was whole, if one was.

    Raises
    ------
    DataError
        If they cannot be read.
    """
    path = folder / UNFINISHED
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read ({error}). Remove the folder, and embed into it anew."
        raise DataError(msg) from error
    return Settings.from_json(path, content)


def _edited(path: Path, reason: str) -> DataError:
    return DataError(f"{path} was edited or damaged: {reason}. Write the folder anew.")
