"""The texts on which an export is compared with its original: of all lengths, or the user's own."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from embedsmith.exceptions import DataError, ParseError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_texts", "sample_texts"]

_WORDS = (1, 2, 3, 5, 8, 13, 21, 34)
_JOINED = (2, 4, 8, 16)
_MOST = 100_000_000


def sample_texts() -> list[str]:
    """Return the texts that come with embedsmith, from one word to about a thousand.

    Sentences and passages written for this purpose in many languages and scripts; starts of them,
    and passages put together, fill the lengths between and beyond.
    """
    file = resources.files("embedsmith.backends.export").joinpath("calibration.txt")
    lines = file.read_text(encoding="utf-8").splitlines()
    starts = [
        " ".join(line.split()[:count]) for line, count in zip(lines, 4 * _WORDS, strict=False)
    ]
    passages = lines[:14]
    joined = [
        " ".join((passages * 2)[start : start + count])
        for count in _JOINED
        for start in range(0, len(passages), 5)
    ]
    return list(dict.fromkeys([*lines, *starts, *joined]))


def read_texts(file: Path) -> list[str]:
    """Return the distinct texts of a file: one a line, or JSON lines with a field ``text``.

    Raises
    ------
    ParseError
        If a line is not what its file's name promises; names the line.
    DataError
        If the file holds no text.
    """
    try:
        if file.stat().st_size > _MOST:
            msg = f"{file} has over {_MOST:,} bytes. A sample of some hundred texts is enough."
            raise DataError(msg)
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{file} cannot be read: {error}. Name a text file in UTF-8, one text a line."
        raise ParseError(msg) from error
    as_json = file.suffix == ".jsonl"
    texts = [
        _of_json(line, file, number) if as_json else line
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    distinct = list(dict.fromkeys(texts))
    if not distinct:
        msg = f"{file} holds no text. Write one text a line."
        raise DataError(msg)
    return distinct


def _of_json(line: str, file: Path, number: int) -> str:
    try:
        row: Any = json.loads(line)
    except json.JSONDecodeError as error:
        msg = f"{file}:{number}:{error.colno}: not valid JSON ({error.msg}). Mend the line."
        raise ParseError(msg) from error
    text = row.get("text") if isinstance(row, dict) else row
    if not isinstance(text, str):
        msg = f"{file}:{number}:1: no text; write a string, or an object with a field 'text'."
        raise ParseError(msg)
    return text
