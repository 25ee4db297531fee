"""``check_data`` and ``embedsmith check-data``: planted faults are found, and nothing else is."""

from __future__ import annotations

import errno
import gzip
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

import embedsmith as es
from embedsmith.cli import main
from embedsmith.exceptions import DataError, OutputError, ParseError, ShapeError
from embedsmith.hygiene import TrainingData, _cleaned, write_cleaned

if TYPE_CHECKING:
    from pathlib import Path

FEE = "The monthly fee of the current account is five euros, debited on the first."
CARD = "A lost card is blocked by a call to the hotline, at any hour of any day."
LOAN = "Loans are paid back in equal parts over at most ten years, or earlier for a charge."


def lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def kinds(check: es.DataCheck) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for one in check.findings:
        found.setdefault(one.kind, []).append(one.ids)
    return found


def test_clean_data_has_no_finding(tmp_path: Path) -> None:
    train = lines(
        tmp_path / "a.jsonl",
        {"query": "what does it cost", "positive": FEE, "negative": CARD},
        {"anchor": "my card is gone", "positives": [CARD], "negatives": []},
    )
    check = es.check_data(train, [lines(tmp_path / "b.jsonl", {"query": "q", "positive": LOAN})])
    # One passage is the negative of the first query and the positive of the second: no fault.
    assert kinds(check) == {}
    assert check.passed
    assert (check.coverage.positive, check.coverage.touched) == (1.0, 1.0)
    assert check.sizes["negative pairs"] == 1


def test_leaks_are_counted_as_queries_pairs_and_passages(tmp_path: Path) -> None:
    train = lines(
        tmp_path / "a.jsonl",
        {"query": "What is the monthly fee of the account?", "positive": FEE},
        {"query": "how is a card blocked", "positive": LOAN},
    )
    test = lines(
        tmp_path / "b.jsonl",
        {"query": "what is the monthly fee of the account", "positive": FEE + " So it is."},
        # Query and passage stand in training, but not with each other: no leaked pair.
        {"query": "How is a card blocked?", "positive": FEE},
        {"query": "another one about loans", "positive": LOAN},
        {"query": "something else", "positive": "Nobody asked about this text in training."},
    )
    check = es.check_data(train, [test], near=0.75)
    assert [(one.what, one.n_leaked, one.n) for one in check.leakage] == [
        ("queries", 2, 4),
        ("pairs", 1, 4),
        ("passages", 3, 4),
    ]
    assert kinds(check)["leaked pair"] == [
        ("line 1", "line 1 positive 1", "line 1", "line 1 positive 1")
    ]
    assert not check.passed
    assert es.check_data(train, [test], near=0.75, max_leakage=0.5).passed
    limited = es.check_data(
        train, [test], near=0.75, max_leakage={"queries": 0.5, "pairs": 0.5, "passages": 0.4}
    )
    assert [one.passed for one in limited.leakage] == [True, True, False]


def test_labels_that_cannot_be_right_are_named_with_what_to_do(tmp_path: Path) -> None:
    train = lines(
        tmp_path / "a.jsonl",
        {"query": "q1", "positive": FEE, "negative": [FEE.upper(), CARD, LOAN, "q1"]},
        {"query": "Q1 ", "positive": FEE, "negative": FEE + " Yes."},
        {
            "query": "q2",
            "positive": CARD,
            "negative": [LOAN, FEE, "Short and bad"],
            "scores": [0.8, 0.9, 0.77, 0.1],
        },
    )
    check = es.check_data(train)
    labels = [
        (one.kind, one.ids[:2], one.suggestion)
        for one in check.findings
        if one.kind in {"contradiction", "likely false negative", "passage is query"}
        or one.kind == "repeated pair"
    ]
    assert labels == [
        ("contradiction", ("line 1", "line 1 negative 1"), "expert"),
        ("passage is query", ("line 1", "line 1 negative 4"), "drop"),
        ("repeated pair", ("line 2", "line 2 positive 1"), "drop"),
        ("likely false negative", ("line 2", "line 2 negative 1"), "relabel as positive"),
        ("likely false negative", ("line 3", "line 3 negative 1"), "expert"),
        ("likely false negative", ("line 3", "line 3 negative 2"), "drop"),
    ]


