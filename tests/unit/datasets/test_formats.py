"""Judgements and results in every format: what reads back, what is refused, and in which words."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedsmith.datasets import Qrels, Run
from embedsmith.exceptions import DataError, ParseError

if TYPE_CHECKING:
    from pathlib import Path

RUN = {"q2": {"d1": 0.1, "d3": -1.5e300}, "q1": {"d3": 5e-324, "\u00e9": 0.0}}
QRELS = {"q2": {"d1": 1_000_000, "d3": -1}, "q1": {"d3": 0}}
ENDINGS = ("run", "json", "jsonl", "csv", "tsv")
PACKED = ("", ".gz", ".zst")


@pytest.mark.parametrize("ending", [f"{e}{p}" for e in ENDINGS for p in PACKED] + ["parquet"])
def test_what_is_written_reads_back(tmp_path: Path, ending: str) -> None:
    Run(RUN).write(tmp_path / f"run.{ending}")
    assert Run.read(tmp_path / f"run.{ending}") == RUN
    Qrels(QRELS).write(tmp_path / f"qrels.{ending}")
    assert Qrels.read(tmp_path / f"qrels.{ending}") == QRELS


def test_the_name_chooses_the_format_and_an_argument_overrules_it(tmp_path: Path) -> None:
    run = Run({"q 1": {"d": 0.5}})
    run.write(tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text() == '{"q 1": {"d": 0.5}}\n'
    run.write(tmp_path / "a.run", format="jsonl")
    assert json.loads((tmp_path / "a.run").read_text()) == {
        "query_id": "q 1",
        "doc_id": "d",
        "score": 0.5,
    }
    Qrels({"q": {"d": 1}}).write(tmp_path / "test.tsv")
    assert (tmp_path / "test.tsv").read_text() == "query-id\tcorpus-id\tscore\nq\td\t1\n"
    with pytest.raises(DataError, match=r"Choose 'trec', .* or 'parquet'"):
        run.write(tmp_path / "a", format="xml")  # type: ignore[arg-type]


def test_a_run_keeps_the_name_it_was_read_with(tmp_path: Path) -> None:
    (tmp_path / "a.run").write_text("q Q0 d 1 0.5 bm25\n")
    run = Run.read(tmp_path / "a.run")
    assert run.tag == "bm25"
    run.write(tmp_path / "b.run")
    assert (tmp_path / "b.run").read_text() == "q Q0 d 1 0.5 bm25\n"
    assert Run(RUN).tag is None


def test_only_json_keeps_a_query_without_results(tmp_path: Path) -> None:
    run = Run({"q": {"d": 0.5}, "empty": {}})
    run.write(tmp_path / "a.json")
    assert Run.read(tmp_path / "a.json") == run
    run.write(tmp_path / "a.csv")
    assert Run.read(tmp_path / "a.csv") == {"q": {"d": 0.5}}


@pytest.mark.parametrize(
    "text",
    [
        "qid,query,docno,rank,score\n1,text,d,0,0.5\n",
        "q_id\tdoc_id\tscore\n1\td\t0.5\n",
        "query-id;corpus-id;Score\n1;d;0.5\n",
        '{"qid": 1, "docno": "d", "score": 0.5}\n\n',
        '{\n  "1": {\n    "d": 0.5\n  }\n}',
        "\ufeff1\tQ0\td\t1\t.5\tt\r\n\r\n",
    ],
)
def test_other_tools_files_are_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "a").write_text(text, encoding="utf-8")
    assert Run.read(tmp_path / "a") == {"1": {"d": 0.5}}


def test_parts_of_a_query_that_lie_apart_are_joined_in_their_order(tmp_path: Path) -> None:
    lines = [f"q{i % 3} Q0 d{i} {i} {-i} t\n" for i in range(300_000)]
    (tmp_path / "a.run").write_text("".join(lines))
    assert (tmp_path / "a.run").stat().st_size > 4 << 20  # several pieces
    run = Run.read(tmp_path / "a.run")
    assert run.n_pairs == 300_000
    assert run.query_ids == ("q0", "q1", "q2")
    assert list(run["q1"].items())[:2] == [("d1", -1.0), ("d4", -4.0)]
    assert [len(run[q]) for q in run] == [100_000] * 3
    lines[250_000] = lines[10].replace("-10", "7")
    (tmp_path / "a.run").write_text("".join(lines))
    with pytest.raises(ParseError, match=r'a.run:250001:1: .*"d10" again \(first in line 11\)'):
        Run.read(tmp_path / "a.run")


BAD_RUNS: dict[str, tuple[str | bytes, str]] = {
    "five columns": ("q Q0 d 1 0.5\n", ":1:1: found five columns; .* Add the name of the run"),
    "nan": ("q Q0 d 1 0.5 t\nq Q0 e 2 NaN t\n", ':2:10: found "NaN" as the score'),
    "beyond f64": ("q Q0 d 1 1e999 t\n", r':1:10: found "1e999" .* beyond the largest 64-bit'),
    "pair twice": ("q Q0 d 1 1 t\nq Q0 d 2 1 t\n", r":2:1: found query .* \(first in line 1"),
    "not utf-8": (b"q Q0 d 1 1 t\nq Q0 \xff 2 1 t\n", ":2:6: found the byte 0xff"),
    "utf-16": ("q Q0 d 1 1 t\n".encode("utf-16"), ":1:1: found UTF-16 text"),
    "json nan": ('{"q":\n {"d": NaN}}', ":2:8: found broken JSON .* NaN and Infinity"),
    "json surrogate": ('{"q": {"\\ud800": 1}}', ":1:15: found half a character"),
    "json list": ('[{"q": 1}]', "expected an object of queries"),
    "json repeat": ('{"q": {"d": 1}, "q": {"e": 1}}', 'the query "q" a second time'),
    "json cut": ('{"q": {"d": 1', "The file may be cut"),
    "json text": ('{"q": {"d": "1"}}', "expected f64"),
    "jsonl cut": ('{"qid": 1, "docno": 2, "score": 3}\n{"qid"', ":2:6: found broken JSON"),
    "jsonl text": ('{"qid": 1, "docno": 2, "score": "3"}', "a string as `score`"),
    "csv short": ("qid,docno,score\nq,d\n", ":2:1: found 2 columns"),
    "csv score": ("qid,docno,score\nq,d,inf\n", ':2:5: found "inf"'),
    "zip": (b"PK\x03\x04rest", "found a zip archive"),
    "empty": ("", "holds no results"),
    "blank": ("\n \r\n\t\n", "holds no results"),
    "empty gz": (gzip.compress(b""), "holds no results"),
}


@pytest.mark.parametrize("case", BAD_RUNS)
def test_a_wrong_run_is_refused_with_its_place(tmp_path: Path, case: str) -> None:
    content, said = BAD_RUNS[case]
    file = tmp_path / "a"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=said):
        Run.read(file)


BAD_QRELS = {
    "grade beyond 32 bits": ("q 0 d 4294967296\n", ":1:7: found a number beyond 32 bits"),
    "fraction": ("q 0 d 0.5\n", ":1:7: found a fraction"),
    "json fraction": ('{"q": {"d": 0.5}}', "found 0.5 for query"),
    "run": ("q Q0 d 1 0.5 t\n", "six columns, as a TREC run has"),
    "csv": ("qid,docno,label\nq,d,2.0\n", "Write 2 instead"),
}


@pytest.mark.parametrize("case", BAD_QRELS)
def test_wrong_judgements_are_refused_with_their_place(tmp_path: Path, case: str) -> None:
    content, said = BAD_QRELS[case]
    (tmp_path / "a").write_text(content)
    with pytest.raises(DataError, match=said):
        Qrels.read(tmp_path / "a")


def test_a_nul_in_an_id_is_part_of_it_and_is_not_written_to_columns(tmp_path: Path) -> None:
    (tmp_path / "a.run").write_bytes(b"q Q0 d\0e 1 0.5 t\nq Q0 d 2 0.25 t\n")
    run = Run.read(tmp_path / "a.run")
    assert run == {"q": {"d\0e": 0.5, "d": 0.25}}
    with pytest.raises(DataError, match="would not be read back"):
        run.write(tmp_path / "b.run")
    run.write(tmp_path / "b.json")
    assert Run.read(tmp_path / "b.json") == run


def test_a_huge_line_is_read_and_a_column_too_many_in_it_is_found(tmp_path: Path) -> None:
    name = "d" * (3 << 20)
    (tmp_path / "a.run").write_text(f"q Q0 {name} 1 0.5 t\nq Q0 e 2 0.25 t\n")
    assert Run.read(tmp_path / "a.run")["q"] == {name: 0.5, "e": 0.25}
    (tmp_path / "a.run").write_text(f"q Q0 {name} 1 0.5 t\nq Q0 e 2 0.25 t u\n")
    with pytest.raises(ParseError, match=":2:1: found 7 columns"):
        Run.read(tmp_path / "a.run")


@pytest.mark.parametrize("ending", ["run.gz", "run.zst", "json.gz", "json.zst", "parquet"])
def test_a_truncated_archive_is_a_clear_error_at_every_length(tmp_path: Path, ending: str) -> None:
    whole = tmp_path / f"whole.{ending}"
    Run({f"q{i}": {f"d{j}": i / (j + 1) for j in range(9)} for i in range(40)}).write(whole)
    content = whole.read_bytes()
    cut = tmp_path / f"cut.{ending}"
    for end in range(4, len(content), max(1, len(content) // 40)):
        cut.write_bytes(content[:end])
        with pytest.raises(ParseError, match="truncated|damaged") as caught:
            Run.read(cut)
        assert str(cut) in str(caught.value)


def test_an_archive_that_unpacks_to_too_much_is_refused_early(tmp_path: Path) -> None:
    line = b"q Q0 " + b"d" * (1 << 20) + b" 1 0.5 t\n"
    with gzip.open(tmp_path / "bomb.gz", "wb", compresslevel=6) as file:
        for _ in range(260):
            file.write(line)
    assert (tmp_path / "bomb.gz").stat().st_size < 2 << 20
    with pytest.raises(ParseError, match="more than 256 MiB and 200 times .*gzip -d FILE"):
        Run.read(tmp_path / "bomb.gz")


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet_of_other_tools_is_read(tmp_path: Path) -> None:
    file = parquet(
        tmp_path / "a.parquet",
        qid=pa.array([2, 1, 2]),
        docno=pa.array(["a", "a", "b"]).dictionary_encode(),
        score=pa.array([0.5, 0.25, 1.0], pa.float32()),
        rank=[0, 0, 1],
    )
    assert Run.read(file) == {"2": {"a": 0.5, "b": 1.0}, "1": {"a": 0.25}}
    assert Run.read(file).query_ids == ("2", "1")
    assert Qrels.read(parquet(file, qid=["q"], docno=["d"], label=[2.0])) == {"q": {"d": 2}}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"qid": ["q"], "docno": ["d"]}, "found the columns qid, docno; expected query_id"),
        ({"qid": ["q"], "docno": [None], "score": [1.0]}, "found null in the column docno"),
        ({"qid": ["q", "q"], "docno": ["d", None], "score": [1.0, 2.0]}, "no docno in row 2"),
        ({"qid": ["q"], "docno": [""], "score": [1.0]}, "an empty docno in row 1"),
        ({"qid": [0.5], "docno": ["d"], "score": [1.0]}, "found double in the column qid"),
        ({"qid": ["q"], "docno": ["d"], "score": ["1"]}, "found string in the column score"),
        ({"qid": ["q"], "docno": ["d"], "score": [float("nan")]}, "found nan as score in row 1"),
        ({"qid": ["q", "q"], "docno": ["d", "d"], "score": [1.0, 2.0]}, r"row 2 \(first in row 1"),
        ({"qid": [], "docno": [], "score": []}, "holds no results"),
    ],
)
def test_a_wrong_parquet_file_names_column_and_row(
    tmp_path: Path, columns: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        Run.read(parquet(tmp_path / "a.parquet", **columns))


def test_a_parquet_file_of_absurdly_many_rows_is_refused(tmp_path: Path) -> None:
    rows = 1 << 25
    file = parquet(
        tmp_path / "a.parquet",
        qid=pa.DictionaryArray.from_arrays(pa.nulls(rows, pa.int8()).fill_null(0), ["q"]),
        docno=pa.DictionaryArray.from_arrays(pa.nulls(rows, pa.int8()).fill_null(0), ["d"]),
        score=pa.nulls(rows, pa.float32()).fill_null(0.0),
    )
    assert file.stat().st_size < 1 << 20
    with pytest.raises(ParseError, match="expected one that packs to no less"):
        Run.read(file)


def test_a_pipe_is_read_as_a_file_is(tmp_path: Path) -> None:
    import os
    import threading

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("q Q0 d 1 0.5 t\n",))
    writer.start()
    assert Run.read(pipe) == {"q": {"d": 0.5}}
    writer.join()
