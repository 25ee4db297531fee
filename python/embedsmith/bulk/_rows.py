"""A corpus cut into the rows of its shards, the same each time it is read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedsmith.datasets import DocumentStream

__all__ = ["ShardRows", "cut_in_shards", "text_hash"]


@dataclass
class ShardRows:
    """The rows of one shard.

    Attributes
    ----------
    number, first : int
        Of the shard, and of its first row in the corpus.
    ids, texts, places : list of str
        As the corpus has them; a place is ``corpus.jsonl:17``.
    hashes : list of bytes
        SHA-256 of each text.
    text_bytes : int
        What the texts take in UTF-8.
    """

    number: int
    first: int
    ids: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    text_bytes: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    def digest(self, settings: str) -> str:
        """Return the SHA-256 of the settings and of all ids and texts, in order."""
        found = hashlib.sha256(f"{settings}\n{len(self)}\n".encode())
        for own, text in zip(self.ids, self.hashes, strict=True):
            name = own.encode()
            found.update(len(name).to_bytes(8, "little") + name + text)
        return found.hexdigest()

    def where(self, row: int) -> str:
        """Return what a message calls a row."""
        return f"{self.places[row]} (id {self.ids[row]!a:.80})"


def text_hash(text: str) -> bytes:
    """Return the SHA-256 of a text, which UTF-8 must be able to hold."""
    return hashlib.sha256(text.encode()).digest()


def cut_in_shards(
    stream: DocumentStream, *, most_rows: int, most_bytes: int
) -> Iterator[ShardRows]:
    """Yield the rows of one shard after the other.

    A shard ends with ``most_rows`` rows, or with the row that brings its texts to ``most_bytes``.
    """
    shard = ShardRows(0, 0)
    for block in stream:
        for own, text, place in zip(block.ids, block.texts, block.places, strict=True):
            encoded = text.encode()
            shard.ids.append(own)
            shard.texts.append(text)
            shard.places.append(place)
            shard.hashes.append(hashlib.sha256(encoded).digest())
            shard.text_bytes += len(encoded)
            if len(shard) >= most_rows or shard.text_bytes >= most_bytes:
                yield shard
                shard = ShardRows(shard.number + 1, shard.first + len(shard))
    if len(shard):
        yield shard
