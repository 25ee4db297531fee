"""Patterns of personal data, with the checks that tell them from other numbers."""

from __future__ import annotations

import re
from bisect import bisect, insort
from typing import TYPE_CHECKING

from embedsmith.hygiene._iban import ibans

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["masked", "personal_data", "without_personal_data"]

# Bounded repeats only, and starts that cannot lie within each other: a hostile text costs no more
# than its length.
_EMAIL = re.compile(
    r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}\b"
)
# What stands before the last dot of "image@2x.png" is no domain.
_NO_DOMAIN = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|css|js|pdf)$", re.IGNORECASE)
# Blanks of all widths and hyphens, as typesetters put them between groups of digits.
_GAP = "[ \u00a0\u2007\u2009\u202f\u2010\u2011-]"
# Groups as they are printed on a card, with one separator throughout; or no group at all. Columns
# of a table have other groups, or go on after the fourth.
_CARD = re.compile(
    r"(?<![A-Za-z0-9_.,$€£])(?<![0-9][ -])(?:"
    rf"[0-9]{{4}}(?P<a>{_GAP})[0-9]{{4}}(?P=a)[0-9]{{4}}(?P=a)[0-9]{{4}}"
    r"(?:(?P=a)[0-9]{3}(?![0-9]))?(?!(?P=a)[0-9]{4})"
    rf"|3[0-9]{{3}}(?P<b>{_GAP})[0-9]{{6}}(?P=b)[0-9]{{4,5}}"
    r"|[0-9]{14,19}"
    r")(?![A-Za-z0-9_])(?![.,][0-9])"
)
_CARD_RANGES = (
    # First digits from and to, and how many digits the card has.
    ("4", "4", (16, 19)),
    ("51", "55", (16,)),
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),
    ("37", "37", (15,)),
    ("300", "305", (14,)),
    ("36", "36", (14,)),
    ("38", "39", (14,)),
    ("3528", "3589", (16, 19)),
    ("6011", "6011", (16, 19)),
    ("644", "659", (16, 19)),
    ("62", "62", (16, 17, 18, 19)),
    ("5018", "5018", (16, 19)),
    ("5020", "5020", (16, 19)),
    ("5038", "5038", (16, 19)),
    ("6304", "6304", (16, 19)),
    ("6759", "6763", (16, 19)),
)
_GROUPS = rf"(?:[./]|{_GAP})?"
# With its country's number in front; a figure with a sign has a unit behind.
_INTERNATIONAL = re.compile(
    rf"(?<![\w+])\+[1-9][0-9]{{0,2}}(?:{_GROUPS}\(?[0-9]{{1,4}}\)?){{2,6}}(?![0-9])"
    r"(?![.,][0-9])(?!\s{0,2}(?:[%€$£¥‰]|(?:EUR|USD|GBP|CHF|JPY|percent|bps|million|billion)\b))"
)
# A national number says what it is, or is grouped as in North America.
_LABELLED = re.compile(
    r"\b(?:(?:tele?(?:ph|f)one?|tel\b|(?:tele)?fax|facsimile)"
    r"(?:\s{1,2}(?:no|number|nr|nummer))?[.:]{0,2}"
    r"|(?:phone|mobile?|cell|handy|hotline)(?:\s{1,2}(?:no|number|nr|nummer))?\.?:)"
    rf"\s{{0,2}}(?P<number>\(?[0-9]{{2,5}}\)?(?:{_GROUPS}\(?[0-9]{{2,7}}\)?){{1,5}})(?![0-9]|[.,][0-9])",
    re.IGNORECASE,
)
_NORTH_AMERICAN = re.compile(
    r"(?<![\w(.-])(?:\([2-9][0-9]{2}\)[ \u00a0-]?|(?:1-)?[2-9][0-9]{2}-)"
    r"[2-9][0-9]{2}-[0-9]{4}(?![\w-])"
)
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")
_LEAST_DIGITS, _MOST_DIGITS = 8, 15
_LEAST_NATIONAL = 7


