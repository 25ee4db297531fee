"""Text from outside, made safe to look at: nothing in it can hide, reorder or overflow."""

from __future__ import annotations

import unicodedata

__all__ = ["shortened", "shortened_name", "visible"]

# Cc: control characters; Cf: marks that reorder or hide text; Cs: halves of a character;
# Co, Cn: what no font shows; Zl, Zp: line breaks that are none of ours.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Joiners write words of Persian and Hindi, and pictures: alone they reorder nothing.
_KEPT = frozenset("\n\t\u200c\u200d")


def visible(text: str) -> str:
    r"""Return a text in which every character that hides or reorders others is written out.

    Parameters
    ----------
    text : str
        An id, a name or a passage, by anybody.

    Returns
    -------
    str
        Line breaks and tabs stay; a lone surrogate becomes its number, so that the text can be
        encoded.

    Examples
    --------
    >>> visible("pay\u202e1001\u202c, \ud800, a\nb")
    'pay\\u202e1001\\u202c, \\ud800, a\nb'
    """
    if text.isprintable():
        return text
    return "".join(
        _written(one) if unicodedata.category(one) in _HIDDEN and one not in _KEPT else one
        for one in text
    )


def _written(character: str) -> str:
    number = ord(character)
    if number < 0x100:  # noqa: PLR2004 - what two digits can write
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"  # noqa: PLR2004


def shortened(text: str, limit: int) -> str:
    """Return a text of at most about ``limit`` characters that says what it left out.

    Examples
    --------
    >>> shortened("short", 12), shortened("a" * 2000, 12)
    ('short', 'aaaaaaaaaaaa… (2,000 characters)')
    """
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"


def shortened_name(name: str, limit: int) -> str:
    """Return a name cut in its middle: its ends tell versions apart.

    Examples
    --------
    >>> shortened_name("all-MiniLM-L6-v2", 20), shortened_name("a-very-long-model-name-v2", 11)
    ('all-MiniLM-L6-v2', 'a-ver…me-v2')
    """
    if len(name) <= limit:
        return name
    half = (limit - 1) // 2
    return f"{name[: limit - 1 - half]}…{name[-half:]}"
