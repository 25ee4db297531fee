"""International bank account numbers in a text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ibans"]

# Characters of an account number, by country: ISO 13616, the registry of its agency.
_LENGTHS = {
    country: int(length)
    for length, countries in (
        ("15", "NO"),
        ("16", "BE"),
        ("18", "DK FI FK FO GL NL SD"),
        ("19", "MK SI"),
        ("20", "AT BA EE KZ LT LU MN XK"),
        ("21", "CH HR LI LV"),
        ("22", "BG BH CR DE GB GE IE ME RS VA"),
        ("23", "AE GI IL IQ OM SO TL"),
        ("24", "AD CZ ES MD PK RO SA SE SK TN VG"),
        ("25", "LY PT ST"),
        ("26", "IS TR"),
        ("27", "BI DJ FR GR IT MC MR SM"),
        ("28", "AL AZ BY CY DO GT HN HU LB NI PL SV"),
        ("29", "BR EG PS QA UA"),
        ("30", "JO KW MU YE"),
        ("31", "MT SC"),
        ("32", "LC"),
        ("33", "RU"),
    )
    for country in countries.split()
}
_START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?=[A-Za-z0-9 \u00a0\u202f-])")
_SEPARATORS = " \u00a0\u202f-"
# Every country's numbers have more; words after two letters and two digits have fewer.
_LEAST_DIGITS = 10


def ibans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where account numbers start and end: known country, its length, and the checksum.

    Examples
    --------
    >>> text = "to DE89 3704 0044 0532 0130 00 OR 1"
    >>> [text[start:end] for start, end in ibans(text)]
    ['DE89 3704 0044 0532 0130 00']
    """
    after = 0
    for found in _START.finditer(text):
        start = found.start()
        length = _LENGTHS.get(text[start : start + 2].upper())
        if length is None or start < after:
            continue
        code, end = _run(text, start, length)
        if len(code) == length and not text[end : end + 1].isalnum() and _is_valid(code):
            after = end
            yield start, end


def _run(text: str, start: int, length: int) -> tuple[str, int]:
    """Return so many letters and digits with at most one separator between, and where they end."""
    code: list[str] = []
    at = start
    while len(code) < length and at < len(text):
        one = text[at]
        if one.isascii() and one.isalnum():
            code.append(one)
        elif one not in _SEPARATORS or text[at - 1] in _SEPARATORS:
            break
        at += 1
    return "".join(code), at


def _is_valid(code: str) -> bool:
    letters = [one for one in code if one.isalpha()]
    same_case = all(map(str.isupper, letters)) or all(map(str.islower, letters))
    if not same_case or len(code) - len(letters) < _LEAST_DIGITS:
        return False
    # The first four characters go last, letters are 10 to 35, the rest by 97 is 1.
    return int("".join(str(int(one, 36)) for one in code[4:] + code[:4])) % 97 == 1