def personal_data(text: str) -> Iterator[tuple[str, str]]:
    """Yield kind and value of what looks like personal data in a text.

    Examples
    --------
    >>> list(personal_data("Write to a.b@bank.example or pay to DE89 3704 0044 0532 0130 00."))
    [('e-mail', 'a.b@bank.example'), ('IBAN', 'DE89 3704 0044 0532 0130 00')]
    >>> list(personal_data("Card 4111 1111 1111 1111, not 4111 1111 1111 1112"))
    [('card number', '4111 1111 1111 1111')]
    """
    if "@" in text:
        for found in _EMAIL.finditer(text):
            if not _NO_DOMAIN.search(found.group()):
                yield "e-mail", found.group()
    # Most texts have fewer digits than the shortest number: nothing else is looked for in them.
    if sum(map(text.count, "0123456789")) < _LEAST_NATIONAL:
        return
    taken: list[tuple[int, int]] = []
    for start, end in ibans(text):
        insort(taken, (start, end))
        yield "IBAN", text[start:end]
    for found in _CARD.finditer(text):
        start, length = found.start(), _card_length(found.group())
        if length and _is_free(taken, start, start + length):
            insort(taken, (start, start + length))
            yield "card number", text[start : start + length]
    for start, end in _phone_numbers(text):
        if _is_free(taken, start, end):
            insort(taken, (start, end))
            yield "phone number", text[start:end]


def _is_free(taken: list[tuple[int, int]], start: int, end: int) -> bool:
    """Tell whether a span touches none of ``taken``, which are in order and apart."""
    place = bisect(taken, (start, end))
    after = place == len(taken) or end <= taken[place][0]
    return after and (place == 0 or taken[place - 1][1] <= start)


def _phone_numbers(text: str) -> Iterator[tuple[int, int]]:
    if "+" in text:
        for found in _INTERNATIONAL.finditer(text):
            if _LEAST_DIGITS <= sum(map(str.isdigit, found.group())) <= _MOST_DIGITS:
                yield found.span()
    for found in _NORTH_AMERICAN.finditer(text):
        yield found.span()
    for found in _LABELLED.finditer(text):
        number = found["number"]
        groups = re.findall("[0-9]+", number)
        years = all(map(_YEAR.fullmatch, groups))
        if not years and _LEAST_NATIONAL <= sum(map(len, groups)) <= _MOST_DIGITS:
            yield found.span("number")


def _card_length(value: str) -> int:
    """Return how much of ``value`` is a card number: all, all but the code behind it, or none."""
    for end in (len(value), len(value) - 4):
        digits = re.sub("[^0-9]", "", value[:end])
        grouped = end == len(value) or not value[end].isdigit()
        if grouped and _is_issued(digits) and _is_luhn(digits):
            return end
    return 0


def _is_issued(digits: str) -> bool:
    return any(
        len(digits) in lengths and first <= digits[: len(first)] <= last
        for first, last, lengths in _CARD_RANGES
    )


def _is_luhn(digits: str) -> bool:
    if len(set(digits)) == 1:
        return False
    doubled = (int(one) * 2 for one in digits[-2::-2])
    plain = sum(int(one) for one in digits[-1::-2])
    return (plain + sum(two - 9 if two > 9 else two for two in doubled)) % 10 == 0  # noqa: PLR2004


def masked(value: str) -> str:
    """Return a value of which only its ends can be read.

    Examples
    --------
    >>> masked("4111 1111 1111 1111")
    '41***************11'
    """
    return value[:2] + "*" * max(len(value) - 4, 1) + value[-2:]


def without_personal_data(text: str) -> str:
    """Return a text in which :func:`personal_data` is masked: a report must leak nothing.

    Examples
    --------
    >>> without_personal_data("ask a.b@bank.example")
    'ask a.************le'
    """
    for _, value in personal_data(text):
        text = text.replace(value, masked(value))
    return text
