"""``stream_corpus``: the same documents as the readers that hold all, in blocks."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from embedsmith.datasets import Corpus, DocumentStream, stream_corpus
from embedsmith.exceptions import DataError, ParseError

SAMPLE = Path(str(__import__("embedsmith").__file__)).parent / "datasets" / "samples" / "bank"


def columns(stream: DocumentStream) -> tuple[list[str], list[str], list[str]]:
    blocks = list(stream)
    return (
        [one for block in blocks for one in block.ids],
        [one for block in blocks for one in block.texts],
        [one for block in blocks for one in block.places],
    )


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_beir_folder_gives_what_load_dataset_gives() -> None:
    from embedsmith.datasets import load_dataset

    corpus = load_dataset(SAMPLE).corpus
    ids, texts, places = columns(stream_corpus(SAMPLE))
    assert (tuple(ids), tuple(texts)) == (corpus.ids, corpus.texts)
    assert places[0] == f"{SAMPLE / 'corpus.jsonl'}:1"


def test_packed_files_are_told_by_content_and_read_again(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="needs the extra 'data'")
    rows = [{"_id": n, "title": "T" * (n % 2), "text": f"text {n}"} for n in range(3000)]
    plain = write_lines(tmp_path / "c.jsonl", rows)
    packed = tmp_path / "c.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    zstd = tmp_path / "c.jsonl.zst"
    with arrow.CompressedOutputStream(str(zstd), "zstd") as file:
        file.write(plain.read_bytes())
    expected = columns(stream_corpus(plain))[:2]
    assert expected[1][:2] == ["text 0", "T text 1"]
    for path in (packed, zstd):
        stream = stream_corpus(path)
        assert columns(stream)[:2] == expected
        assert columns(stream)[:2] == expected
    assert max(len(block.ids) for block in stream_corpus(plain)) < 3000


def test_parquet_gives_what_lines_give(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="needs the extra 'data'")
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra 'data'")
    titles = ["T", "", None, " ", "T"]
    texts = ["x", "x", "x", " x", " "]
    table = arrow.table({"_id": [1, 2, 3, 4, 5], "title": titles, "text": texts, "more": texts})
    parquet.write_table(table, tmp_path / "c.parquet", row_group_size=2)
    rows = [
        {"_id": n, "title": title, "text": text}
        for n, title, text in zip([1, 2, 3, 4, 5], titles, texts, strict=True)
    ]
    expected = columns(stream_corpus(write_lines(tmp_path / "c.jsonl", rows)))
    found = columns(stream_corpus(tmp_path / "c.parquet"))
    assert found[:2] == expected[:2]
    assert found[1] == ["T x", "x", "x", " x", "T"]
    assert found[2][4] == f"{tmp_path / 'c.parquet'}: row 5"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"_id": ["a", None], "text": ["x", "y"]}, "row 2: found None as `_id`"),
        ({"_id": ["a", ""], "text": ["x", "y"]}, "row 2: found '' as `_id`"),
        ({"_id": ["a", "b"], "text": ["x", None]}, "row 2: found None as `text`"),
        ({"_id": ["a", "b"], "text": [1, 2]}, "row 1: found 1 as `text`"),
        ({"id": ["a", "b"], "text": ["x", "y"]}, "columns={'_id': 'ITS NAME'}"),
    ],
)
def test_a_bad_row_of_parquet_is_named(tmp_path: Path, values: dict[str, Any], said: str) -> None:
    arrow = pytest.importorskip("pyarrow", reason="needs the extra 'data'")
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra 'data'")
    parquet.write_table(arrow.table(values), tmp_path / "c.parquet")
    with pytest.raises(DataError) as caught:
        columns(stream_corpus(tmp_path / "c.parquet"))
    assert said in str(caught.value)


def test_damaged_parquet_is_an_error_with_its_path(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs the extra 'data'")
    (tmp_path / "c.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(ParseError, match=r"c\.parquet cannot be read as parquet"):
        columns(stream_corpus(tmp_path / "c.parquet"))


def test_columns_rename_what_a_file_has(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "c.jsonl", [{"doc": "a", "body": "x", "head": "T"}])
    names = {"_id": "doc", "text": "body", "title": "head"}
    assert columns(stream_corpus(path, columns=names))[:2] == (["a"], ["T x"])
    with pytest.raises(ParseError, match=r"c\.jsonl:1:1: .*expected the field `_id`"):
        columns(stream_corpus(path))
    with pytest.raises(DataError, match="names 'id', which is not read from a corpus"):
        stream_corpus(path, columns={"id": "doc"})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"_id": "b", "text": 7}', "c.jsonl:3:22: found a number as `text`"),
        ('{"_id": "b" "text": "x"}', "c.jsonl:3:13: found broken JSON"),
        ('{"_id": "b", "text": "\\ud83d"}', "c.jsonl:3:23: found half a character"),
    ],
)
def test_a_bad_line_is_named_by_file_line_and_column(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(f'{{"_id": "a", "text": "x"}}\n\n{line}\n')
    with pytest.raises(ParseError) as caught:
        columns(stream_corpus(path))
    assert said in str(caught.value)


def test_plain_lines_are_texts_with_their_numbers_as_ids(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt.gz"
    path.write_bytes(gzip.compress("\ufeffone\r\n\r\n  \nzwei ß\n".encode()))
    assert columns(stream_corpus(path))[:2] == (["1", "4"], ["one", "zwei ß"])
    path.write_bytes(b"caf\xe9\n")
    with pytest.raises(ParseError, match=r"notes\.txt\.gz:1:4: found the byte 0xe9"):
        columns(stream_corpus(path))


def test_a_folder_of_parts_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    for number in (1, 0, 2):
        write_lines(tmp_path / f"part-{number}.jsonl", [{"_id": number, "text": "x"}])
    assert columns(stream_corpus(tmp_path))[0] == ["0", "1", "2"]
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match="holds files of jsonl and txt"):
        stream_corpus(tmp_path)
    assert columns(stream_corpus(tmp_path, format="txt"))[1] == ["x"]
    write_lines(tmp_path / "corpus.jsonl", [{"_id": "beir", "text": "x"}])
    assert columns(stream_corpus(tmp_path))[0] == ["beir"]


def test_what_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "corpus", [{"_id": "a", "text": "x"}])
    with pytest.raises(DataError, match=r"format='jsonl' \(--format jsonl\)"):
        stream_corpus(path)
    assert columns(stream_corpus(path, format="jsonl"))[0] == ["a"]
    with pytest.raises(DataError, match="format='csv' is unknown"):
        stream_corpus(path, format="csv")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"does not exist.*Did you mean .*corpus"):
        stream_corpus(tmp_path / "corpos")
    with pytest.raises(DataError, match="a corpus.jsonl, or files of one format, are expected"):
        stream_corpus(tmp_path / "..")


def test_a_corpus_in_memory_names_positions_and_lone_surrogates() -> None:
    ids, texts, places = columns(stream_corpus(Corpus(("a", "b"), ("x", "ü"))))
    assert (ids, texts) == (["a", "b"], ["x", "ü"])
    assert places == ["the corpus, position 0", "the corpus, position 1"]
    with pytest.raises(DataError, match=r"position 1 \(id 'b'\): the text holds a lone surrogate"):
        columns(stream_corpus(Corpus(("a", "b"), ("x", "ok \ud83d"))))


def test_the_sample_is_a_corpus() -> None:
    assert len(columns(stream_corpus("sample:bank"))[0]) == 121
