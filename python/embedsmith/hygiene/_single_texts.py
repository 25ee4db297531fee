"""What can be wrong with a text alone, or with many of one kind."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

from embedsmith._phrases import counted
from embedsmith.hygiene._finding import Finding
from embedsmith.hygiene._personal import masked, personal_data, without_personal_data
from embedsmith.hygiene._same_text import same_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["example_of", "text_findings"]

_EXAMPLE = 120
# Personal data is looked for in a little more than is shown: a number may stand on the cut.
_MARGIN = 200
_SEGMENT = re.compile(r"[^\n.!?]{20,}")
_BOILERPLATE_SHARE = 0.8
_BOILERPLATE_TEXTS = 5
# A script that a quarter of the texts are written in is one of the data's own.
_RARE_SCRIPT = 0.25
# Writing systems that one text mixes, and letters that are named otherwise.
_SAME_SCRIPT = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "FULLWIDTH": "LATIN"}
_LATIN = re.compile("[A-Za-z]")
_REPLACED = "\ufffd"


def example_of(text: str) -> str:
    """Return the start of a text, with personal data masked."""
    start = without_personal_data(text[: _EXAMPLE + _MARGIN])
    return start if len(start) <= _EXAMPLE and len(text) <= len(start) else f"{start[:_EXAMPLE]}…"


def text_findings(role: str, ids: Sequence[str], texts: Sequence[str]) -> Iterator[Finding]:
    """Yield what is wrong with texts: empty, broken, another script, personal data.

    Parameters
    ----------
    role : {"query", "passage"}
        What the texts are.
    ids, texts : sequence of str
        As many ids as texts.

    Yields
    ------
    Finding
        Kind by kind within a text.
    """
    scripts = [_script(text) for text in texts]
    counts = Counter(script for script in scripts if script)
    usual = min(counts, key=lambda name: (-counts[name], name)) if counts else ""
    rare = {name for name in counts if counts[name] < _RARE_SCRIPT * counts.total()}
    repeated = _repeated_segments(texts)
    for identifier, text, script in zip(ids, texts, scripts, strict=True):
        one = (identifier,)
        if not text.strip():
            yield Finding(f"empty {role}", one, "no character but blanks", "", "drop")
            continue
        broken = _broken(text)
        if broken:
            yield Finding(f"broken {role}", one, broken, example_of(text), "drop")
        if script in rare:
            detail = f"mostly {script} letters; most texts are {usual}"
            yield Finding(
                f"other script, {role}", one, detail, example_of(text), "drop or translate"
            )
        share = _boilerplate_share(text, repeated)
        if share >= _BOILERPLATE_SHARE:
            detail = f"{share:.0%} of it are sentences that stand in many texts"
            yield Finding(f"boilerplate {role}", one, detail, example_of(text), "drop")
        for kind, value in personal_data(text):
            yield Finding(f"personal data, {role}", one, kind, masked(value), "mask or drop")


def _broken(text: str) -> str:
    """Return what no encoder can read right: half characters, and those that were lost."""
    if text.isascii():
        return ""
    lost = text.count(_REPLACED)
    if lost:
        return f"{counted(lost, 'character')} lost when it was decoded (U+FFFD)"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return f"lone surrogate at character {error.start}, which UTF-8 cannot hold"
    return ""


@lru_cache(maxsize=65536)
def _script_of(character: str) -> str:
    name = unicodedata.name(character, " ").split(" ")[0].split("-")[0]
    return _SAME_SCRIPT.get(name, name)


def _script(text: str) -> str:
    if text.isascii():
        return "LATIN" if _LATIN.search(text) else ""
    found: Counter[str] = Counter()
    for character, count in Counter(text).items():
        if character.isalpha():
            found[_script_of(character)] += count
    # Equal counts: the name that sorts first, so that order in the text decides nothing.
    return min(found, key=lambda name: (-found[name], name)) if found else ""


def _segments(text: str) -> list[str]:
    return [" ".join(found.group().lower().split()) for found in _SEGMENT.finditer(text)]


def _repeated_segments(texts: Sequence[str]) -> frozenset[int]:
    # Hashes, not strings: a corpus of a million passages has as many sentences as it has lines.
    counts: Counter[int] = Counter()
    # Copies of one text are duplicates, whatever their case; boilerplate stands in different ones.
    for text in {same_text(text): text for text in texts}.values():
        counts.update({hash(segment) for segment in _segments(text)})
    return frozenset(key for key, count in counts.items() if count >= _BOILERPLATE_TEXTS)


def _boilerplate_share(text: str, repeated: frozenset[int]) -> float:
    segments = _segments(text)
    common = sum(len(segment) for segment in segments if hash(segment) in repeated)
    return common / max(sum(map(len, segments)), 1)
