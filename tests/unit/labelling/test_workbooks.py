"""Workbooks: as people keep them, and as somebody builds them to do harm."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

import embedsmith as es
from embedsmith.exceptions import DataError, ParseError

openpyxl: Any = pytest.importorskip("openpyxl", reason="the extra label is not installed")

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEADER = ["query_id", "query", "doc_id", "passage", "grade Anna", "grade Ben"]
ROWS = [[1, "fee?", "a-1", "Free.", 2, 1], [1, "fee?", "a-2", "Five.", 0, None]]


def book(
    path: Path, sheets: dict[str, list[list[Any]]], change: Callable[..., Any] | None = None
) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, rows in sheets.items():
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(row)
    if change is not None:
        change(made)
    made.save(path)
    return path


def rezipped(path: Path, part: str, change: Callable[[bytes], bytes]) -> Path:
    """Write the workbook again with one part changed."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts[part])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def graded(labels: es.Labels) -> list[tuple[str, str, str, int]]:
    return [(j.query_id, j.document_id, j.annotator, j.grade) for j in labels.judgements]


EXPECTED = [
    ("1", "a-1", "grade Anna", 2),
    ("1", "a-1", "grade Ben", 1),
    ("1", "a-2", "grade Anna", 0),
]


def test_a_sheet_is_read_with_ids_that_are_numbers(tmp_path: Path) -> None:
    file = book(tmp_path / "a.xlsx", {"Labels": [HEADER, *ROWS], "Empty": []})
    labels = es.read_labels(file)
    assert graded(labels) == EXPECTED
    assert labels.judgements[1].where == f"{file}, sheet 'Labels', cell F2"
    assert labels.sources[0].how["sheet"] == "Labels"


def test_of_several_sheets_one_is_named(tmp_path: Path) -> None:
    file = book(tmp_path / "a.xlsx", {"Anna": [HEADER, *ROWS], "Ben": [HEADER, *ROWS]})
    with pytest.raises(DataError, match=r"several sheets: 'Anna', 'Ben'.*--sheet 'Anna'"):
        es.read_labels(file)
    with pytest.raises(DataError, match="Did you mean 'Anna'"):
        es.read_labels(file, sheet="Ana")
    assert graded(es.read_labels(file, sheet="Ben")) == EXPECTED


def test_a_hidden_sheet_is_not_read_and_said(tmp_path: Path) -> None:
    def hide(made: Any) -> None:
        made["Old"].sheet_state = "hidden"

    file = book(tmp_path / "a.xlsx", {"New": [HEADER, *ROWS], "Old": [HEADER, *ROWS]}, hide)
    labels = es.read_labels(file)
    assert labels.sources[0].how["sheet"] == "New"
    assert any("hidden sheets are not read: 'Old'" in note for note in labels.notes)


def test_merged_cells_have_the_value_of_their_first(tmp_path: Path) -> None:
    def merge(made: Any) -> None:
        made["Labels"].merge_cells("A2:A3")
        made["Labels"].merge_cells("B2:B3")

    labels = es.read_labels(book(tmp_path / "a.xlsx", {"Labels": [HEADER, *ROWS]}, merge))
    assert graded(labels) == EXPECTED
    assert any("2 cells filled from the merged cells" in note for note in labels.notes)


