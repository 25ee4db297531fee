"""A corpus in blocks: the next one is read while the current one is searched."""

from __future__ import annotations

import math
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedsmith.exceptions import OutOfMemoryError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from embedsmith._typing import BoolArray
    from embedsmith.search._sources import Source, Values

__all__ = ["Block", "common_half", "cut_in_blocks", "read_blocks"]

# Large enough that what a search does once per call is lost in it, and that disks stream.
BLOCK_BYTES = 64 << 20
# Rows that a search can number, and more than any block of vectors has.
_MOST_ROWS = 1 << 31
THREAD_NAME = "embedsmith-read-ahead"


@dataclass(frozen=True)
class Piece:
    """Rows of one shard."""

    source: Source
    first: int
    last: int


@dataclass(frozen=True)
class Block:
    """Consecutive rows of the corpus, of one shard or of several small ones."""

    first: int
    last: int
    pieces: tuple[Piece, ...]

    def in_place(self, half: str | None) -> Values | None:
        """Return the rows as they lie in memory; None if they must be read, or converted."""
        if len(self.pieces) > 1 or self.pieces[0].source.half != half:
            return None
        (piece,) = self.pieces
        return piece.source.borrow(piece.first, piece.last)

    def read(self, buffer: Values, stop: threading.Event) -> Values:
        """Read the rows into a buffer and return its part that they fill."""
        done = 0
        for piece in self.pieces:
            after = done + piece.last - piece.first
            piece.source.read(piece.first, piece.last, buffer[done:after], stop)
            done = after
        return buffer[:done]


def common_half(sources: Sequence[Source]) -> str | None:
    """Return the half precision that all shards are in; None if they are searched as float32."""
    kinds = {source.half for source in sources}
    return kinds.pop() if len(kinds) == 1 else None


def cut_in_blocks(sources: Sequence[Source], where: BoolArray | None) -> list[Block]:
    """Cut a corpus into blocks, without those in which no row may be found.

    At least one block is left, so that a search sees its arguments.
    """
    half = common_half(sources)
    width = max(sources[0].dim, 1) * (4 if half is None else 2)
    size = min(max(1, BLOCK_BYTES // width), _MOST_ROWS)
    blocks: list[Block] = []
    pending: list[Piece] = []
    begun = now = 0

    def close() -> None:
        nonlocal begun
        if pending:
            blocks.append(Block(begun, now, tuple(pending)))
            pending.clear()
        begun = now

    for source in sources:
        # What lies in memory is not copied, unless it is so small that calls would cost more.
        ready = source.half == half and source.borrow(0, 0) is not None
        alone = ready and source.rows >= size // 8
        if alone:
            close()
        local = 0
        while local < source.rows:
            taken = min(source.rows - local, size - (now - begun))
            pending.append(Piece(source, local, local + taken))
            local, now = local + taken, now + taken
            if now - begun == size:
                close()
        if alone:
            close()
    close()
    if where is None:
        return blocks
    return [block for block in blocks if where[block.first : block.last].any()] or blocks[:1]


def read_blocks(
    blocks: Sequence[Block], half: str | None
) -> Generator[tuple[Block, Values], None, None]:
    """Yield each block with its rows; they may be overwritten once the next block is asked for.

    Rows are float32, or the 16 bits of each value in the `half` precision that all shards have.

    Closing the iterator ends the reading thread before it returns.

    Raises
    ------
    OutOfMemoryError
        If there is no memory for two blocks.
    """
    lengths = [block.last - block.first for block in blocks if block.in_place(half) is None]
    shape = (max(lengths, default=0), blocks[0].pieces[0].source.dim)
    dtype = np.dtype(np.float32 if half is None else np.uint16)
    try:
        buffers = [np.empty(shape, dtype=dtype) for _ in lengths[:2]]
    except MemoryError as error:
        msg = (
            f"reading a corpus needs two blocks of {math.prod(shape) * dtype.itemsize} bytes, "
            "which this process may not have. Free memory, or raise its limit."
        )
        raise OutOfMemoryError(msg) from error
    stop = threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix=THREAD_NAME) as reader:

        def start(number: int) -> Future[Values]:
            block = blocks[number]
            rows = block.in_place(half)
            if rows is None:
                return reader.submit(block.read, buffers[number % len(buffers)], stop)
            ready: Future[Values] = Future()
            ready.set_result(rows)
            return ready

        try:
            following = start(0)
            for number, block in enumerate(blocks):
                rows = following.result()
                if number + 1 < len(blocks):
                    following = start(number + 1)
                yield block, rows
        finally:
            stop.set()
