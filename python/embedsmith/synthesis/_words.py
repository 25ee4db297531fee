"""Words of a text, as the filters compare them."""

from __future__ import annotations

import hashlib
import re
import unicodedata

__all__ = ["content_hash", "folded", "letters_only", "words"]

_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
# One character is a word where writing has no blanks.
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+")
# Cyrillic and Greek letters that look like Latin ones: a disguise.
_ALIKE = str.maketrans("аеорсухіѕјԁһԛԝοαεικνρτυχ", "aeopcyxisjdhqwoaeiknptux")


def folded(text: str) -> str:
    """Return a text in NFKC form and lower case, without characters that have no width.

    Examples
    --------
    >>> folded("Ig" + chr(0x200B) + "nore")
    'ignore'
    """
    if text.isascii():
        return text.lower()
    wide = unicodedata.normalize("NFKC", text)
    seen = "".join(one for one in wide if unicodedata.category(one) != "Cf")
    return seen.casefold()


def letters_only(text: str) -> str:
    """Return a folded text whose disguised letters are Latin ones, for patterns of words.

    Examples
    --------
    >>> letters_only(chr(0x0406) + "gn" + chr(0x043E) + "re")
    'ignore'
    """
    return folded(text).translate(_ALIKE)


def words(text: str) -> list[str]:
    """Return the words of a text, folded.

    Examples
    --------
    >>> words("What's the fee for 手数料?")
    ['what', 's', 'the', 'fee', 'for', '手', '数', '料']
    """
    return _WORD.findall(folded(text))


def content_hash(text: str) -> str:
    """Return the SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