def test_a_formula_counts_by_its_stored_value_or_is_refused(tmp_path: Path) -> None:
    rows: list[list[Any]] = [HEADER, [1, "fee?", "a-1", "Free.", "=1+1", 1]]
    file = book(tmp_path / "a.xlsx", {"Labels": rows})
    with pytest.raises(DataError, match=r"cell E2.*formula without a stored value.*save it"):
        es.read_labels(file)
    part = "xl/worksheets/sheet1.xml"
    # As a spreadsheet stores it: the formula, and what it came to.
    rezipped(
        file,
        part,
        lambda data: (
            data.replace(b"<v></v>", b"<v>2</v>")
            .replace(b"<v/>", b"<v>2</v>")
            .replace(b"<v />", b"<v>2</v>")
        ),
    )
    assert [j.grade for j in es.read_labels(file).judgements] == [2, 1]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (dt.datetime(2026, 2, 1), "date or time"),  # noqa: DTZ001 - workbooks know no zones
        ("#N/A", "shows the error"),
        (1.5, "whole number"),
        ("maybe", "--grade 'maybe=1'"),
    ],
)
def test_a_cell_that_is_no_grade_is_refused_by_its_name(
    tmp_path: Path, value: Any, why: str
) -> None:
    file = book(tmp_path / "a.xlsx", {"Labels": [HEADER, [1, "q", "a", "d", value, 1]]})
    with pytest.raises(DataError, match=f"cell E2.*{why}"):
        es.read_labels(file)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (dt.datetime(2026, 2, 1), "format the column as text"),  # noqa: DTZ001 - likewise
        (12345678901234567890, "15 digits"),
        (0.5, "format the column as text"),
    ],
)
def test_an_id_that_a_spreadsheet_changed_is_refused(tmp_path: Path, value: Any, why: str) -> None:
    file = book(tmp_path / "a.xlsx", {"Labels": [HEADER, [1, "q", value, "d", 1, 1]]})
    with pytest.raises(DataError, match=f"(?i)cell C2.*{why}"):
        es.read_labels(file)


def test_strings_that_cells_share_are_read(tmp_path: Path) -> None:
    # As a spreadsheet writes it; openpyxl keeps strings in their cells.
    file = book(tmp_path / "a.xlsx", {"Labels": [["query", "text", "grade"], ["q", "d", 1]]})
    main = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    words = (b"query", b"text", b"grade", b"q", b"d")
    table = b"<sst " + main + b">"
    table += b"".join(b"<si><t>" + word + b"</t></si>" for word in words) + b"</sst>"
    cells = [
        b"".join(
            b'<c r="%s%d" t="s"><v>%d</v></c>' % (letter, row, at)
            for letter, at in zip((b"A", b"B", b"C"), range(*span), strict=False)
        )
        for row, span in ((1, (0, 3)), (2, (3, 5)))
    ]
    sheet = b'<worksheet %s><sheetData><row r="1">%s</row><row r="2">%s' % (main, *cells)
    sheet += b'<c r="C2"><v>1</v></c></row></sheetData></worksheet>'
    rezipped(file, "xl/worksheets/sheet1.xml", lambda _: sheet)
    kind = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    link = b'<Relationship Id="rId99" Type="%s" Target="sharedStrings.xml"/></Relationships>' % kind
    rezipped(
        file,
        "xl/_rels/workbook.xml.rels",
        lambda data: data.replace(b"</Relationships>", link),
    )
    mime = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = b'<Override PartName="/xl/sharedStrings.xml" ContentType="%s"/></Types>' % mime
    rezipped(file, "[Content_Types].xml", lambda data: data.replace(b"</Types>", override))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("xl/sharedStrings.xml", table)
    labels = es.read_labels(file)
    (one,) = labels.judgements
    assert (labels.query_texts[one.query_id], one.grade) == ("q", 1)


def test_truth_values_are_grades(tmp_path: Path) -> None:
    file = book(tmp_path / "a.xlsx", {"Labels": [HEADER, [1, "q", "a", "d", True, False]]})
    assert [j.grade for j in es.read_labels(file).judgements] == [1, 0]


def test_a_cell_far_away_and_empty_styles_cost_nothing(tmp_path: Path) -> None:
    def style(made: Any) -> None:
        sheet = made["Labels"]
        sheet["XFD1048576"].font = openpyxl.styles.Font(bold=True)

    file = book(tmp_path / "a.xlsx", {"Labels": [HEADER, *ROWS]}, style)
    start = time.perf_counter()
    assert graded(es.read_labels(file)) == EXPECTED
    assert time.perf_counter() - start < 5


def test_a_value_far_away_is_refused(tmp_path: Path) -> None:
    def far(made: Any) -> None:
        made["Labels"]["XFD1048576"] = "x"

    file = book(tmp_path / "a.xlsx", {"Labels": [HEADER, *ROWS]}, far)
    with pytest.raises(ParseError, match="reaches to row 1,048,576 and column 16,384"):
        es.read_labels(file)


