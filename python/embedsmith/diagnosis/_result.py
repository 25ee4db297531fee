"""A diagnosis: what was seen, what is wrong, what works."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from embedsmith.diagnosis._parts import unmet, worst_first
from embedsmith.diagnosis._text import text_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedsmith._typing import Json
    from embedsmith.diagnosis._parts import Ability, Finding, Section
    from embedsmith.diagnosis._text import Piece

__all__ = ["Diagnosis"]

_SCHEMA = "embedsmith.doctor/1"


@dataclass(frozen=True)
class Diagnosis:
    """What is installed here, what really runs, what is wrong, and what to do about it.

    Made by `doctor`. ``str()`` of it is the text that ``embedsmith doctor`` prints.

    Attributes
    ----------
    version : str
        Of embedsmith.
    sections : tuple of Section
        In the order of reading.
    abilities : tuple of Ability
        What works, by the names that ``require=`` takes.
    seconds : float
        How long it took.
    """

    version: str
    sections: tuple[Section, ...]
    abilities: tuple[Ability, ...]
    seconds: float = field(compare=False)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, the worst first, else in the order of the sections."""
        return worst_first(self.sections)

    @property
    def unmet(self) -> tuple[Ability, ...]:
        """What was required and does not work."""
        return unmet(self.abilities)

    @property
    def healthy(self) -> bool:
        """Whether no problem was found and everything that was required works."""
        return not self.unmet and all(finding.level != "problem" for finding in self.findings)

    def ability(self, name: str) -> Ability:
        """Return whether something works.

        Parameters
        ----------
        name : str
            As ``require=`` takes it.

        Returns
        -------
        Ability
            With the reason.

        Raises
        ------
        KeyError
            If there is no such ability.
        """
        for each in self.abilities:
            if each.name == name:
                return each
        raise KeyError(name)

    def to_dict(self) -> Json:
        """Return everything as JSON has it; no key, token or text of the user is in it.

        Returns
        -------
        dict
            With the key ``schema``, here ``"embedsmith.doctor/1"``.
        """
        return {
            "schema": _SCHEMA,
            "embedsmith": self.version,
            "healthy": self.healthy,
            "abilities": {each.name: each.to_dict() for each in self.abilities},
            "sections": {section.name: section.to_dict() for section in self.sections},
            "seconds": self.seconds,
        }

    def text(self, *, width: int = 100, full: bool = False) -> str:
        """Return the diagnosis as plain text.

        Parameters
        ----------
        width : int, default 100
            Characters per line; commands are never broken.
        full : bool, default False
            All facts, rather than one line for each section.

        Returns
        -------
        str
            No colours, no newline at the end.
        """
        lines = self.lines(width=width, full=full)
        return "\n".join("".join(piece.text for piece in line).rstrip() for line in lines)

    def lines(self, *, width: int = 100, full: bool = False) -> Iterator[list[Piece]]:
        """Yield the lines of `text`, in pieces that each say what they are.

        Parameters
        ----------
        width : int, default 100
            Characters per line.
        full : bool, default False
            All facts.

        Yields
        ------
        list of Piece
            ``text`` and ``role``, for whoever paints them.
        """
        return text_lines(self.version, self.sections, self.abilities, width=width, full=full)

    def __str__(self) -> str:
        """Return the diagnosis as plain text, 100 characters wide."""
        return self.text()
