"""Real queries as examples of how people ask."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedsmith.exceptions import DataError, ParseError
from embedsmith.hygiene._personal import personal_data
from embedsmith.synthesis._kinds import KINDS
from embedsmith.synthesis._template import shipped_text

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

__all__ = ["Example", "Style"]

_QUERY = ("query", "text", "question", "anchor")
_PASSAGE = ("positive", "passage", "pos")
_SHOWN_PASSAGE = 600


@dataclass(frozen=True)
class Example:
    """A query, perhaps with what it found.

    Attributes
    ----------
    query : str
        As somebody asked it.
    passage : str or None
        What answers it.
    kind : str
        Of the query; told by a question mark where the source does not say.
    """

    query: str
    passage: str | None
    kind: str


@dataclass(frozen=True)
class Style:
    """Examples, of which each prompt gets a few.

    Attributes
    ----------
    examples : tuple of Example
        Without those that hold personal data: they would be sent.
    n_personal : int
        How many those were.
    own : bool
        Whether they are the user's; what is written is then compared with them.
    """

    examples: tuple[Example, ...]
    n_personal: int = 0
    own: bool = True

    @classmethod
    def of(cls, source: str | os.PathLike[str] | Sequence[str] | None) -> Style:
        """Return the examples of a file or a list.

        Parameters
        ----------
        source : path, sequence of str, or None
            JSON lines with ``query`` or ``text`` and perhaps ``positive``, any other file with one
            query per line, or queries. None: no examples, but those that come with the package
            where a prompt cannot do without.

        Raises
        ------
        DataError
            If there is no query, or the file cannot be read; names the line.
        """
        if source is None:
            return cls((), own=False)
        if isinstance(source, (str, Path)) or hasattr(source, "__fspath__"):
            found = _read(Path(source).expanduser())
        else:
            found = [
                _example({"query": text}, f"style_queries[{n}]") for n, text in enumerate(source)
            ]
        clean = tuple(one for one in found if not any(personal_data(one.query)))
        if not clean:
            msg = (
                f"there is no query to learn the style from ({len(found)} with personal data). "
                "Name a file with some."
            )
            raise DataError(msg)
        return cls(clean, len(found) - len(clean))

    @classmethod
    def shipped(cls) -> Style:
        """Return the examples that come with the package."""
        lines = shipped_text("examples.jsonl").splitlines()
        return cls(tuple(_example(json.loads(line), "examples.jsonl") for line in lines), own=False)

    def draw(self, count: int, seed: str, *, kind: str | None = None) -> list[Example]:
        """Return some examples, the same ones for the same seed.

        Parameters
        ----------
        count : int
            How many, or all if there are fewer.
        seed : str
            Of the draw.
        kind : str, optional
            Examples of this kind go before others.
        """
        rng = random.Random(seed)  # noqa: S311 - no secret hangs on it
        chosen = rng.sample(self.examples, min(count, len(self.examples)))
        if kind is not None:
            same = [one for one in self.examples if one.kind == kind]
            chosen = rng.sample(same, min(count, len(same)))
            rest = [one for one in self.examples if one.kind != kind]
            chosen += rng.sample(rest, min(count - len(chosen), len(rest)))
        return chosen


def _read(path: Path) -> list[Example]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        msg = f"the queries in {path} cannot be read: {reason}. Name a file of UTF-8 text."
        raise DataError(msg) from error
    lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    if path.suffix.lower() not in (".jsonl", ".json"):
        return [_example({"query": line}, f"{path}:{n}") for n, line in lines]
    found = []
    for number, line in lines:
        try:
            value = json.loads(line)
        except ValueError as error:
            msg = f"{path}:{number}: this is not JSON ({error}). Write one object per line."
            raise ParseError(msg) from error
        found.append(_example(value, f"{path}:{number}"))
    return found


def _example(value: Any, where: str) -> Example:
    row = value if isinstance(value, dict) else {}
    query = next((row[name] for name in _QUERY if isinstance(row.get(name), str)), None)
    if query is None or not query.strip():
        msg = f"{where}: there is no query; a string under 'query' or 'text' is expected."
        raise DataError(msg)
    passage = next((row[name] for name in _PASSAGE if row.get(name)), None)
    if isinstance(passage, list):
        passage = passage[0]
    kind = row.get("kind")
    return Example(
        " ".join(query.split()),
        " ".join(passage.split())[:_SHOWN_PASSAGE] if isinstance(passage, str) else None,
        kind if kind in KINDS else ("question" if query.strip().endswith("?") else "keyword"),
    )
