"""A diagnosis as lines of text, each piece with the role it plays; who prints it paints it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Literal, NamedTuple

from embedsmith._phrases import counted
from embedsmith.diagnosis._parts import unmet, worst_first

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embedsmith.diagnosis._parts import Ability, Finding, Section

__all__ = ["Piece", "Role", "text_lines"]

Role = Literal["plain", "title", "faint", "command", "ok", "note", "warning", "problem"]
_MARKS: dict[str, str] = {"ok": "✓", "note": "✓", "warning": "!", "problem": "✗", "absent": "·"}
_INDENT = 20
_NARROWEST = 60


class Piece(NamedTuple):
    """A part of a line and the role it plays.

    Parameters
    ----------
    text : str
        No line break is in it.
    role : str
        ``"plain"``, ``"title"``, ``"faint"``, ``"command"``, or a level.
    """

    text: str
    role: Role = "plain"


def text_lines(
    version: str,
    sections: Sequence[Section],
    abilities: Sequence[Ability],
    *,
    width: int,
    full: bool,
) -> Iterator[list[Piece]]:
    """Yield the lines of a diagnosis; commands are never broken, so that they can be copied.

    Parameters
    ----------
    version : str
        Of embedsmith.
    sections, abilities : sequence
        What to show.
    width : int
        Characters per line.
    full : bool
        All facts, rather than one line of each section.
    """
    width = max(width, _NARROWEST)
    findings, missing = worst_first(sections), unmet(abilities)
    yield [Piece(f"embedsmith {version}", "title"), *_verdict(findings, missing)]
    yield []
    for section in sections:
        yield from _section(section, width, full=full)
    yield []
    yield from _abilities(abilities, width)
    steps = _steps(findings, missing)
    if steps:
        yield []
        yield [Piece("What to do", "title")]
    for number, (fix, command) in enumerate(steps, start=1):
        yield from _step(number, fix, command, width)


def _verdict(findings: Sequence[Finding], missing: Sequence[Ability]) -> list[Piece]:
    counts = {
        level: sum(finding.level == level for finding in findings)
        for level in ("problem", "warning")
    }
    said: list[Piece] = []
    if missing:
        names = ", ".join(each.name for each in missing)
        said.append(Piece(f"required and not working: {names}", "problem"))
    if counts["problem"]:
        said.append(Piece(counted(counts["problem"], "problem"), "problem"))
    if counts["warning"]:
        said.append(Piece(counted(counts["warning"], "warning"), "warning"))
    said = said or [Piece("nothing is wrong", "ok")]
    return [each for piece in said for each in (Piece("  "), piece)]


def _section(section: Section, width: int, *, full: bool) -> Iterator[list[Piece]]:
    level: Role = section.level if section.present or section.findings else "faint"
    mark = _MARKS["absent"] if level == "faint" else _MARKS[section.level]
    head = [
        Piece(f"{mark} ", "ok" if level == "note" else level),
        Piece(f"{section.title:<{_INDENT - 2}}", "faint" if level == "faint" else "title"),
    ]
    role: Role = "plain" if section.present else "faint"
    for line in _wrapped(section.summary, width - _INDENT):
        yield [*head, Piece(line, role)]
        head = [Piece(" " * _INDENT)]
    if full:
        widest = max((len(fact.name) for fact in section.facts), default=0)
        for fact in section.facts:
            name = f"{fact.name:<{widest}}  "
            for line in _wrapped(fact.text, width - _INDENT - 2 - len(name)):
                yield [Piece(" " * (_INDENT + 2)), Piece(name, "faint"), Piece(line)]
                name = " " * len(name)
    for finding in section.findings:
        yield from _finding(finding, width, full=full)


def _finding(finding: Finding, width: int, *, full: bool) -> Iterator[list[Piece]]:
    if finding.level == "note" and not full:
        return
    mark = _MARKS["absent"] if finding.level == "note" else _MARKS[finding.level]
    first = Piece(f"{mark} ", finding.level)
    for line in _wrapped(finding.seen, width - _INDENT - 2):
        yield [Piece(" " * _INDENT), first, Piece(line, finding.level)]
        first = Piece("  ")


def _abilities(abilities: Sequence[Ability], width: int) -> Iterator[list[Piece]]:
    widest = max((len(each.name) for each in abilities), default=0)
    yield [Piece("What works here", "title")]
    for each in abilities:
        if each.works is None and not each.required:
            mark, role = "·", "faint"
        else:
            mark, role = ("✓", "ok") if each.works else ("✗", "problem")
            if not each.works and not each.required:
                mark, role = "·", "faint"
        first = [Piece(f"{mark} ", _role(role)), Piece(f"{each.name:<{widest}}  ")]
        quiet: Role = "plain" if role == "ok" else _role(role)
        for line in _wrapped(each.why, width - widest - 4):
            yield [*first, Piece(line, quiet)]
            first = [Piece(" " * (widest + 4))]


def _role(name: str) -> Role:
    roles: dict[str, Role] = {"faint": "faint", "ok": "ok", "problem": "problem"}
    return roles[name]


def _steps(findings: Sequence[Finding], missing: Sequence[Ability]) -> list[tuple[str, str | None]]:
    """Return what to do and its command, each once: first for what was required."""
    steps: dict[str, tuple[str, str | None]] = {}
    pairs = [(each.fix, each.command) for each in missing]
    pairs += [(each.fix, each.command) for each in findings if each.level != "note"]
    for fix, command in pairs:
        if fix or command:
            steps.setdefault(command or fix, (fix, command))
    return list(steps.values())


def _step(number: int, fix: str, command: str | None, width: int) -> Iterator[list[Piece]]:
    first = Piece(f"{number:>2}. ")
    for line in _wrapped(fix, width - 4):
        yield [first, Piece(line)]
        first = Piece("    ")
    if command:
        yield [Piece("    "), Piece(command, "command")]


def _wrapped(text: str, width: int) -> list[str]:
    # A path or a command that is broken cannot be copied.
    lines = textwrap.wrap(text, max(width, 20), break_long_words=False, break_on_hyphens=False)
    return lines or [""]
