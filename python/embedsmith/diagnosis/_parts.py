"""The parts of a diagnosis: sections of facts, findings with their remedies, abilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from embedsmith._typing import Json

__all__ = [
    "Ability",
    "Fact",
    "Finding",
    "Level",
    "Section",
    "can",
    "cannot",
    "unmet",
    "worst_first",
]

Level = Literal["ok", "note", "warning", "problem"]
_RANK: dict[Level, int] = {"ok": 0, "note": 1, "warning": 2, "problem": 3}


@dataclass(frozen=True)
class Fact:
    """One thing that was seen.

    Attributes
    ----------
    name : str
        What it is, in words.
    value : str, number, bool, None, or lists and dicts of them
        As it is: sizes in bytes, times in seconds.
    text : str
        The value as it is shown.
    """

    name: str
    value: Any
    text: str


@dataclass(frozen=True)
class Finding:
    """Something to know or to mend.

    Attributes
    ----------
    code : str
        What a script can look for; it stays the same between releases.
    level : {"note", "warning", "problem"}
        A problem makes calls fail or their results wrong; a warning makes them slow or surprising;
        a note may be meant so.
    seen : str
        What was seen, as a sentence.
    fix : str
        What to do, as a sentence; "" for a note without a remedy.
    command : str or None
        The fix as a command line, if it is one.
    """

    code: str
    level: Level
    seen: str
    fix: str = ""
    command: str | None = None

    def to_dict(self) -> Json:
        """Return what was found as JSON has it."""
        return {
            "code": self.code,
            "level": self.level,
            "seen": self.seen,
            "fix": self.fix,
            "command": self.command,
        }


@dataclass(frozen=True)
class Ability:
    """Whether something that can be asked for works here.

    Attributes
    ----------
    name : str
        As ``require=`` takes it.
    works : bool or None
        None if it was not tried, since that costs time and nobody asked for it.
    why : str
        What showed that it works, or why it does not.
    fix : str
        What to do if it does not work, as a sentence.
    command : str or None
        The fix as a command line, if it is one.
    required : bool
        Whether it was asked for.
    """

    name: str
    works: bool | None
    why: str
    fix: str = ""
    command: str | None = None
    required: bool = False

    def to_dict(self) -> Json:
        """Return the ability as JSON has it."""
        return {
            "works": self.works,
            "why": self.why,
            "fix": self.fix,
            "command": self.command,
            "required": self.required,
        }


def can(name: str, why: str) -> Ability:
    """Return that something works, and what showed it."""
    return Ability(name, works=True, why=why)


def cannot(name: str, why: str, fix: str = "", command: str | None = None) -> Ability:
    """Return that something does not work, why, and what to do."""
    return Ability(name, works=False, why=why, fix=fix, command=command)


@dataclass(frozen=True)
class Section:
    """One part of a diagnosis.

    Attributes
    ----------
    name : str
        What a script can look for: ``"machine"``, ``"onnxruntime"``.
    title : str
        The same for people.
    summary : str
        One line.
    facts : tuple of Fact
        Everything that was seen.
    findings : tuple of Finding
        What to know or to mend.
    abilities : tuple of Ability
        What works here because of it.
    present : bool
        Whether there is anything: False for a library that is not installed.
    """

    name: str
    title: str
    summary: str
    facts: tuple[Fact, ...] = ()
    findings: tuple[Finding, ...] = ()
    abilities: tuple[Ability, ...] = ()
    present: bool = True

    @property
    def level(self) -> Level:
        """The worst level of its findings."""
        levels: list[Level] = [finding.level for finding in self.findings]
        return max(levels, key=_RANK.__getitem__, default="ok")

    def to_dict(self) -> Json:
        """Return the section as JSON has it."""
        return {
            "title": self.title,
            "level": self.level,
            "present": self.present,
            "summary": self.summary,
            "facts": {fact.name: fact.value for fact in self.facts},
            "findings": [finding.to_dict() for finding in self.findings],
        }


def worst_first(sections: Iterable[Section]) -> tuple[Finding, ...]:
    """Return all findings, the worst first, else in the order of the sections."""
    found = [finding for section in sections for finding in section.findings]
    return tuple(sorted(found, key=lambda finding: -_RANK[finding.level]))


def unmet(abilities: Iterable[Ability]) -> tuple[Ability, ...]:
    """Return what was required and does not work."""
    return tuple(each for each in abilities if each.required and not each.works)
