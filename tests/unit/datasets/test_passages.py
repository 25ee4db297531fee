"""Corpora of passages: which document each belongs to, and judgements of either."""

from __future__ import annotations

import json
from typing import Any

import pytest

from embedsmith.datasets import Corpus, Dataset, Qrels, Queries, load_dataset
from embedsmith.exceptions import DataError

IDS = ("a#1", "a#2", "b#x#1", "c")
TEXTS = ("one", "two", "three", "four")
CORPUS = Corpus(IDS, TEXTS)


@pytest.mark.parametrize(
    "collapse",
    [
        "#",
        {"a#1": "a", "a#2": "a", "b#x#1": "b#x", "c": "c"},
        lambda one: one.rsplit("#", 1)[0],
    ],
)
def test_a_passage_belongs_to_what_stands_before_its_last_separator(collapse):
    assert CORPUS.collapsed(collapse).documents == ("a", "a", "b#x", "c")


def test_an_id_that_begins_with_the_separator_has_no_document_before_it():
    assert Corpus(("#1", "a#1"), ("x", "y")).collapsed("#").documents == ("#1", "a")


@pytest.mark.parametrize(
    ("collapse", "said"),
    [
        ("::", r"no id of the corpus has a document before '::': 'a#1', 'a#2', 'b#x#1'"),
        ("", "no id of the corpus has a document before ''"),
        ({"a#1": "a"}, "no document for 3 of 4 passages: 'a#2', 'b#x#1', 'c'"),
        (lambda _: None, "gives the passage 'a#1' the document None"),
        (lambda _: "", "gives the passage 'a#1' the document ''"),
        (7, "collapse=7 is neither a separator"),
        ("field:doc", "pass it to load_dataset"),
    ],
)
def test_what_collapses_nothing_is_refused(collapse: Any, said):
    with pytest.raises(DataError, match=said):
        CORPUS.collapsed(collapse)


def test_one_document_is_needed_for_each_passage():
    with pytest.raises(DataError, match="4 passages but 1 documents"):
        Corpus(IDS, TEXTS, ("a",))
    with pytest.raises(DataError, match="the document 3 at position 1"):
        Corpus(("x", "y"), ("1", "2"), ("a", 3))  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path):
    corpus = [
        {"_id": "p1", "text": "one", "doc": "A", "metadata": {"page": 3}},
        {"_id": "p2", "text": "two", "doc": "A", "metadata": {"page": 4}},
        {"_id": "p3", "text": "three", "doc": "B", "metadata": {"page": 3}},
    ]
    lines = "".join(json.dumps(one) + "\n" for one in corpus)
    (tmp_path / "corpus.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "two"}\n', encoding="utf-8")
    (tmp_path / "qrels").mkdir()
    return tmp_path


def judge(folder, *judgements):
    lines = "".join(f"q\t{doc}\t{grade}\n" for doc, grade in judgements)
    (folder / "qrels" / "test.tsv").write_text(lines, encoding="utf-8")


def test_judgements_may_be_of_documents_or_of_passages(folder):
    judge(folder, ("A", 1))
    data = load_dataset(folder, collapse="field:doc")
    assert data.corpus.documents == ("A", "A", "B")
    assert data.qrels["q"] == {"A": 1}
    judge(folder, ("p1", 1), ("p2", 3), ("B", 2))
    assert load_dataset(folder, collapse="field:doc").qrels["q"] == {"A": 3, "B": 2}
    judge(folder, ("p1", -1), ("p2", -2))
    assert load_dataset(folder, collapse="field:doc").qrels["q"] == {"A": -1}


def test_a_field_of_whole_numbers_counts_as_its_digits(folder):
    judge(folder, ("3", 1))
    assert load_dataset(folder, collapse="field:page").corpus.documents == ("3", "4", "3")


def test_a_document_that_no_passage_belongs_to_is_still_an_error(folder):
    judge(folder, ("A", 1), ("C", 1))
    with pytest.raises(DataError, match="1 document that the corpus lacks: 'C'"):
        load_dataset(folder, collapse="field:doc")
    dropped = load_dataset(folder, collapse="field:doc", allow_missing=True)
    assert (dropped.n_dropped, dropped.qrels["q"]) == (1, {"A": 1})


@pytest.mark.parametrize(
    ("collapse", "said"),
    [
        ("field:dco", "no document of the corpus has the field 'dco' to collapse by; there is"),
        ("field:metadata", "has the field 'metadata'"),
        ("#", "no id of the corpus has a document before '#'"),
    ],
)
def test_a_corpus_without_such_a_field_is_refused(folder, collapse, said):
    judge(folder, ("A", 1))
    with pytest.raises(DataError, match=said):
        load_dataset(folder, collapse=collapse)


def test_passages_without_the_field_are_named(folder):
    judge(folder, ("A", 1))
    with (folder / "corpus.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"_id": "p4", "text": "four"}\n')
    with pytest.raises(DataError, match="1 of 4 passages lack the field 'doc': 'p4'"):
        load_dataset(folder, collapse="field:doc")


def test_documents_are_part_of_the_identity_of_a_data_set():
    queries, qrels = Queries(("q",), ("one",)), Qrels({"q": {"c": 1}})
    plain = Dataset.build("d", CORPUS, queries, qrels)
    collapsed = plain.collapsed("#")
    assert collapsed.hash != plain.hash
    assert (plain.collapse, collapsed.collapse) == (None, "#")
    by_function = plain.collapsed(lambda one: one.rsplit("#", 1)[0])
    assert (by_function.hash, by_function.collapse) == (collapsed.hash, None)


def test_pairs_may_be_collapsed_by_a_mapping(tmp_path):
    file = tmp_path / "pairs.jsonl"
    file.write_text('{"query": "q", "positive": "p", "negative": "n"}\n', encoding="utf-8")
    data = load_dataset(file, collapse=lambda _: "all")
    assert set(data.corpus.documents or ()) == {"all"}
    assert list(data.qrels.values()) == [{"all": 1}]
