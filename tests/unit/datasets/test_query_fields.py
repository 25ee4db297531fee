"""Fields that queries have beside id and text, and the way they reach ``Queries.metadata``."""

from __future__ import annotations

import codecs
import gzip
import json

import pytest

from embedsmith.datasets import Corpus, Dataset, Qrels, Queries, load_dataset
from embedsmith.exceptions import DataError

QUERIES = [
    {"_id": "q1", "text": 'he said "x": y', "product": "loans", "metadata": {"words": 3}},
    {"_id": "q2", "text": "plain"},
    {"_id": 3, "text": "third", "title": "not a field", "metadata": {"product": "cards"}},
    {"_id": "q4", "text": "not judged", "product": "savings"},
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d", "text": "t"}\n', encoding="utf-8")
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("q1\td\t1\n3\td\t1\nq2\td\t1\n", encoding="utf-8")
    return tmp_path


def zstd(text):
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra 'data'")
    return pyarrow.Codec("zstd").compress(text, asbytes=True)


def write(folder, queries, *, ending=".jsonl", encode=bytes):
    text = "\n".join(json.dumps(query) for query in queries) + "\n"
    (folder / f"queries{ending}").write_bytes(encode(text.encode("utf-8")))


@pytest.mark.parametrize(
    ("ending", "encode"),
    [
        (".jsonl", bytes),
        (".jsonl.gz", gzip.compress),
        (".jsonl", lambda text: codecs.BOM_UTF8 + text.replace(b"\n", b"\r\n\r\n")),
        (".jsonl", lambda text: codecs.BOM_UTF8 + b"\n" + text),
        (".jsonl", zstd),
    ],
)
def test_fields_are_kept_beside_the_judged_queries(folder, ending, encode):
    write(folder, QUERIES, ending=ending, encode=encode)
    queries = load_dataset(folder).queries
    assert queries.ids == ("q1", "q2", "3")
    assert queries.metadata == {"product": ("loans", None, "cards"), "words": (3, None, None)}


def test_a_metadata_field_that_is_no_object_is_a_field_of_that_name(folder):
    write(folder, [{"_id": "q1", "text": "a", "metadata": "m"}, *QUERIES[1:3]])
    assert load_dataset(folder).queries.metadata["metadata"] == ("m", None, None)


def test_a_field_in_two_places_with_two_values_is_refused(folder):
    write(folder, [{"_id": "q1", "text": "a", "k": 1, "metadata": {"k": 2}}, *QUERIES[1:3]])
    with pytest.raises(DataError, match=r"'q1' has the field 'k' twice, as 1 and in 'metadata'"):
        load_dataset(folder)


def test_a_field_nested_without_end_is_refused_by_its_file(folder):
    deep = "[" * 100_000 + "]" * 100_000
    line = f'{{"_id": "q1", "text": "a", "k": {deep}}}\n'
    rest = "".join(json.dumps(query) + "\n" for query in QUERIES[1:3])
    (folder / "queries.jsonl").write_text(line + rest, encoding="utf-8")
    with pytest.raises(DataError, match=r"queries\.jsonl"):
        load_dataset(folder)


def test_fields_do_not_change_the_identity_of_a_data_set():
    def built(metadata):
        queries = Queries(("q",), ("a",), metadata)
        return Dataset.build("d", Corpus(("d",), ("t",)), queries, Qrels({"q": {"d": 1}}))

    assert built({}).hash == built({"product": ("loans",)}).hash
    assert built({}) != built({"product": ("loans",)})
    assert hash(built({}).queries) == hash(built({"product": ["loans"]}).queries)


def test_fields_of_another_length_are_refused():
    with pytest.raises(DataError, match="2 values of the field 'product' for 1 ids"):
        Queries(("q",), ("a",), {"product": ("x", "y")})


def test_the_sample_has_a_topic_and_a_kind_for_each_query():
    metadata = load_dataset("sample:bank").queries.metadata
    assert set(metadata) == {"topic", "kind"}
    assert all(None not in values for values in metadata.values())
