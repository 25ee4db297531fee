"""``import_labels``, its command and the list of what is open."""

from __future__ import annotations

import csv
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import embedsmith as es
from embedsmith.cli import main
from embedsmith.exceptions import DataError, OutputError
from embedsmith.labelling import disagreements
from embedsmith.labelling._merge import merged
from embedsmith.labelling._safe_cells import plain_cell, safe_cell

if TYPE_CHECKING:
    from pathlib import Path

TWO = """query_id,query,doc_id,passage,grade anna,grade ben,grade cem
q1,fee?,d1,Free.,2,2,2
q1,fee?,d2,Five.,0,1,1
q1,fee?,d3,Ten.,2,0,
q2,=1+1?,d1,Free.,,0,
"""


@pytest.fixture
def labels_csv(tmp_path: Path) -> Path:
    file = tmp_path / "labels.csv"
    file.write_text(TWO)
    return file


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def test_the_folder_is_a_data_set_with_its_provenance(tmp_path: Path, labels_csv: Path) -> None:
    done = es.import_labels(labels_csv, tmp_path / "out", merge="max", split="dev")
    data = es.load_dataset(tmp_path / "out", split="dev")
    assert dict(data.qrels) == {"q1": {"d1": 2, "d2": 1, "d3": 2}, "q2": {"d1": 0}}
    assert data.queries.texts == ("fee?", "=1+1?")
    assert dict(zip(data.corpus.ids, data.corpus.texts, strict=True)) == {
        "d1": "Free.",
        "d2": "Five.",
        "d3": "Ten.",
    }
    manifest = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert manifest == json.loads(json.dumps(done.manifest))
    assert manifest["dataset_sha256"] == data.hash
    assert manifest["annotators"] == {"grade anna": 3, "grade ben": 4, "grade cem": 2}
    assert manifest["merged"]["n_disagreed"] == 2
    assert manifest["counts"]["queries_without_relevant"] == 1
    lines = (tmp_path / "out" / "judgements.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["where"] == f"{labels_csv}:2: 'grade anna'"
    assert len(lines) == 9


def test_what_was_imported_can_be_read_again_with_its_annotators(
    tmp_path: Path, labels_csv: Path
) -> None:
    done = es.import_labels(labels_csv, tmp_path / "out", merge="max")
    again = es.read_labels(
        done.folder / "judgements.jsonl", corpus=done.folder, queries=done.folder
    )
    assert again.pairs() == es.read_labels(labels_csv).pairs()


def test_disagreement_needs_a_rule(tmp_path: Path, labels_csv: Path) -> None:
    with pytest.raises(DataError, match=r"disagree on 2 pairs: query 'q1' and document 'd2'"):
        es.import_labels(labels_csv, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["labels.csv"]


@pytest.mark.parametrize(
    ("merge", "ties", "d2", "d3"),
    [
        ("max", "error", 1, 2),
        ("mean", "error", 1, 1),  # 2/3 is nearer to 1
        ("majority", "leave-out", 1, None),
        ("majority", "lower", 1, 0),
        ("majority", "higher", 1, 2),
        ("unanimous", "leave-out", None, None),
    ],
)
def test_rules_of_merging(
    labels_csv: Path, merge: Any, ties: Any, d2: int | None, d3: int | None
) -> None:
    one = merged(es.read_labels(labels_csv).pairs(), merge=merge, ties=ties)
    assert one.grades["q1", "d1"] == 2
    assert one.grades.get(("q1", "d2")) == d2
    assert one.grades.get(("q1", "d3")) == d3
    assert one.n_rounded == (merge == "mean")


def test_a_tie_is_never_broken_unasked(labels_csv: Path) -> None:
    pairs = es.read_labels(labels_csv).pairs()
    with pytest.raises(DataError, match=r"majority gives no grade for 1 pair.*'d3'.*--ties"):
        merged(pairs, merge="majority")
    with pytest.raises(DataError, match="mean gives no grade for 1 pair"):
        merged({("q", "d"): {"a": 1, "b": 2}}, merge="mean")
    with pytest.raises(DataError, match="goes with a rule that can tie"):
        merged(pairs, ties="lower")
    with pytest.raises(DataError, match="merge='median' is unknown"):
        merged(pairs, merge="median")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no pair has a grade"):
        merged({("q", "d"): {"a": 1, "b": 2}}, ties="leave-out")


def test_the_gravest_disagreements_come_first(labels_csv: Path) -> None:
    assert [one.document_id for one in disagreements(es.read_labels(labels_csv))] == ["d3", "d2"]


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_decisions_are_filled_in_and_read_back(
    tmp_path: Path, labels_csv: Path, ending: str
) -> None:
    listed = tmp_path / f"open.{ending}"
    es.write_adjudication(es.read_labels(labels_csv), listed)
    decide(listed, {"d3": 1, "d2": None})
    with pytest.raises(DataError, match="disagree on 1 pair"):
        es.import_labels(labels_csv, tmp_path / "out", adjudicated=listed)
    done = es.import_labels(labels_csv, tmp_path / "out", adjudicated=listed, merge="majority")
    assert done.manifest["merged"]["n_adjudicated"] == 1
    assert done.manifest["adjudicated"]["path"] == str(listed)
    assert es.load_dataset(done.folder).qrels["q1"] == {"d1": 2, "d2": 1, "d3": 1}


def decide(listed: Path, decisions: dict[str, Any], column: str = "decision") -> None:
    """Fill in a list as a person with a spreadsheet does."""
    if listed.suffix == ".csv":
        with listed.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    else:
        openpyxl: Any = pytest.importorskip("openpyxl", reason="the extra label is not installed")
        book = openpyxl.load_workbook(listed)
        rows = [[cell.value for cell in row] for row in book.active.iter_rows()]
    at = rows[0].index(column)
    for row in rows[1:]:
        value = decisions.get(str(row[1]))
        row[at] = "" if value is None else str(value)
    if listed.suffix == ".csv":
        with listed.open("w", encoding="cp1252", newline="") as file:
            csv.writer(file, delimiter=";").writerows(rows)
    else:
        for number, row in enumerate(rows, 1):
            book.active.cell(number, at + 1, row[at] or None)
        book.save(listed)


def test_a_list_of_other_labels_is_refused(tmp_path: Path, labels_csv: Path) -> None:
    labels = es.read_labels(labels_csv)
    listed = tmp_path / "open.csv"
    es.write_adjudication(labels, listed)
    with pytest.raises(DataError, match="2 pairs and no decision"):
        es.import_labels(labels_csv, tmp_path / "out", adjudicated=listed)
    decide(listed, {"d3": 1, "d2": 1})
    labels_csv.write_text(TWO.replace("d3,Ten.,2,0,", "d3,Ten.,2,1,"))
    with pytest.raises(DataError, match=r"are others now \(grade anna 2, grade ben 1\)"):
        es.import_labels(labels_csv, tmp_path / "out", adjudicated=listed)
    labels_csv.write_text(TWO.replace("d3", "d4"))
    with pytest.raises(DataError, match="nobody judged query 'q1' and document 'd3'"):
        es.import_labels(labels_csv, tmp_path / "out", adjudicated=listed)
    listed.write_text(listed.read_text(encoding="cp1252").replace("decision", "decison"))
    with pytest.raises(DataError, match="Did you mean 'decison'"):
        es.import_labels(labels_csv, tmp_path / "out", adjudicated=listed)


def test_a_list_with_work_in_it_is_not_overwritten(tmp_path: Path, labels_csv: Path) -> None:
    labels = es.read_labels(labels_csv)
    es.write_adjudication(labels, tmp_path / "open.csv")
    with pytest.raises(OutputError, match="perhaps with decisions"):
        es.write_adjudication(labels, tmp_path / "open.csv")
    with pytest.raises(DataError, match="neither"):
        es.write_adjudication(labels, tmp_path / "open.ods")
    labels_csv.write_text("query,text,grade anna,grade ben\nq,d,1,1\n")
    with pytest.raises(DataError, match="nothing to decide"):
        es.write_adjudication(es.read_labels(labels_csv), tmp_path / "none.csv")


DANGER = ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "＝1", "x;=1", "x\n=1", "'=1")  # noqa: RUF001


@pytest.mark.parametrize("danger", DANGER)
@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_no_cell_that_is_written_can_be_a_formula(tmp_path: Path, danger: str, ending: str) -> None:
    source = tmp_path / "a.json"
    rows = [
        {"query_id": danger, "query": danger, "text": danger, "annotator": who, "grade": grade}
        for who, grade in (("anna", 0), (danger, 1))
    ]
    source.write_text(json.dumps(rows))
    labels = es.read_labels(source)
    listed = tmp_path / f"open.{ending}"
    es.write_adjudication(labels, listed)
    if ending == "csv":
        # A spreadsheet may divide the lines at another separator than ours.
        for delimiter in (",", ";", "\t"):
            with listed.open(encoding="utf-8-sig", newline="") as file:
                cells = [cell for row in csv.reader(file, delimiter=delimiter) for cell in row]
            assert [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "＝")] == []  # noqa: RUF001
        with listed.open(encoding="utf-8-sig", newline="") as file:
            row = next(csv.DictReader(file))
        assert plain_cell(row["query_id"]) == danger.strip()
    else:
        openpyxl: Any = pytest.importorskip("openpyxl", reason="the extra label is not installed")
        # A data set has no id with a line break, so that this one ends with the list.
        filled = [c for row in openpyxl.load_workbook(listed).active.iter_rows() for c in row]
        assert [cell.coordinate for cell in filled if cell.data_type == "f"] == []
        if "\n" in danger:
            return
        decide(listed, {str(filled[len(filled) // 2 + 1].value): 1})
        done = es.import_labels(source, tmp_path / "out", adjudicated=listed)
        assert done.manifest["merged"]["n_adjudicated"] == 1


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="=+-@'\t\r\n;|, aＡ＝\"", max_size=12))  # noqa: RUF001
def test_the_apostrophes_are_taken_away_exactly(text: str) -> None:
    assert plain_cell(safe_cell(text)) == text
    assert not safe_cell(text).lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_a_folder_with_content_is_never_overwritten(tmp_path: Path, labels_csv: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(OutputError, match="exists already"):
        es.import_labels(labels_csv, tmp_path / "out", merge="max")
    assert (tmp_path / "out" / "mine").read_text() == "x"


def test_a_full_disk_leaves_nothing(
    tmp_path: Path, labels_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        es.import_labels(labels_csv, tmp_path / "new" / "out", merge="max")
    assert list((tmp_path / "new").iterdir()) == []


def test_the_command_says_what_it_read(
    tmp_path: Path, labels_csv: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert command("label", "import", labels_csv, "--to", out) == 3
    assert "--merge majority" in capsys.readouterr().err
    assert command("label", "import", labels_csv, "--merge", "max", "--to", out) == 0
    said = capsys.readouterr().out
    assert "2 queries, 3 documents, 4 judged pairs (3 relevant)" in said
    assert "wide, encoding utf-8, delimiter comma" in said
    assert command("label", "import", labels_csv, "--merge", "max", "--to", out) == 4
    assert command("label", "import", labels_csv, "--grade", "relevant", "--to", out) == 2
    capsys.readouterr()
    made = tmp_path / "b"
    assert command("label", "import", labels_csv, "--merge", "max", "--to", made, "--json") == 0
    assert json.loads(capsys.readouterr().out)["format"] == "embedsmith.labels/1"
    listed = tmp_path / "open.csv"
    assert command("label", "adjudicate", labels_csv, "--to", listed, "--json") == 0
    assert [one["document_id"] for one in json.loads(capsys.readouterr().out)["pairs"]] == [
        "d3",
        "d2",
    ]


def test_a_real_set_comes_back_as_it_was(tmp_path: Path, shared_data: Path) -> None:
    """Cranfield's judgements as two experts keep them in a workbook."""
    openpyxl: Any = pytest.importorskip("openpyxl", reason="the extra label is not installed")
    data = es.load_dataset(shared_data / "cranfield")
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("labels")
    sheet.append(["qid", "query", "docno", "relevance anna", "relevance ben"])
    texts = dict(zip(data.queries.ids, data.queries.texts, strict=True))
    for query_id, judged in data.qrels.items():
        for doc_id, grade in judged.items():
            sheet.append([int(query_id), texts[query_id], int(doc_id), grade, grade])
    book.save(tmp_path / "cranfield.xlsx")
    source = shared_data / "cranfield"
    done = es.import_labels(tmp_path / "cranfield.xlsx", tmp_path / "out", corpus=source)
    back = es.load_dataset(done.folder)
    assert dict(back.qrels) == dict(data.qrels)
    assert (back.corpus, back.queries.texts) == (data.corpus, data.queries.texts)
    assert back.hash == data.hash


def test_queries_that_a_machine_wrote_stay_marked(tmp_path: Path) -> None:
    (tmp_path / "queries.jsonl").write_text(
        '{"_id": "q1", "text": "fee?", "metadata": {"synthetic": true}}\n'
        '{"_id": "q2", "text": "cost?"}\n'
    )
    file = tmp_path / "a.csv"
    file.write_text("query,passage,grade\nfee?,Free.,1\ncost?,Five.,1\n")
    es.import_labels(file, tmp_path / "out", queries=tmp_path / "queries.jsonl")
    data = es.load_dataset(tmp_path / "out")
    assert data.n_synthetic == 1
    again = es.import_labels(tmp_path / "out", tmp_path / "again")
    assert es.load_dataset(again.folder).n_synthetic == 1
