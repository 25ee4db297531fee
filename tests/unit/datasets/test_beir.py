"""BEIR folders: what is read, and what each wrong one is told."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING

import pytest

from embedsmith.datasets import load_dataset
from embedsmith.exceptions import DataError, ParseError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.datasets.conftest import Folder


def message(folder: Folder | Path, error: type[DataError] = ParseError, **options: object) -> str:
    """Return what loading the folder is refused with."""
    with pytest.raises(error) as caught:
        load_dataset(getattr(folder, "path", folder), **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_folder_gives_corpus_judged_queries_and_judgements(beir: Folder) -> None:
    data = load_dataset(beir.path)
    assert (data.name, data.split, data.path) == ("bank", "test", beir.path)
    assert data.corpus.ids == ("d1", "d2", "d3")
    assert data.corpus.texts[0] == "Cards Lost cards are blocked."
    assert data.corpus.texts[1:] == ("Fees are listed.", "Loans need an income.")
    assert data.queries.ids == ("q1", "q2"), "in the order of the file, judged ones only"
    assert (data.n_unjudged, data.n_dropped) == (1, 0)
    assert data.qrels == {"q2": {"d2": 1}, "q1": {"d1": 2, "d3": 0}}


def test_gzip_byte_order_mark_crlf_and_blank_lines_change_nothing(beir: Folder) -> None:
    plain = load_dataset(beir.path)
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        text = (beir.path / name).read_text()
        beir.drop(name)
        beir.put(f"{name}.gz", "\ufeff\r\n" + text.replace("\n", "\r\n\r\n"))
    assert load_dataset(beir.path).hash == plain.hash


def test_several_gzip_members_are_one_file(beir: Folder) -> None:
    plain = load_dataset(beir.path)
    data = (beir.path / "corpus.jsonl").read_bytes()
    (beir.path / "corpus.jsonl").write_bytes(gzip.compress(data[:50]) + gzip.compress(data[50:]))
    assert load_dataset(beir.path).hash == plain.hash


def test_numeric_ids_count_as_their_digits(beir: Folder) -> None:
    beir.put("corpus.jsonl", '{"_id": 1, "text": "a"}\n{"_id": 2, "text": "b"}\n')
    beir.put("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\t1\t1\n")
    assert load_dataset(beir.path).corpus.ids == ("1", "2")


def test_trec_qrels_are_taken_as_a_split(beir: Folder) -> None:
    plain = load_dataset(beir.path)
    beir.put("qrels/test.tsv", "q2 0 d2 1\nq1 0 d1 2\nq1 0 d3 0\n")
    assert load_dataset(beir.path).hash == plain.hash


def test_a_truncated_gzip_says_so_and_what_to_do(beir: Folder) -> None:
    lines = "".join(f'{{"_id": "d{i}", "text": "{i * 7919}"}}\n' for i in range(2000))
    whole = beir.put("corpus.jsonl.gz", lines)
    beir.drop("corpus.jsonl")
    whole.write_bytes(whole.read_bytes()[:-4000])
    text = message(beir)
    assert re.search(r"corpus\.jsonl\.gz:\d{2,}:\d+: found the end of the file inside", text)
    assert "truncated .gz" in text
    assert "gzip -t" in text


def test_commas_without_named_columns_are_recognised(beir: Folder) -> None:
    beir.put("qrels/test.tsv", "q1,d1,1\n")
    text = message(beir)
    assert "test.tsv:1:3: found commas between the columns; expected tabs" in text
    assert "tr ',' '\\t'" in text


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("corpus.jsonl", '{"_id": "d1", "text": "again"}\n'),
        ("queries.jsonl", '{"_id": "q1", "text": "again"}\n'),
    ],
)
def test_an_id_twice_names_both_lines(beir: Folder, name: str, line: str) -> None:
    beir.put(name, (beir.path / name).read_text() + line)
    assert f"{name}:4:1: found the _id " in message(beir)
    assert "again (first in line 1)" in message(beir)


def test_a_pair_judged_twice_names_both_lines(beir: Folder) -> None:
    beir.put("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td1\t1\nq1\td1\t1\n")
    text = message(beir)
    assert 'test.tsv:4:1: found query "q1" with document "d1" again (first in line 2)' in text


@pytest.mark.parametrize("grade", ["NaN", "high", "1.5", "2.0", "", "99999999999"])
def test_a_grade_that_is_no_whole_number_names_its_place(beir: Folder, grade: str) -> None:
    beir.put("qrels/test.tsv", f"query-id\tcorpus-id\tscore\nq1\td1\t{grade}\n")
    assert "test.tsv:2:7: found" in message(beir)
    assert "expected a whole number" in message(beir)


@pytest.mark.parametrize(
    ("name", "content", "holds"),
    [
        ("corpus.jsonl", "", "documents"),
        ("queries.jsonl", "\n\n", "queries"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\n", "judgements"),
    ],
)
def test_an_empty_part_is_named(beir: Folder, name: str, content: str, holds: str) -> None:
    beir.put(name, content)
    text = message(beir, DataError)
    assert f"{name} holds no {holds}" in text


def test_unknown_documents_and_queries_are_counted_and_named(beir: Folder) -> None:
    lines = "".join(f"q1\tx{i}\t1\n" for i in range(7)) + "q9\td1\t1\nq2\td2\t1\n"
    beir.put("qrels/test.tsv", "query-id\tcorpus-id\tscore\n" + lines)
    text = message(beir, DataError)
    assert "7 documents that the corpus lacks: 'x0', 'x1', 'x2', 'x3', 'x4', ..." in text
    assert "1 query that the queries lack: 'q9'" in text
    assert "allow_missing=True (--allow-missing" in text
    data = load_dataset(beir.path, allow_missing=True)
    assert data.qrels == {"q2": {"d2": 1}}
    assert data.queries.ids == ("q2",)
    assert (data.n_dropped, data.n_unjudged) == (8, 2)


def test_judgements_of_another_data_set_are_not_dropped_silently(beir: Folder) -> None:
    beir.put("qrels/test.tsv", "query-id\tcorpus-id\tscore\nz1\ty1\t1\n")
    fix = "Check that corpus, queries and qrels are of one data set."
    assert message(beir, DataError).endswith(f"that the queries lack: 'z1'. {fix}")
    text = message(beir, DataError, allow_missing=True)
    assert text == f"none of the judgements of 'bank' (1) names a known query and document. {fix}"


def test_a_missing_split_lists_those_that_exist(beir: Folder) -> None:
    beir.put("qrels/dev.tsv.gz", "q1\td1\t1\n")
    text = message(beir, DataError, split="tets")
    assert "has no split 'tets'; it has dev, test. Pass one of them: split='test'" in text
    assert "no split '../qrels/test'" in message(beir, DataError, split="../qrels/test")
    assert load_dataset(beir.path, split="dev").split == "dev"


def test_a_qrels_folder_without_splits_says_what_it_holds(beir: Folder) -> None:
    (beir.path / "qrels" / "test.tsv").rename(beir.path / "qrels" / "test.txt")
    assert "holds no SPLIT.tsv or SPLIT.tsv.gz; it holds test.txt." in message(beir, DataError)


def test_a_folder_that_is_no_data_set_says_what_was_looked_for(beir: Folder) -> None:
    text = message(beir.path.parent, DataError)
    assert "looked for corpus.jsonl, queries.jsonl" in text
    assert f"Did you mean {beir.path}?" in text
    beir.drop("queries.jsonl")
    assert "is no data set" in message(beir, DataError)
    assert "found corpus.jsonl, qrels/" in message(beir, DataError)


def test_two_files_of_one_part_are_refused(beir: Folder) -> None:
    beir.put("corpus.jsonl.gz", "{}")
    assert "holds both corpus.jsonl and corpus.jsonl.gz" in message(beir, DataError)


def test_bytes_that_are_not_utf8_name_line_and_column(beir: Folder) -> None:
    beir.put("queries.jsonl", b'{"_id": "q1", "text": "x"}\n{"_id": "q2", "text": "caf\xe9"}\n')
    assert "queries.jsonl:2:27: found the byte 0xe9, which is not UTF-8 here" in message(beir)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": "d1", "text": "x"}', "expected the field `_id`. Rename `id` to `_id`."),
        ('{"_id": "d1", "contents": "x"}', "Rename `contents` to `text`."),
        ('{"_id": "d1", "text": ["x"]}', "1:23: found a list as `text`; expected a string"),
        ('{"_id": "d1", "title": 3, "text": ""}', "1:24: found a number as `title`"),
        ('{"_id": 1.5, "text": "x"}', "1:9: found a number as `_id`"),
        ('["d1", "x"]', "1:1: found a list; expected a JSON object"),
        ('{"_id": "d1", "text": "\\ud83d"}', "1:24: found half a character (\\ud83d) in `text`"),
        ('{"_id": "d1", "text": "x"', "1:25: found broken JSON"),
    ],
)
def test_a_wrong_line_names_its_place_and_the_fix(beir: Folder, line: str, said: str) -> None:
    beir.put("corpus.jsonl", line)
    assert said in message(beir)


def test_cranfield_like_empty_documents_are_kept_and_counted(beir: Folder) -> None:
    lines = '{"_id": "d1", "title": "", "text": ""}\n{"_id": "d2", "title": "T", "text": ""}\n'
    beir.put("corpus.jsonl", lines)
    beir.put("qrels/test.tsv", "q1\td2\t1\n")
    data = load_dataset(beir.path)
    assert data.corpus.texts == ("", "T")
    assert data.corpus.n_empty == 1
