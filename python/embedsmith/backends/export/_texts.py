"""The user's own texts, on which an export is compared with its original."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from embedsmith.backends._texts import checked_texts
from embedsmith.exceptions import DataError, ParseError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_texts"]

_MOST = 100_000_000


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
        # By line breaks alone: a text may hold what else ends a line to str.splitlines.
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        msg = f"{file} cannot be read: {reason}. Name a text file in UTF-8, one text a line."
        raise ParseError(msg) from error
    as_json = file.suffix == ".jsonl"
    texts = [
        _of_json(line, file, number) if as_json else line.removesuffix("\r")
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
    except (RecursionError, ValueError) as error:
        # Nested, or a number of digits, beyond what Python reads.
        msg = f"{file}:{number}:1: JSON that cannot be read ({error}). Mend or remove the line."
        raise ParseError(msg) from error
    text = row.get("text") if isinstance(row, dict) else row
    if not isinstance(text, str):
        msg = f"{file}:{number}:1: no text; write a string, or an object with a field 'text'."
        raise ParseError(msg)
    try:
        checked_texts([text])
    except DataError as error:
        said = str(error).removeprefix("texts[0] ")
        msg = f"{file}:{number}:1: the text {said}"
        raise ParseError(msg) from error
    return text
