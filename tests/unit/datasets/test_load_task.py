"""Files of the tasks: every format the same, every fault with its place."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

import embedsmith as es
from embedsmith.exceptions import DataError, ParseError

NAN: Any = float("nan")
ROWS = [
    {"sentence1": 'a "quoted" text', "sentence2": "b, with comma", "score": 4.5},
    {"sentence1": "ümlaut", "sentence2": "", "score": 0},
    {"sentence1": "c", "sentence2": "d", "score": 2},
]


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_separated(path, rows, *, mark=","):
    def shown(value):
        text = str(value)
        return '"' + text.replace('"', '""') + '"' if mark == "," else text

    lines = [mark.join(rows[0])] + [mark.join(map(shown, row.values())) for row in rows]
    # What a spreadsheet writes: a byte order mark, CRLF, blank lines at the end.
    path.write_bytes(b"\xef\xbb\xbf" + ("\r\n".join(lines) + "\r\n\r\n").encode())


def test_every_format_gives_the_same_data(tmp_path):
    write_jsonl(tmp_path / "pairs.jsonl", [*ROWS[:1], *[{**row, "genre": 1} for row in ROWS[1:]]])
    write_separated(tmp_path / "pairs.csv", ROWS)
    write_separated(tmp_path / "pairs.tsv", ROWS, mark="\t")
    (tmp_path / "pairs.jsonl.gz").write_bytes(
        gzip.compress((tmp_path / "pairs.jsonl").read_bytes())
    )
    endings = ["jsonl", "csv", "tsv", "jsonl.gz"]
    arrow = pytest.importorskip("pyarrow", reason="needs pyarrow")
    from pyarrow import parquet

    parquet.write_table(arrow.Table.from_pylist(ROWS), tmp_path / "pairs.parquet")
    read = [es.load_task(tmp_path / f"pairs.{end}", "sts") for end in [*endings, "parquet"]]
    assert {data.hash for data in read} == {read[0].hash}
    assert read[0].scores == (4.5, 0.0, 2.0)  # type: ignore[union-attr]
    assert {data.name for data in read} == {"pairs"}
    assert read[1].sentences1[0] == 'a "quoted" text'  # type: ignore[union-attr]


def test_columns_may_have_other_names(tmp_path):
    renamed = [{"premise": r["sentence1"], "sentence2": "x", "gold": r["score"]} for r in ROWS]
    write_jsonl(tmp_path / "pairs.jsonl", renamed)
    data = es.load_task(
        tmp_path / "pairs.jsonl", "sts", columns={"sentence1": "premise", "score": "gold"}
    )
    assert len(data.hash) == 64
    with pytest.raises(DataError, match="columns names 'sentence', .*did you mean 'sentence"):
        es.load_task(tmp_path / "pairs.jsonl", "sts", columns={"sentence": "premise"})


def test_labels_of_pairs_are_read_however_they_are_written(tmp_path):
    rows = [
        {"sentence1": "a", "sentence2": "b", "label": label}
        for label in (1, 0, True, False, "1", "0", "true", "FALSE", 1.0, 0.0)
    ]
    write_jsonl(tmp_path / "pairs.jsonl", rows)
    data = es.load_task(tmp_path / "pairs.jsonl", "pair_classification")
    assert isinstance(data, es.LabelledPairs)
    assert data.labels == (1, 0) * 5


def test_a_folder_holds_a_file_per_split(tmp_path):
    for split, word in (("train", "learnt"), ("test", "asked")):
        write_jsonl(
            tmp_path / f"{split}.jsonl",
            [{"text": f"{word} {label}", "label": label} for label in ("x", "y", 3)],
        )
    data = es.load_task(tmp_path, "classification")
    assert isinstance(data, es.LabelledTexts)
    assert data.train_texts[0] == "learnt x"
    assert data.texts[0] == "asked x"
    assert data.known_labels == ("3", "x", "y")
    with pytest.raises(DataError, match=r"has no split 'tset'; it has test, train.*split='test'"):
        es.load_task(tmp_path, "classification", split="tset")
    with pytest.raises(DataError, match="is one file, but classification trains on one"):
        es.load_task(tmp_path / "test.jsonl", "classification")
    (tmp_path / "test.csv").write_text("text,label\n")
    with pytest.raises(DataError, match=r"test.jsonl and test.csv, and they may differ"):
        es.load_task(tmp_path, "classification")


@pytest.mark.parametrize(
    ("name", "content", "kind", "said"),
    [
        ("a.jsonl", b"", DataError, "holds no rows"),
        ("a.jsonl", b"\n\n", DataError, "holds no rows"),
        (
            "a.jsonl",
            b"{}\n{",
            DataError,
            "a.jsonl:1: there is no column 'sentence1'; there are none",
        ),
        ("a.jsonl", b'{"sentence1": "a"\n', ParseError, "a.jsonl:1: this is not JSON"),
        ("a.jsonl", b"[1]\n", ParseError, r"a.jsonl:1: \[1\] is no object"),
        ("a.jsonl", b'{"sentence1": "\xff"}', ParseError, "not UTF-8 .byte 0xFF"),
        ("a.jsonl.gz", b"\x1f\x8b\x08", ParseError, "damaged gzip"),
        (
            "a.csv",
            b"sentence1,sentence2,scor\na,b,1\n",
            DataError,
            "a.csv:2: .*'score'.*Did you mean 'scor'",
        ),
        ("a.csv", b"sentence1,sentence2,score\na,b\n", ParseError, "a.csv:2: there are 2 fields"),
        ("a.csv", b'sentence1,sentence2,score\n"a,b,1\n', ParseError, "unexpected end of data"),
        ("a.csv", b"sentence1,sentence2,score\na,b,nan\n", DataError, "a.csv:2: score is 'nan'"),
        ("a.csv", b"sentence1,sentence2,score\na,b,\n", DataError, "a.csv:2: score is ''"),
        ("a.csv", b"sentence1,sentence2,score\na,b,1e999\n", DataError, "score is '1e999'"),
        ("a.parquet", b"PAR1", ParseError, "cannot be read as parquet"),
        ("a.xlsx", b"", DataError, "ending that is not known"),
        (
            "a.jsonl",
            b'{"sentence1": null, "sentence2": "", "score": 1}',
            DataError,
            "sentence1 is None",
        ),
        (
            "a.jsonl",
            b'{"sentence1": "\\ud800", "sentence2": "", "score": 1}',
            DataError,
            "lone surrogate",
        ),
        ("a.jsonl", b'{"sentence1": "", "sentence2": "", "score": NaN}', DataError, "score is nan"),
        (
            "a.jsonl",
            b'{"sentence1": "", "sentence2": "", "score": true}',
            DataError,
            "score is True",
        ),
    ],
)
def test_a_faulty_file_is_refused_with_its_place(tmp_path, name, content, kind, said):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow", reason="needs pyarrow")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(kind, match=said):
        es.load_task(tmp_path / name, "sts")


@pytest.mark.parametrize(
    ("task", "row", "said"),
    [
        (
            "pair_classification",
            '{"sentence1": "a", "sentence2": "b", "label": "maybe"}',
            "label is 'maybe'",
        ),
        (
            "pair_classification",
            '{"sentence1": "a", "sentence2": "b", "label": 0.5}',
            "label is 0.5",
        ),
        ("clustering", '{"text": "a", "label": null}', "label is None"),
        ("clustering", '{"text": "a", "label": "  "}', "label is '  '"),
        ("clustering", '{"text": "a", "label": 0.5}', "label is 0.5"),
        ("bitext", '{"source": "a"}', "no column 'target'"),
    ],
)
def test_a_value_that_is_no_label_is_refused(tmp_path, task, row, said):
    (tmp_path / "a.jsonl").write_text(row)
    with pytest.raises(DataError, match=said):
        es.load_task(tmp_path / "a.jsonl", task)


def test_an_unknown_task_gets_the_nearest_name(tmp_path):
    with pytest.raises(DataError, match="did you mean 'clustering'"):
        es.load_task(tmp_path, "clusterings")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="does not exist"):
        es.load_task(tmp_path / "nowhere.jsonl", "sts")
    with pytest.raises(DataError, match="holds no file test.jsonl"):
        es.load_task(tmp_path, "sts")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: es.LabelledTexts(["a"], ["x"], ["b"], ["x"]),
            "all training texts have the label 'x'",
        ),
        (
            lambda: es.LabelledTexts(["a", "b"], ["x", "y"], ["c"], ["z"]),
            "1 test text have labels.*'z'",
        ),
        (lambda: es.LabelledTexts(["a", "b"], ["x", "y"], [], []), "is empty"),
        (
            lambda: es.LabelledTexts(["a", "b"], ["x"], ["c"], ["x"]),
            "2 train_texts, 1 train_labels",
        ),
        (lambda: es.TextClusters(["a", "b"], ["x", "x"]), "all 2 texts have the label"),
        (lambda: es.TextClusters(["a", "b"], ["x", "y"]), "a label of its own"),
        (lambda: es.TextClusters(["a", "b"], ["x", NAN]), r"labels\[1\] is nan"),
    ],
)
def test_labels_that_make_no_task_are_refused(make, said):
    with pytest.raises(DataError, match=said):
        make()
