"""Personal data in texts: what is found, and what only looks like it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

import embedsmith as es
from embedsmith.hygiene._personal import personal_data, without_personal_data

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("mail jane.doe+x@bank.example now", [("e-mail", "jane.doe+x@bank.example")]),
        ("an jürgen.groß@bücher.example.", [("e-mail", "jürgen.groß@bücher.example")]),
        ("GB29 NWBK 6016 1331 9268 19", [("IBAN", "GB29 NWBK 6016 1331 9268 19")]),
        ("to DE89370400440532013000 AND NO", [("IBAN", "DE89370400440532013000")]),
        ("de89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000,", [("IBAN", None)]),
        ("NO93 8601 1117 947 1234", [("IBAN", "NO93 8601 1117 947")]),
        ("MT84 MALT 0110 0001 2345 MTLC AST0 01S", [("IBAN", None)]),
        ("5555-5555-5555-4444", [("card number", "5555-5555-5555-4444")]),
        ("card 4111111111111111.", [("card number", "4111111111111111")]),
        ("4111 1111 1111 1111 12/27", [("card number", "4111 1111 1111 1111")]),
        ("4111 1111 1111 1111 123", [("card number", "4111 1111 1111 1111")]),
        ("4111\u202f1111\u202f1111\u202f1111", [("card number", None)]),
        ("Amex 3782 822463 10005", [("card number", "3782 822463 10005")]),
        ("2223 0031 2200 3222", [("card number", "2223 0031 2200 3222")]),
        ("call +49 (30) 1234 5678", [("phone number", "+49 (30) 1234 5678")]),
        ("+44 (0)20 7946 0018", [("phone number", "+44 (0)20 7946 0018")]),
        ("Tel.: 030/1234567", [("phone number", "030/1234567")]),
        ("Telefon 089 123 45 67 und Fax 089 123 45 68", [("phone number", None)] * 2),
        ("telephone number (651) 733-1110", [("phone number", "(651) 733-1110")]),
        ("dial 1-800-555-0199", [("phone number", None)]),
    ],
)
def test_personal_data_is_found(text: str, found: list[tuple[str, str | None]]) -> None:
    seen = list(personal_data(text))
    assert [kind for kind, _ in seen] == [kind for kind, _ in found]
    for (_, value), (_, expected) in zip(seen, found, strict=True):
        assert value in text
        assert expected in (None, value)


@pytest.mark.parametrize(
    "text",
    [
        "GB28 NWBK 6016 1331 9268 19",  # the checksum is wrong
        "DE89 3704 0044 0532 0130 00X",  # goes on
        "DE89 3704 0044 0532 0130",  # too short for Germany, though some prefix may pass
        "ZZ89 3704 0044 0532 0130 00",  # no such country
        "5555-5555-5555-4445 and 4444444444444444",
        "1111 1111 1111 1117",  # no issuer
        "a4111111111111111",
        "4111111111111111.5",
        "$4111111111111111",
        # Columns of tables, of which many pass Luhn's check.
        "321 153 14 67 131 2",
        "59 722 623 162 15 76 2",
        "4111 1111 1111 1111 1111 1111",
        "2016 2017 2018 2019 2020",
        "42 2018 37 2019 26 2020",
        # An EAN of a German product, whose checksum is another.
        "4006381333931",
        "growth of +12 percent, 1 + 1",
        "+12 345 678 EUR, and +1 234 567 %, +1 234 567,50",
        "Tel 2019 2020 2021",
        "Mobile 345 678 912",
        "the hotel 12345678",
        "invoice 212-555-01999 of 2021-10-12, file 333-213316, tax id 41-0417775",
        "icon@2x.png, a @ b, @handle, package@1.2.3",
    ],
)
def test_what_only_looks_like_it_is_not(text: str) -> None:
    assert list(personal_data(text)) == []


def test_values_that_overlap_are_named_once_and_all_masked() -> None:
    text = "DE89 3704 0044 0532 0130 00, a@b.example, +1 650 253 0000, (650) 253-0000"
    kinds = Counter(kind for kind, _ in personal_data(text))
    assert kinds == {"IBAN": 1, "e-mail": 1, "phone number": 2}
    assert list(personal_data(without_personal_data(text))) == []


@pytest.mark.parametrize(
    "part", ["a@", "4111 ", "DE89 ", "%", "+1", "(2", "tel ", "+49 30 123456 "]
)
def test_a_hostile_text_costs_no_more_than_its_length(part: str) -> None:
    # Work that grew with the square would take minutes.
    list(personal_data(part * (200_000 // len(part))))


def test_figures_of_real_filings_are_no_cards(shared_data: Path) -> None:
    corpus = es.load_dataset(shared_data / "financebench").corpus
    found = [one for text in corpus.texts[::3] for one in personal_data(text)]
    counts = Counter(kind for kind, _ in found)
    # Its tables hold rows of figures with Luhn's checksum; e-mail addresses and
    # telephone numbers of companies stand on the covers and in the notices.
    assert counts["card number"] == counts["IBAN"] == 0
    assert counts["e-mail"] == 16
    assert 30 < counts["phone number"] < 50
