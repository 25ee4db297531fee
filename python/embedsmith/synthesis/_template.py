"""Prompts as files: sections, placeholders, and what is wrong with them."""

from __future__ import annotations

import difflib
import string
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from embedsmith.exceptions import DataError, ParseError
from embedsmith.synthesis._words import content_hash

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

__all__ = ["JUDGE", "SHIPPED", "WRITER", "PromptTemplate", "shipped_text"]

SHIPPED = ("chat", "completion", "judge")
_SECTIONS = (frozenset({"system", "user"}), frozenset({"user"}), frozenset({"prompt"}))
_EVERY = frozenset().union(*_SECTIONS)


@dataclass(frozen=True)
class _Names:
    needed: frozenset[str]
    known: frozenset[str]


WRITER = _Names(
    frozenset({"passage", "nonce"}),
    frozenset({"passage", "nonce", "kinds", "count", "language", "examples", "cue"}),
)
JUDGE = _Names(frozenset({"passage", "query", "nonce"}), frozenset({"passage", "query", "nonce"}))


def shipped_text(name: str) -> str:
    """Return a file of the folder ``templates``."""
    return (resources.files("embedsmith.synthesis") / "templates" / name).read_text("utf-8")


@dataclass(frozen=True)
class PromptTemplate:
    """A prompt with places for a passage and more.

    Attributes
    ----------
    name : str
        Of the file, or of the shipped one.
    sections : mapping of str to str
        ``system`` and ``user`` of a chat, ``user`` alone, or the ``prompt`` of a completion.
    sha256 : str
        Of the whole file.
    """

    name: str
    sections: Mapping[str, str]
    sha256: str

    @property
    def completes(self) -> bool:
        """Whether it is to be continued, rather than answered in a chat."""
        return "prompt" in self.sections

    @property
    def words(self) -> str:
        """All that the template itself says, without placeholders."""
        return "\n".join(string.Template.pattern.sub(" ", text) for text in self.sections.values())

    @classmethod
    def load(cls, source: str | os.PathLike[str], names: _Names = WRITER) -> PromptTemplate:
        """Return a shipped template by its name, or one from a file.

        Parameters
        ----------
        source : str or path
            ``"chat"``, ``"completion"`` or ``"judge"``, or a file.
        names : _Names
            Placeholders that it needs and may have.

        Raises
        ------
        DataError
            If there is no such file.
        ParseError
            If a section or placeholder is missing or unknown; names the line.
        """
        if isinstance(source, str) and source in SHIPPED:
            return cls.parse(source, shipped_text(f"{source}.txt"), names)
        path = Path(source).expanduser()
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            msg = (
                f"the prompt template {path} cannot be read: {reason}. Name a file, or one of the "
                f"shipped templates: {', '.join(SHIPPED)}."
            )
            raise DataError(msg) from error
        return cls.parse(str(path), text, names)

    @classmethod
    def parse(cls, name: str, text: str, names: _Names = WRITER) -> PromptTemplate:
        """Return the template that a text is.

        Raises
        ------
        ParseError
            If a section or placeholder is missing or unknown; names the line.
        """
        sections = _sections(name, text)
        if frozenset(sections) not in _SECTIONS:
            found = ", ".join(f"[{one}]" for one in sections) or "none"
            msg = (
                f"{name} has the sections {found}. A template has [system] and [user], [user] "
                "alone, or [prompt] for a model that completes: each on a line of its own."
            )
            raise ParseError(msg)
        used = set()
        for start, body in sections.values():
            for found_at in string.Template.pattern.finditer(body):
                line = start + body.count("\n", 0, found_at.start())
                used |= _placeholder(found_at.groupdict(), f"{name}:{line}", names)
        missing = sorted(names.needed - used)
        if missing:
            msg = (
                f"{name} lacks the placeholder ${missing[0]}. It has to say where it goes; a "
                "shipped template shows how: embedsmith synth --show-prompt."
            )
            raise ParseError(msg)
        bodies = {section: body.strip("\n") for section, (_, body) in sections.items()}
        return cls(name, bodies, content_hash(text))

    def filled(self, section: str, values: Mapping[str, str]) -> str:
        """Return a section with its values; what stands in a value is not looked at again."""
        return string.Template(self.sections[section]).substitute(values)


def _sections(name: str, text: str) -> dict[str, tuple[int, str]]:
    """Return first line and text of each section."""
    found: dict[str, tuple[int, list[str]]] = {}
    current: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        title = line.strip()
        if title.startswith("[") and title.endswith("]") and title[1:-1] in _EVERY:
            if title[1:-1] in found:
                msg = f"{name}:{number}: the section {title} stands twice. Join the two."
                raise ParseError(msg)
            current = []
            found[title[1:-1]] = (number + 1, current)
        elif current is not None:
            current.append(line)
    return {section: (start, "\n".join(lines)) for section, (start, lines) in found.items()}


def _placeholder(groups: Mapping[str, str | None], where: str, names: _Names) -> set[str]:
    if groups["invalid"] is not None:
        msg = f"{where}: a dollar sign that begins no placeholder. Write $$ for a dollar sign."
        raise ParseError(msg)
    found = groups["named"] or groups["braced"]
    if found is None:
        return set()
    if found not in names.known:
        near = difflib.get_close_matches(found, names.known, n=1)
        hint = f"Did you mean ${near[0]}?" if near else f"There are {_listed(names.known)}."
        msg = f"{where}: the placeholder ${found} is unknown. {hint}"
        raise ParseError(msg)
    return {found}


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"${name}" for name in sorted(names))
