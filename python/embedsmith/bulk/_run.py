"""One run: from a plan to shards, and from shards to a manifest."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from embedsmith._files import sha256_of
from embedsmith.bulk._manifest import Counts, ShardEntry
from embedsmith.bulk._rows import cut_in_shards
from embedsmith.bulk._shards import ShardContent, open_shard, save_shard, shard_name
from embedsmith.exceptions import DataError, EmbedsmithError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from embedsmith._typing import I64Array
    from embedsmith.bulk._plan import Plan
    from embedsmith.bulk._progress import Meter
    from embedsmith.bulk._rows import ShardRows
    from embedsmith.bulk._runner import Runner, Waiting
    from embedsmith.bulk._settings import Settings
    from embedsmith.bulk._text_table import TextTable
    from embedsmith.datasets import DocumentStream

__all__ = ["Tally", "Writer"]


@dataclass
class Tally:
    """What a run did."""

    n_computed: int = 0
    n_cached: int = 0
    computed_tokens: int = 0
    shards_written: int = 0
    n_restarts: int = 0


class _Copy(NamedTuple):
    """Rows that are taken from a file as they are."""

    file: str
    rows: I64Array
    places: I64Array


@dataclass
class _Work:
    """A shard whose own texts are being embedded."""

    shard: ShardRows
    own: I64Array
    copies: list[_Copy]
    repeats: tuple[I64Array, I64Array]
    waiting: Waiting | None


class Writer:
    """Writes the shards that are missing, in order.

    A text belongs to the shard it stands in first. Shards are finished one after the other, so
    those that repeat it find it written.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        plan: Plan,
        *,
        table: TextTable,
        present: Sequence[str],
        meter: Meter,
    ) -> None:
        self._folder, self._settings, self._plan = folder, settings, plan
        self._table, self._present, self._meter = table, present, meter
        self._known: Mapping[str, ShardEntry] = {}
        self._entries: dict[int, ShardEntry] = {}
        self._digest = settings.digest
        self._truncated = self._tokens = 0
        self.tally = Tally()

    def run(
        self,
        stream: DocumentStream,
        open_runner: Callable[[], Runner],
        known: Mapping[str, ShardEntry],
    ) -> tuple[tuple[ShardEntry, ...], Counts]:
        """Write what is missing; return the files and counts of all.

        Parameters
        ----------
        stream : DocumentStream
            The corpus that was planned.
        open_runner : callable
            Called once, if there is anything to embed.
        known : mapping of str to ShardEntry
            Files of the manifest that is there.
        """
        self._known = known
        runner: Runner | None = None
        pending: deque[_Work] = deque()
        settings = self._settings
        rows_of = cut_in_shards(
            stream, most_rows=settings.shard_rows, most_bytes=settings.shard_bytes
        )
        n_shards = 0
        try:
            for shard in rows_of:
                n_shards += 1
                self._refuse_change(stream, shard)
                if self._plan.shards[shard.number].there:
                    self._take(shard)
                    continue
                work = self._begin(shard)
                if len(work.own):
                    if runner is None:
                        runner = open_runner()
                    texts = [shard.texts[row] for row in work.own]
                    with _placed(shard, work.own):
                        work.waiting = runner.submit(shard.number, texts)
                pending.append(work)
                while len(pending) > (0 if runner is None else runner.ahead):
                    self._finish(pending.popleft())
            while pending:
                self._finish(pending.popleft())
        finally:
            if runner is not None:
                self.tally.n_restarts = runner.n_restarts
                runner.close()
        if n_shards != len(self._plan.shards):
            raise _changed(stream)
        entries = tuple(self._entries[number] for number in range(n_shards))
        plan = self._plan
        return entries, Counts(plan.n_texts, plan.n_unique, self._truncated, self._tokens)

    def _refuse_change(self, stream: DocumentStream, shard: ShardRows) -> None:
        planned = self._plan.shards
        if shard.number >= len(planned):
            raise _changed(stream)
        if planned[shard.number].name != shard_name(shard.number, shard.digest(self._digest)):
            raise _changed(stream)

    def _take(self, shard: ShardRows) -> None:
        """Count a shard that is there."""
        name = self._plan.shards[shard.number].name
        entry = self._known.get(name)
        path = self._folder / name
        if entry is None:
            entry = ShardEntry(name, len(shard), path.stat().st_size, sha256_of(path))
        content = open_shard(path).content
        self._count(shard, content, entry)

    def _begin(self, shard: ShardRows) -> _Work:
        """Tell which rows have to be embedded, and where the others are found."""
        first = self._table.planned(shard.hashes)
        fresh = [key for row, key in enumerate(shard.hashes) if first[key] == (shard.number, row)]
        there = self._table.present(fresh)
        own: list[int] = []
        repeats: list[tuple[int, int]] = []
        copies: dict[str, list[tuple[int, int]]] = {}
        for row, key in enumerate(shard.hashes):
            number, place = first[key]
            if number != shard.number:
                copies.setdefault(self._plan.shards[number].name, []).append((row, place))
            elif place != row:
                repeats.append((row, place))
            elif key in there:
                file, held = there[key]
                copies.setdefault(self._present[file], []).append((row, held))
            else:
                own.append(row)
        return _Work(
            shard,
            np.asarray(own, dtype=np.int64),
            [_Copy(file, *_columns(pairs)) for file, pairs in copies.items()],
            _columns(repeats),
            None,
        )

    def _finish(self, work: _Work) -> None:
        """Wait for the vectors of a shard, and write it."""
        shard, settings = work.shard, self._settings
        content = ShardContent.empty(len(shard), settings.dim, settings.dtype)
        if work.waiting is not None:
            with _placed(shard, work.own):
                embedded, computed_tokens = work.waiting.result()
                content.put(work.own, embedded.vectors, embedded.n_tokens, embedded.truncated)
            self.tally.n_cached += embedded.n_cached
            self.tally.n_computed += len(work.own) - embedded.n_cached
            self.tally.computed_tokens += computed_tokens
        for copy in work.copies:
            source = open_shard(self._folder / copy.file).content
            content.copy(copy.rows, source, copy.places)
        rows, places = work.repeats
        content.copy(rows, content, places)
        name = self._plan.shards[shard.number].name
        found = save_shard(self._folder / name, shard, content, self._digest)
        self.tally.shards_written += 1
        self._count(shard, content, ShardEntry(name, len(shard), found.n_bytes, found.sha256))

    def _count(self, shard: ShardRows, content: ShardContent, entry: ShardEntry) -> None:
        self._entries[shard.number] = entry
        self._truncated += int(np.count_nonzero(content.truncated))
        self._tokens += int(content.n_tokens.sum(dtype=np.int64))
        self._meter.finished(shard.number, len(shard))


def _columns(pairs: Sequence[tuple[int, int]]) -> tuple[I64Array, I64Array]:
    table = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _changed(stream: DocumentStream) -> DataError:
    msg = (
        f"{stream.name} changed while it was read, so the folder would mix two versions. Give the "
        "command again once it is written; what is finished is kept."
    )
    return DataError(msg)


class _placed:  # noqa: N801 - read as a statement
    """Says of an error about one of some texts where that text stands."""

    def __init__(self, shard: ShardRows, rows: I64Array) -> None:
        self._shard, self._rows = shard, rows

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, EmbedsmithError) and error.position is not None:
            msg = f"{self._shard.where(int(self._rows[error.position]))}: {error}"
            raise type(error)(msg) from error
