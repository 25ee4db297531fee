"""The plan of a run: one pass over the corpus that finds all faults and all that is there."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedsmith._files import sha256_of
from embedsmith._phrases import counted
from embedsmith.bulk._rows import cut_in_shards
from embedsmith.bulk._shards import is_shard_name, open_shard, shard_name
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from embedsmith.bulk._manifest import ShardEntry
    from embedsmith.bulk._rows import ShardRows
    from embedsmith.bulk._settings import Settings
    from embedsmith.bulk._text_table import RowPlace, TextTable
    from embedsmith.datasets import DocumentStream

__all__ = ["Plan", "PlannedShard", "find_present", "plan_run"]


@dataclass(frozen=True)
class PlannedShard:
    """A shard of the corpus.

    Attributes
    ----------
    name : str
        Its file.
    rows : int
        Number of texts.
    there : bool
        Whether an earlier run wrote it.
    n_work, work_bytes : int
        Texts that a model (or a cache of one) has to be asked for, and what they take in UTF-8.
    n_reused : int
        Texts that are in files of the folder already, whether this one or others.
    """

    name: str
    rows: int
    there: bool
    n_work: int
    work_bytes: int
    n_reused: int


@dataclass(frozen=True)
class Plan:
    """What a run has to do.

    Attributes
    ----------
    shards : tuple of PlannedShard
        In the order of the corpus.
    n_unique : int
        Distinct texts.
    corpus : str
        SHA-256 of all ids and texts, in order.
    """

    shards: tuple[PlannedShard, ...]
    n_unique: int
    corpus: str

    @property
    def n_texts(self) -> int:
        """Number of texts."""
        return sum(shard.rows for shard in self.shards)


def find_present(
    folder: Path,
    listed: Mapping[str, ShardEntry],
    listed_ns: int,
    settings: Settings,
    table: TextTable,
) -> list[str]:
    """Keep in the table where texts stand in files of the folder; return the files by number.

    Files of the manifest come first, so that what is taken from them does not depend on what an
    interrupted run added. A file that is damaged or of other settings counts as absent; so does
    one of the manifest that was written to after it and has another hash.

    Parameters
    ----------
    folder : Path
        The folder.
    listed : mapping of str to ShardEntry
        Files of the manifest, if there is one.
    listed_ns : int
        When the manifest was written, in nanoseconds, as the file system has it.
    settings : Settings
        Of the run.
    table : TextTable
        Filled here.
    """
    others = sorted(
        file.name
        for file in folder.iterdir()
        if is_shard_name(file.name) and file.name not in listed
    )
    files: list[str] = []
    for name in (*listed, *others):
        try:
            shard = open_shard(folder / name)
        except DataError:
            # Not carried on with: it is written again, under this name or another.
            continue
        if shard.file.metadata.get("settings") != settings.digest:
            continue
        if name in listed and _was_replaced(folder / name, listed[name], listed_ns):
            continue
        number = len(files)
        files.append(name)
        hashes = shard.hashes()
        for start in range(0, len(hashes), settings.shard_rows):
            part = hashes[start : start + settings.shard_rows]
            places: dict[bytes, RowPlace] = {}
            for row, key in enumerate(part, start):
                places.setdefault(key.tobytes(), (number, row))
            table.add_present(places)
    return files


def _was_replaced(path: Path, entry: ShardEntry, listed_ns: int) -> bool:
    """Tell whether a file is another than the manifest says; reads it only if it is younger.

    As a run leaves it that made it anew and was killed before it wrote the manifest.
    """
    return path.stat().st_mtime_ns > listed_ns and sha256_of(path) != entry.sha256


def plan_run(
    stream: DocumentStream,
    settings: Settings,
    table: TextTable,
    present: Sequence[str],
    progress: Callable[[int], object] | None = None,
) -> Plan:
    """Read the whole corpus once, and say what is to be done.

    Raises
    ------
    DataError
        If there is no text, or an id stands twice; `ParseError` from the stream.
    """
    shards: list[PlannedShard] = []
    there = set(present)
    n_unique = 0
    whole = hashlib.sha256()
    cut = cut_in_shards(stream, most_rows=settings.shard_rows, most_bytes=settings.shard_bytes)
    for rows in cut:
        repeat = table.add_ids(rows.ids, rows.first)
        if repeat is not None:
            raise _repeated(stream, rows, *repeat)
        digest = rows.digest(settings.digest)
        whole.update(bytes.fromhex(digest))
        known = table.planned(rows.hashes)
        fresh: dict[bytes, RowPlace] = {}
        for row, key in enumerate(rows.hashes):
            if key not in known:
                fresh.setdefault(key, (rows.number, row))
        table.add_planned(fresh)
        n_unique += len(fresh)
        name = shard_name(rows.number, digest)
        found = table.present(list(fresh))
        work = sum(
            len(rows.texts[row].encode()) for key, (_, row) in fresh.items() if key not in found
        )
        n_work = len(fresh) - len(found)
        shards.append(PlannedShard(name, len(rows), name in there, n_work, work, len(found)))
        if progress is not None:
            progress(rows.first + len(rows))
    if not shards:
        msg = (
            f"{stream.name} holds no documents. Check that it was written to the end, or name "
            "another file."
        )
        raise DataError(msg)
    return Plan(tuple(shards), n_unique, whole.hexdigest())


def _repeated(stream: DocumentStream, rows: ShardRows, row: int, earlier: int) -> DataError:
    """Say where an id stands a second time; reads up to the first once more to name its place."""
    at = row - rows.first
    place = ""
    if earlier >= rows.first:
        place = rows.places[earlier - rows.first]
    else:
        places = itertools.chain.from_iterable(block.places for block in stream)
        place = next(itertools.islice(places, earlier, None))
    msg = (
        f"{rows.places[at]}: found the _id {rows.ids[at]!r:.80} again (first in {place}); expected "
        f"each _id once. Remove one of the two ({counted(row, 'row')} before it were read)."
    )
    return DataError(msg)
