"""Patterns of personal data, with the checks that tell them from other numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["masked", "personal_data", "without_personal_data"]

# Bounded repeats only: a hostile text costs no more than its length.
_EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b"
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]){11,30}\b")
_CARD = re.compile(r"(?<![\d.,-])[3-6]\d(?:[ -]?\d){11,17}(?![\d-])")
# International numbers only: what a national one looks like depends on the country.
_PHONE = re.compile(r"(?<![\w+])\+[1-9]\d{0,2}(?:[ ./-]?\(?\d{1,4}\)?){2,6}(?!\d)")
_LEAST_DIGITS, _MOST_DIGITS = 8, 15
_SHORTEST_IBAN = 15


def personal_data(text: str) -> Iterator[tuple[str, str]]:
    """Yield kind and value of what looks like personal data in a text.

    Examples
    --------
    >>> list(personal_data("Write to a.b@bank.example or pay to DE89 3704 0044 0532 0130 00."))
    [('e-mail', 'a.b@bank.example'), ('IBAN', 'DE89 3704 0044 0532 0130 00')]
    >>> list(personal_data("Card 4111 1111 1111 1111, not 4111 1111 1111 1112"))
    [('card number', '4111 1111 1111 1111')]
    """
    for found in _EMAIL.finditer(text):
        yield "e-mail", found.group()
    for found in _IBAN.finditer(text):
        # Words in capitals may follow: the longest start whose checksum holds is the number.
        words = found.group().split(" ")
        starts = (" ".join(words[:count]) for count in range(len(words), 0, -1))
        iban = next((start for start in starts if _is_iban(start)), None)
        if iban is not None:
            yield "IBAN", iban
    for found in _CARD.finditer(text):
        if _is_luhn(re.sub(r"\D", "", found.group())):
            yield "card number", found.group()
    for found in _PHONE.finditer(text):
        if _LEAST_DIGITS <= sum(map(str.isdigit, found.group())) <= _MOST_DIGITS:
            yield "phone number", found.group()


def _is_iban(text: str) -> bool:
    code = text.replace(" ", "")
    if len(code) < _SHORTEST_IBAN:
        return False
    # ISO 13616: the first four characters go last, letters are 10 to 35, the rest by 97 is 1.
    return int("".join(str(int(one, 36)) for one in code[4:] + code[:4])) % 97 == 1


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
