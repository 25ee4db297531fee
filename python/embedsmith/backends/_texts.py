"""Checks on texts, and the key a text has in the cache."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_prompts", "checked_texts", "excerpt", "text_key"]

_EXCERPT = 60


def excerpt(text: str) -> str:
    """Return the start of a text, quoted, for an error message."""
    cut = text if len(text) <= _EXCERPT else text[:_EXCERPT] + "..."
    return ascii(cut)


def checked_texts(texts: Sequence[str]) -> list[str]:
    """Return the texts as a list, each of them a string that UTF-8 can hold.

    Raises
    ------
    DataError
        Naming the position of the first item that is not.
    """
    if isinstance(texts, (str, bytes)):
        msg = f"texts is one {type(texts).__name__}; a list of strings was expected. Pass [text]."
        raise DataError(msg)
    # What comes in is not always what the type says: a data frame puts NaN for a missing text.
    items: list[Any] = list(texts)
    for position, text in enumerate(items):
        if not isinstance(text, str):
            msg = (
                f"texts[{position}] is {type(text).__name__} ({text!r:.40}), not str. "
                "Drop it, or write '' for a missing text."
            )
            raise DataError(msg)
        _check_encodable(f"texts[{position}]", text)
    return items


def check_prompts(**prompts: str | None) -> None:
    """Refuse prompts that UTF-8 cannot hold: they stand before every text.

    Raises
    ------
    DataError
        Naming the argument.
    """
    for name, prompt in prompts.items():
        if prompt is not None:
            _check_encodable(name, prompt)


def _check_encodable(what: str, text: str) -> None:
    try:
        # isascii() is a flag look-up: most texts are not encoded just to be checked.
        if not text.isascii():
            text.encode("utf-8")
    except UnicodeEncodeError as error:
        msg = (
            f"{what} holds a lone surrogate U+{ord(text[error.start]):04X} at "
            f"character {error.start} ({excerpt(text)}), which UTF-8 cannot hold. Read the "
            "file with the right encoding, or replace it: "
            "text.encode('utf-8', 'replace').decode('utf-8')."
        )
        raise DataError(msg) from error


def text_key(role: str, prompt: str, text: str) -> bytes:
    """Return the 32-byte cache key of a text: SHA-256 over role, prompt and text.

    The lengths go in as well, so that no two triples give the same bytes. The role is part of the
    key because models may route queries and documents through different layers.
    """
    role_bytes, prompt_bytes = role.encode("utf-8"), prompt.encode("utf-8")
    head = f"{len(role_bytes)}:{len(prompt_bytes)}:".encode("ascii")
    return hashlib.sha256(head + role_bytes + prompt_bytes + text.encode("utf-8")).digest()