def test_texts_that_are_empty_long_foreign_or_repeated_are_found(tmp_path: Path) -> None:
    notice = "This message may be confidential and is meant for its addressee only."
    rows = [{"query": f"q {i}", "positive": f"{notice} Note {i}."} for i in range(6)]
    rows += [
        {"query": "a", "positive": " "},
        {"query": "b", "positive": "word " * 500},
        {"query": "c", "positive": "Комиссия составляет пять евро"},
    ]
    found = kinds(es.check_data(lines(tmp_path / "a.jsonl", *rows)))
    assert found["empty passage"] == [("line 7 positive 1",)]
    assert found["long passage"] == [("line 8 positive 1",)]
    assert found["other script, passage"] == [("line 9 positive 1",)]
    assert len(found["boilerplate passage"]) == 6
    assert len(found["near-duplicate passage"]) == 5


def test_no_report_repeats_personal_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "x" * 100 + " Card 4111 1111 1111 1111, write to jane.doe@bank.example."
    train = lines(tmp_path / "a.jsonl", *[{"query": "q", "positive": text}] * 2)
    for form in ("text", "md", "json"):
        with pytest.raises(SystemExit) as end:
            main(["check-data", str(train), "--format", form])
        out = capsys.readouterr().out
        assert end.value.code == 0
        assert "card number" in out
        assert "1111 1111" not in out
        assert "jane.doe" not in out


def test_the_command_fails_on_a_leak_and_writes_a_copy_without_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"query": "what is the monthly fee", "positive": FEE, "kept": 1},
        {"query": "my card is gone", "positive": CARD, "negative": [CARD, LOAN], "kept": 2},
        {"query": "my card was stolen", "positive": [CARD], "negative": [LOAN], "kept": 3},
    ]
    train = lines(tmp_path / "a.jsonl", *rows)
    before = train.read_bytes()
    test = lines(
        tmp_path / "b.jsonl",
        {"query": "something else", "positive": LOAN},
        {"query": "What is the monthly fee?", "positive": LOAN},
    )
    with pytest.raises(SystemExit) as end:
        main(["check-data", str(train), "--eval", str(test), "--fix", str(tmp_path / "c")])
    assert end.value.code == 1
    told = capsys.readouterr()
    assert (
        "FAILED  b.jsonl: 1 of 2 queries stand in training (50.0%: 1 near; limit 0.0%)" in told.out
    )
    assert "4 pairs, 2 removed" in told.err
    copy = [json.loads(line) for line in (tmp_path / "c" / "a.jsonl").read_text().splitlines()]
    assert copy == [{**rows[1], "negative": [LOAN]}, rows[2]]
    log = [json.loads(x) for x in (tmp_path / "c" / "removed.jsonl").read_text().splitlines()]
    assert [(one["query"], one["because"]) for one in log] == [
        ("line 1", "leaked query"),
        ("line 2", "contradiction"),
    ]
    assert train.read_bytes() == before
    data = TrainingData.of(train, "train")
    with pytest.raises(OutputError, match="exists already"):
        write_cleaned(data, es.check_data(data), tmp_path / "c")
    # What was written is clean.
    with pytest.raises(SystemExit) as end:
        main(["check-data", str(tmp_path / "c" / "a.jsonl"), "--eval", str(test)])
    assert end.value.code == 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"qurey": "a", "positive": "b"}', "Did you mean 'query' by 'qurey'"),
        ('{"query": "a", "postive": "b"}', "Did you mean 'positive' by 'postive'"),
        ('{"query": "a", "anchor": "b", "positive": "c"}', "say the same"),
        ('{"query": "a", "positive": []}', "no positive"),
        ('{"query": "a", "positive": "b", "scores": [NaN]}', "1 finite numbers"),
        ('{"query": "a", "positive": "b", "scores": [1, 2]}', "1 finite numbers"),
        ('{"query": 5, "positive": "b"}', "no text"),
        ("[1]", "no object"),
        ("[" * 100_000, "no JSON"),
        ('{"query": "a", positive: "b"}', ":2:16: found what is no JSON"),
        ('{"query": "a", "positive": "\\x"}', ":2:29: found what is no JSON"),
    ],
)
def test_lines_that_are_no_pair_are_refused_with_their_place(
    tmp_path: Path, line: str, says: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"query": "a", "positive": "b"}\n' + line)
    with pytest.raises(ParseError, match=says) as raised:
        es.check_data(path)
    assert f"{path}:2:" in str(raised.value)


def test_bytes_that_are_no_utf8_and_damaged_gzip_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"query": "caf\xe9", "positive": "b"}')
    with pytest.raises(ParseError, match=r"a\.jsonl:1:15: byte 0xE9"):
        es.check_data(path)
    whole = gzip.compress(b'{"query": "a", "positive": "b"}\n' * 5000)
    for broken in (whole[:-20], whole[:40] + b"xxxx" + whole[44:]):
        path.write_bytes(broken)
        with pytest.raises(ParseError, match="damaged gzip"):
            es.check_data(path)


