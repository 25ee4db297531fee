"""How a long evaluation tells what it is doing; the library itself never prints."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress", "Silent"]


class Progress(Protocol):
    """Listener of an evaluation; every call comes from the calling thread.

    Stages do not overlap: ``begin`` is always answered by ``end``, also when the stage fails. A
    listener that has a method ``tokens(done, left)`` hears, before ``advance``, how many tokens of
    an embedding stage were looked at, and an estimate of how many are left.
    """

    def begin(self, model: str, stage: str, total: int) -> None:
        """Hear that a stage starts.

        Parameters
        ----------
        model : str
            Name of the model that runs.
        stage : str
            What it does: ``"embedding documents"``.
        total : int
            Units that the stage has.
        """

    def advance(self, count: int) -> None:
        """Hear that more of the present stage is done.

        Parameters
        ----------
        count : int
            Units since the last call.
        """

    def end(self) -> None:
        """Hear that the present stage is over."""

    def note(self, text: str) -> None:
        """Hear something that a person should read.

        Parameters
        ----------
        text : str
            One line.
        """


class Silent(Progress):
    """A listener that keeps quiet."""

    def begin(self, model: str, stage: str, total: int) -> None:
        """Ignore the start of a stage."""

    def advance(self, count: int) -> None:
        """Ignore the advance."""

    def end(self) -> None:
        """Ignore the end of a stage."""

    def note(self, text: str) -> None:
        """Ignore the note."""
