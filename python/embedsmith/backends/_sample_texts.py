"""Texts of all lengths that come with embedsmith: vectors of two ways are compared on them."""

from __future__ import annotations

import hashlib
from importlib import resources

__all__ = ["sample_digest", "sample_texts"]

_WORDS = (1, 2, 3, 5, 8, 13, 21, 34)
_JOINED = (2, 4, 8, 16)


def sample_texts() -> list[str]:
    """Return the texts that come with embedsmith, from one word to about a thousand.

    Sentences and passages written for this purpose in many languages and scripts; starts of them,
    and passages put together, fill the lengths between and beyond.
    """
    file = resources.files("embedsmith.backends").joinpath("sample_texts.txt")
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


def sample_digest() -> str:
    """Return the start of the SHA-256 of those texts: what is fitted to them carries it."""
    return hashlib.sha256("\0".join(sample_texts()).encode()).hexdigest()[:16]