def test_texts_that_no_encoder_can_read_are_found_and_left_out(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"query": "q1", "positive": "half \ud83d a character", "negative": LOAN},
        {"query": "q2", "positive": ["lost \ufffd\ufffd ones", CARD]},
        {"query": "q3", "positive": "whole \U0001f600"},
    ]
    path = lines(tmp_path / "a.jsonl", *rows)
    check = es.check_data(path)
    found = {one.ids: one.detail for one in check.findings if one.kind == "broken passage"}
    assert found == {
        ("line 1 positive 1",): "lone surrogate at character 5, which UTF-8 cannot hold",
        ("line 2 positive 1",): "2 characters lost when it was decoded (U+FFFD)",
    }
    write_cleaned(TrainingData.of(path, "train"), check, tmp_path / "c")
    kept = [json.loads(x) for x in (tmp_path / "c" / "a.jsonl").read_text().splitlines()]
    assert kept == [{**rows[1], "positive": [CARD]}, rows[2]]


def test_packed_lines_are_read_and_cleaned_into_packed_lines(tmp_path: Path) -> None:
    rows = [{"query": f"q{i}", "positive": [FEE, CARD], "negative": [CARD]} for i in range(3)]
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress("\ufeff".encode() + json.dumps(rows[0]).encode() + b"\n\n"))
    with path.open("ab") as file:
        file.write(gzip.compress("\n".join(map(json.dumps, rows[1:])).encode()))
    data = TrainingData.of(path, "train")
    # Line 2 is blank: places are those of the file.
    assert data.query_ids == ("line 1", "line 3", "line 4")
    check = es.check_data(data)
    assert check.counts()["contradiction"] == 3
    written = write_cleaned(data, check, tmp_path / "c")
    assert written.n_removed == 3
    copy = gzip.decompress((tmp_path / "c" / path.name).read_bytes()).splitlines()
    assert [json.loads(one) for one in copy] == [{**row, "negative": []} for row in rows]


def test_a_copy_is_never_written_over_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[dict[str, Any]] = [
        {"query": "q", "positive": FEE, "negative": FEE},
        {"query": "r", "positive": CARD},
    ]
    home = tmp_path / "home"
    home.mkdir()
    path = lines(home / "a.jsonl", *rows)
    data = TrainingData.of(path, "train")
    check = es.check_data(data)
    (tmp_path / "link").symlink_to(home)
    (tmp_path / "nowhere").symlink_to(tmp_path / "later")
    for place in (home, tmp_path / "link", tmp_path / "nowhere", path):
        with pytest.raises(OutputError, match="exists already"):
            write_cleaned(data, check, place)
    # What fails on the way leaves nothing.
    monkeypatch.setattr(_cleaned, "_write_log", _full)
    with pytest.raises(OutputError, match="No space left"):
        write_cleaned(data, check, tmp_path / "c")
    monkeypatch.undo()
    path.write_text(path.read_text() * 2)
    with pytest.raises(DataError, match="other lines"):
        write_cleaned(data, check, tmp_path / "c")
    assert {one.name for one in tmp_path.iterdir()} == {"home", "link", "nowhere"}
    assert [one.name for one in home.iterdir()] == ["a.jsonl"]


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_empty_file_and_shares_beyond_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n")
    with pytest.raises(DataError, match="empty"):
        es.check_data(tmp_path / "a.jsonl")
    with pytest.raises(ShapeError, match="from 0 to 1"):
        es.check_data(tmp_path / "a.jsonl", max_leakage=5)


def test_real_regulations_are_checked_and_cleaned(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "obliqa"
    data = TrainingData.of(folder, "train")
    check = es.check_data(data, [folder])
    # Splits of one corpus: passages are shared, questions are not.
    leaked = {one.what: one.n_leaked for one in check.leakage}
    assert leaked["queries"] == leaked["pairs"] == 0
    assert leaked["passages"] > 500
    assert check.passed
    cleaned = write_cleaned(data, check, tmp_path / "clean")
    assert cleaned.n_removed == check.counts()["repeated pair"] > 0
    copy = es.load_dataset(tmp_path / "clean", split="train")
    assert copy.qrels.n_pairs == cleaned.n_pairs == len(data.pairs) - cleaned.n_removed
