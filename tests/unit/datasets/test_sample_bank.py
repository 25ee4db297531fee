"""The bundled sample is whole: what its README promises holds for the files that are shipped."""

from __future__ import annotations

import importlib.resources
import json
import re
from collections import Counter
from typing import Any

import pytest

SAMPLE = importlib.resources.files("embedsmith") / "datasets" / "samples" / "bank"
SECTION = re.compile(r"\b([A-Z]{2}) (\d\.\d)\b")


def read(name: str) -> str:
    return SAMPLE.joinpath(*name.split("/")).read_text(encoding="utf-8")


def records(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in read(name).splitlines()]


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


@pytest.fixture(scope="module")
def corpus() -> list[dict[str, Any]]:
    return records("corpus.jsonl")


@pytest.fixture(scope="module")
def queries() -> list[dict[str, Any]]:
    return records("queries.jsonl")


@pytest.fixture(scope="module")
def judgements() -> list[tuple[str, str, int]]:
    header, *lines = read("qrels/test.tsv").splitlines()
    assert header == "query-id\tcorpus-id\tscore"
    rows = [line.split("\t") for line in lines]
    return [(query, document, int(grade)) for query, document, grade in rows]


def test_counts_are_those_of_the_readme(corpus, queries, judgements):
    readme = read("README.md")
    per_query = Counter(query for query, _, _ in judgements)
    several = sum(count > 1 for count in per_query.values())
    unasked = {row["_id"] for row in corpus} - {document for _, document, _ in judgements}
    for count, noun in [
        (len(corpus), "passages"),
        (len(queries), "questions"),
        (len(judgements), "judgements"),
        (several, "questions have more than one relevant passage"),
        (len(unasked), "passages answer no question"),
    ]:
        assert f"**{count}** {noun}" in readme
    assert several >= 40


def test_grades_are_those_of_the_readme(judgements):
    readme = read("README.md")
    counts = Counter(grade for _, _, grade in judgements)
    assert set(counts) == {1, 2, 3}
    for grade, count in counts.items():
        assert re.search(rf"^\| {grade} \|.*\| {count} \|$", readme, re.MULTILINE), grade


def test_identifiers_are_unique_and_without_blanks(corpus, queries):
    for rows in (corpus, queries):
        ids = [row["_id"] for row in rows]
        assert len(set(ids)) == len(ids)
        # A TREC run separates its columns by blanks.
        assert all(re.fullmatch(r"[A-Za-z0-9.-]+", identifier) for identifier in ids)


def test_every_judgement_names_a_question_and_a_passage(corpus, queries, judgements):
    assert {query for query, _, _ in judgements} <= {row["_id"] for row in queries}
    assert {document for _, document, _ in judgements} <= {row["_id"] for row in corpus}
    pairs = [(query, document) for query, document, _ in judgements]
    assert len(set(pairs)) == len(pairs)


def test_every_question_has_an_answer_of_grade_two_or_three(queries, judgements):
    answered = {query for query, _, grade in judgements if grade > 1}
    assert {row["_id"] for row in queries} == answered


def test_no_text_occurs_twice(corpus, queries):
    for rows in (corpus, queries):
        texts = [" ".join(words(row["text"])) for row in rows]
        assert len(set(texts)) == len(texts)


def test_passages_fit_into_a_small_models_window(corpus):
    lengths = {row["_id"]: len(words(row["text"])) for row in corpus}
    assert {key: n for key, n in lengths.items() if not 50 <= n <= 180} == {}


def test_each_passage_opens_with_its_own_section_number(corpus):
    for row in corpus:
        manual, section = row["_id"].split("-")[:2]
        assert row["text"].startswith(f"{manual} {section} "), row["_id"]


def test_every_cross_reference_leads_to_a_passage(corpus):
    ids = {row["_id"] for row in corpus}
    dangling = [
        (row["_id"], " ".join(target))
        for row in corpus
        for target in SECTION.findall(row["text"])
        if "-".join(target) not in ids
    ]
    assert dangling == []


def test_a_superseded_version_stands_beside_the_one_in_force(corpus):
    texts = {row["_id"]: row["text"] for row in corpus}
    old = [key for key in texts if re.fullmatch(r"[A-Z]{2}-\d\.\d-\d{4}", key)]
    assert old
    for key in old:
        assert "superseded on" in texts[key]
        assert "in force from" in texts[key.rsplit("-", 1)[0]]


def test_fields_are_text_and_not_blank(corpus, queries):
    for rows, fields in (
        (corpus, {"_id", "title", "text", "topic"}),
        (queries, {"_id", "text", "topic", "kind"}),
    ):
        for row in rows:
            assert set(row) == fields
            assert all(isinstance(value, str) and value.strip() == value for value in row.values())
            assert all(row.values())


def test_sample_is_small_enough_to_ship():
    files = ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv", "README.md")
    assert sum(len(read(name).encode()) for name in files) < 150_000