def test_a_range_merged_over_everything_is_cut_or_refused(tmp_path: Path) -> None:
    def merge(made: Any) -> None:
        for row in range(2, 2002):
            made["Labels"].cell(row, 7, "x")
            made["Labels"].merged_cells.add(f"H1:XFD{row}")

    file = book(tmp_path / "a.xlsx", {"Labels": [HEADER, *ROWS]}, merge)
    with pytest.raises(ParseError, match="merged ranges over more than 1,000,000 cells"):
        es.read_labels(file)


LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>&b;</t></si></sst>'
)
OUTSIDE = LAUGHS.replace(b'<!ENTITY a "ha">', b'<!ENTITY a SYSTEM "file:///etc/passwd">')


@pytest.mark.parametrize("attack", [LAUGHS, OUTSIDE, LAUGHS.decode().encode("utf-16")])
@pytest.mark.parametrize("part", ["xl/styles.xml", "xl/worksheets/sheet1.xml"])
def test_entities_are_refused_before_they_expand(tmp_path: Path, attack: bytes, part: str) -> None:
    file = book(tmp_path / "a.xlsx", {"Labels": [HEADER, *ROWS]})
    rezipped(file, part, lambda _: attack)
    with pytest.raises(ParseError, match="declares a document type"):
        es.read_labels(file)


def test_an_archive_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    file = book(tmp_path / "a.xlsx", {"Labels": [HEADER, *ROWS]})
    with (
        zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/media/x.xml", "w", force_zip64=True) as stream,
    ):
        for _ in range(300):
            stream.write(bytes(1 << 20))
    assert file.stat().st_size < 1 << 20
    with pytest.raises(ParseError, match="exhaust memory"):
        es.read_labels(file)


@pytest.mark.parametrize("name", ["../../x.xml", "/x.xml", "..\\x.xml", "C:/x.xml"])
def test_a_part_that_leads_out_of_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    file = book(tmp_path / "a.xlsx", {"Labels": [HEADER, *ROWS]})
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, "<x/>")
    with pytest.raises(ParseError, match="leads out of it"):
        es.read_labels(file)


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"query,text,grade\n", "is no workbook"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "encrypted. Remove the password"),
        (OLE + "Workbook".encode("utf-16-le"), r"before 2007 \(\.xls\)"),
        (b"PK\x03\x04" + bytes(100), "no whole workbook"),
    ],
)
def test_what_is_no_workbook_is_refused_as_what_it_is(
    tmp_path: Path, content: bytes, why: str
) -> None:
    file = tmp_path / "a.xlsx"
    file.write_bytes(content)
    with pytest.raises(DataError, match=why):
        es.read_labels(file)


def test_other_archives_are_named(tmp_path: Path) -> None:
    for part, why in (
        ("xl/workbook.bin", "binary workbook"),
        ("content.xml", "OpenDocument"),
        ("labels.csv", "no workbook but a zip archive of labels.csv"),
    ):
        file = tmp_path / "a.xlsx"
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(part, "x")
        with pytest.raises(ParseError, match=why):
            es.read_labels(file)


def test_a_cut_workbook_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    whole = book(tmp_path / "a.xlsx", {"Labels": [HEADER, *ROWS]}).read_bytes()
    cut = tmp_path / "b.xlsx"
    for size in range(10, len(whole), len(whole) // 40):
        cut.write_bytes(whole[:size])
        with pytest.raises(ParseError):
            es.read_labels(cut)


@pytest.mark.parametrize(
    "part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/_rels/workbook.xml.rels"]
)
def test_parts_that_contradict_each_other_are_refused(tmp_path: Path, part: str) -> None:
    for change in (
        lambda data: data[: len(data) // 2],
        lambda data: b"<x/>",  # noqa: ARG005 - whatever it was
        lambda data: data.replace(b"sheet1.xml", b"../../sheet9.xml").replace(b't="s"', b't="q"'),
        lambda data: data.replace(b"<v>0</v>", b"<v>9999999</v>").replace(b"rId1", b"rId77"),
    ):
        file = rezipped(book(tmp_path / "a.xlsx", {"Labels": [HEADER, *ROWS]}), part, change)
        # Whatever is left of it either reads, or is refused by the file's name.
        with contextlib.suppress(DataError):
            es.read_labels(file)
