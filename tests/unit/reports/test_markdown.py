"""Markdown holds the same words, and nothing in them is markup."""

from __future__ import annotations

import re

import pytest

from embedsmith.reports import write_report
from embedsmith.reports._build import build_document
from embedsmith.reports._document import (
    Card,
    Cell,
    Code,
    Document,
    Facts,
    Head,
    Section,
    Table,
    Text,
)
from embedsmith.reports._markdown import markdown_document
from tests.unit.reports.conftest import HOSTILE, enriched, renamed

# A separator that no escape stands before.
COLUMN = re.compile(r"(?<!\\)\|")


def test_every_mean_and_verdict_is_there(full_result, tmp_path):
    text = write_report(full_result, tmp_path / "report.md").read_text(encoding="utf-8")
    for model in full_result.models:
        for mean in model.table.mean.values():
            assert f"{mean:.4f}" in text
        assert model.fingerprint.digest in text
    for heading in ("## Verdict", "## Differences between models", "## Worst queries"):
        assert heading in text
    assert "hollow" not in text.split("## Differences")[1].split("## Quality")[0]


def test_every_row_of_a_table_has_the_columns_of_its_head(full_result):
    result = renamed(enriched(full_result, f"| {HOSTILE} |"), [f"a|b {HOSTILE}", "`c`|"])
    text = markdown_document(build_document(result))
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(tables) > 5
    for table in tables:
        assert len({len(COLUMN.findall(line)) for line in table.splitlines()}) == 1, table


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("a|b", r"a\|b"),
        ("<script>", r"\<script\>"),
        ("[x](javascript:alert(1))", r"\[x\](javascript:alert(1))"),
        ("![x](y)", r"!\[x\](y)"),
        ("# title", r"\# title"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
        ("a\nb", "a b"),
        ("&lt;", r"\&lt;"),
        ("`code`", r"\`code\`"),
        ("see https://example.org", "see https&#58;//example.org"),
        ("www.example.org", "www&#46;example.org"),
        ("@team", r"\@team"),
        ("a\u202eb", r"a\\u202eb"),
    ],
)
def test_markup_in_a_text_is_written_and_not_obeyed(words, written):
    document = Document("t", "s", (Section("x", "y", (Text(words),)),))
    assert markdown_document(document).splitlines()[-1] == written


def test_blocks_of_every_kind_are_written():
    blocks = (
        Text("care", "warning"),
        Facts((("name", "value"),)),
        Code("run --it"),
        Card(0, "m", "Keep as it is", "good", "because"),
        Table("caption", (Head("a", numeric=False), Head("b")), ((Cell("x"), Cell("1", "[0]")),)),
    )
    text = markdown_document(Document("t", "s", (Section("x", "y", blocks),), ("nothing",)))
    assert text == (
        "# t\n\ns\n\n## y\n\n**Caution:** care\n\n- name: value\n\n    run --it\n\n"
        "- m: **Keep as it is**. because\n\ncaption:\n\n| a | b |\n| --- | ---: |\n"
        "| x | 1 \\[0\\] |\n\n## Not in this report\n\n- nothing\n"
    )
