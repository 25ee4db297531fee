"""What the labelled sets of all tasks but retrieval share."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from embedsmith._phrases import counted
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from embedsmith._typing import Task

__all__ = ["TaskData", "check_lengths", "check_texts"]


@dataclass(frozen=True, kw_only=True, repr=False)
class TaskData(ABC):
    """Name, place and identity of a labelled set.

    Parameters
    ----------
    name : str, default "data"
        For people.
    split : str, default "test"
        Which part of the data.
    path : Path or None
        Where it was read.
    source : str or None
        What :func:`load_task` was given, word for word.
    columns : tuple of str, default ()
        Columns that were renamed on reading, as ``"sentence1=premise"``.
    """

    task: ClassVar[Task]
    unit: ClassVar[str]

    name: str = "data"
    split: str = "test"
    path: Path | None = None
    source: str | None = None
    columns: tuple[str, ...] = ()
    _hash: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    def __repr__(self) -> str:
        unit = "text" if self.unit == "experiment" else self.unit
        items = counted(len(self), unit)
        return f"{type(self).__name__}({self.name!r}, split {self.split!r}, {items})"

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    def hash(self) -> str:
        """SHA-256 of the content, in hex; the same for the same content in any file format.

        The bytes are ``embedsmith.task/1``, the task, and then for each column its number of
        entries and each entry as UTF-8, everything after its length in 8 bytes, little-endian.
        Numbers are written as the shortest decimal that reads back as the same float64. Order
        counts; name, split and path do not.
        """
        if not self._hash:
            digest = hashlib.sha256(b"embedsmith.task/1")
            for part in (self.task, *self._parts()):
                encoded = part.encode("utf-8", "surrogatepass")
                digest.update(len(encoded).to_bytes(8, "little") + encoded)
            # The value is frozen, so its hash may be kept.
            self._hash.append(digest.hexdigest())
        return self._hash[0]

    @abstractmethod
    def _columns(self) -> Iterator[Sequence[str | float]]: ...

    def _parts(self) -> Iterator[str]:
        for column in self._columns():
            yield str(len(column))
            yield from (value if isinstance(value, str) else repr(value) for value in column)

    def _take(self, **columns: Iterable[object]) -> None:
        """Keep columns as tuples: lists are what people have in hand."""
        for name, column in columns.items():
            object.__setattr__(self, name, tuple(column))


def check_lengths(kind: str, **columns: Sequence[object]) -> None:
    """Refuse columns of different lengths, and empty ones.

    Raises
    ------
    DataError
        With the lengths.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{count} {name}" for name, count in lengths.items())
        msg = f"{kind} has {shown}. Pass columns of one length, one entry per item."
        raise DataError(msg)
    if not next(iter(lengths.values())):
        msg = f"{kind} is empty. Pass at least one item."
        raise DataError(msg)


def check_texts(kind: str, **columns: Iterable[object]) -> None:
    """Refuse what is no string.

    Raises
    ------
    DataError
        With the column and the position.
    """
    for name, column in columns.items():
        for place, value in enumerate(column):
            if not isinstance(value, str):
                msg = (
                    f"{kind}: {name}[{place}] is {value!r:.60}, which is no string. "
                    "Pass str, or drop the item."
                )
                raise DataError(msg)
