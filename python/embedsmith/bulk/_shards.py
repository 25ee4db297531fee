"""The files of an embedding folder: their names, their content, what may be taken from them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith._shard_file import SHARD_ENDING, ShardFile, ShardHash, read_shard, write_shard
from embedsmith.exceptions import DataError, NonFiniteError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from embedsmith._typing import BoolArray, F32Array, I64Array
    from embedsmith.bulk._rows import ShardRows
    from embedsmith.bulk._settings import VectorType

__all__ = [
    "OpenShard",
    "ShardContent",
    "is_shard_name",
    "open_shard",
    "packed_ids",
    "save_shard",
    "shard_name",
    "unpacked_ids",
]

_NAME = re.compile(rf"\d{{5,}}-[0-9a-f]{{16}}{re.escape(SHARD_ENDING)}")
_SCHEMA = "embedsmith.shard/1"
_DIGITS = 16
_INT8_MAX = 127


def shard_name(number: int, digest: str) -> str:
    """Return the name of a shard: its place, and what identifies settings, ids and texts.

    Two contents never share a name, so a file that has one is the right one.

    Examples
    --------
    >>> shard_name(3, "0123456789abcdef0123")
    '00003-0123456789abcdef.safetensors'
    """
    return f"{number:05}-{digest[:_DIGITS]}{SHARD_ENDING}"


def is_shard_name(name: str) -> bool:
    """Tell whether a file is one of ours."""
    return _NAME.fullmatch(name) is not None


def packed_ids(ids: Sequence[str]) -> tuple[np.ndarray[Any, Any], I64Array]:
    """Return the bytes of all ids, and where each ends."""
    encoded = [own.encode() for own in ids]
    ends = np.cumsum([len(own) for own in encoded], dtype=np.int64)
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), ends


def unpacked_ids(data: np.ndarray[Any, Any], ends: I64Array) -> list[str]:
    """Return ids from their bytes and ends."""
    content = data.tobytes()
    starts = [0, *ends[:-1].tolist()]
    return [content[start:end].decode() for start, end in zip(starts, ends.tolist(), strict=True)]


@dataclass
class ShardContent:
    """Rows as they are stored, filled from models and from other shards.

    Attributes
    ----------
    vectors : ndarray of shape (rows, dim), float32, float16 or int8
    scales : ndarray of shape (rows,), float32, or None
        What each row of int8 is multiplied by.
    n_tokens : ndarray of shape (rows,), int32
    truncated : ndarray of shape (rows,), bool
    """

    vectors: np.ndarray[Any, Any]
    scales: F32Array | None
    n_tokens: np.ndarray[Any, np.dtype[np.int32]]
    truncated: BoolArray

    @classmethod
    def empty(cls, rows: int, dim: int, dtype: VectorType) -> ShardContent:
        """Return room for rows."""
        return cls(
            np.zeros((rows, dim), dtype),
            np.zeros(rows, np.float32) if dtype == "int8" else None,
            np.zeros(rows, np.int32),
            np.zeros(rows, np.bool_),
        )

    def put(
        self, rows: I64Array, vectors: F32Array, n_tokens: I64Array, truncated: BoolArray
    ) -> None:
        """Fill rows with what a model answered, in the type that is stored.

        Raises
        ------
        NonFiniteError
            If a value is too large for float16; its ``position`` is the place among ``rows``.
        """
        if self.scales is not None:
            largest = np.abs(vectors).max(axis=1)
            scales = (largest / np.float32(_INT8_MAX)).astype(np.float32)
            self.scales[rows] = scales
            safe = np.where(scales > 0, scales, np.float32(1))
            codes = np.clip(np.rint(vectors / safe[:, None]), -_INT8_MAX, _INT8_MAX)
            self.vectors[rows] = codes.astype(np.int8)
        else:
            with np.errstate(over="ignore"):
                stored = vectors.astype(self.vectors.dtype)
            if self.vectors.dtype == np.float16 and not np.isfinite(stored).all():
                place = int(np.argmin(np.isfinite(stored).all(axis=1)))
                msg = (
                    f"the vector holds {np.abs(vectors[place]).max():g}, which float16 cannot "
                    "hold (at most 65504). Pass dtype='float32' (--dtype float32)."
                )
                error = NonFiniteError(msg)
                error.position = place
                raise error
            self.vectors[rows] = stored
        self.n_tokens[rows] = n_tokens
        self.truncated[rows] = truncated

    def copy(self, rows: I64Array, source: ShardContent, places: I64Array) -> None:
        """Fill rows with those of another shard, as they are stored."""
        self.vectors[rows] = source.vectors[places]
        if self.scales is not None and source.scales is not None:
            self.scales[rows] = source.scales[places]
        self.n_tokens[rows] = source.n_tokens[places]
        self.truncated[rows] = source.truncated[places]


def save_shard(path: Path, rows: ShardRows, content: ShardContent, settings: str) -> ShardHash:
    """Write one shard, whole or not at all."""
    ids, ends = packed_ids(rows.ids)
    tensors: dict[str, np.ndarray[Any, Any]] = {"vectors": content.vectors}
    if content.scales is not None:
        tensors["scales"] = content.scales
    tensors |= {
        "id_ends": ends,
        "n_tokens": content.n_tokens,
        "text_sha256": np.frombuffer(b"".join(rows.hashes), np.uint8).reshape(len(rows), -1),
        "truncated": content.truncated,
        "ids": ids,
    }
    # Not where its rows stand in the corpus: a shard that only moved keeps its file.
    metadata = {"schema": _SCHEMA, "settings": settings}
    return write_shard(path, tensors, metadata)


@dataclass(frozen=True)
class OpenShard:
    """A shard that is there, its tensors mapped."""

    file: ShardFile
    content: ShardContent

    def hashes(self) -> np.ndarray[Any, Any]:
        """SHA-256 of each text, of shape (rows, 32), uint8."""
        return self.file.map("text_sha256")

    def ids(self) -> list[str]:
        """Ids of all rows."""
        return unpacked_ids(self.file.map("ids"), self.file.map("id_ends"))


def open_shard(path: Path) -> OpenShard:
    """Map a shard.

    Raises
    ------
    DataError
        If the file is not whole, or no shard of embeddings.
    """
    file = read_shard(path)
    names = ("vectors", "id_ends", "n_tokens", "text_sha256", "truncated", "ids")
    absent = [name for name in names if name not in file.tensors]
    if absent or file.metadata.get("schema") != _SCHEMA:
        msg = (
            f"{path} is no shard of embeddings ({', '.join(absent) or 'another schema'}). "
            "Remove it, and give the command that wrote the folder again."
        )
        raise DataError(msg)
    return OpenShard(
        file,
        ShardContent(
            file.map("vectors"),
            file.map("scales") if "scales" in file.tensors else None,
            file.map("n_tokens"),
            file.map("truncated"),
        ),
    )
