"""``read_labels``: files as people and tools keep them; what is not known is refused by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import embedsmith as es
from embedsmith.exceptions import DataError, ParseError

if TYPE_CHECKING:
    from pathlib import Path

LONG = "query,passage,annotator,grade\nfee?,Free.,anna,1\nfee?,Five.,anna,0\nfee?,Free.,ben,0\n"
WIDE = "Frage;Textstelle;Bewertung Anna;Bewertung Ben\nGebühr?;Frei;ja;nein\nGebühr?;Fünf;ja;\n"


def given(labels: es.Labels) -> list[tuple[str, str, str, int]]:
    """Return query text, document text, annotator and grade of each judgement."""
    return [
        (labels.query_texts[j.query_id], labels.document_texts[j.document_id], j.annotator, j.grade)
        for j in labels.judgements
    ]


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_a_row_for_each_judgement(tmp_path: Path) -> None:
    labels = es.read_labels(written(tmp_path / "a.csv", LONG))
    assert given(labels) == [
        ("fee?", "Free.", "anna", 1),
        ("fee?", "Five.", "anna", 0),
        ("fee?", "Free.", "ben", 0),
    ]
    assert labels.sources[0].layout == "long"


@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-32", "utf-32"),
        ("cp1252", "cp1252"),
    ],
)
@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_encodings_and_delimiters_are_told_by_the_content(
    tmp_path: Path, encoding: str, told: str, delimiter: str
) -> None:
    file = written(tmp_path / "a.csv", WIDE.replace(";", delimiter), encoding)
    labels = es.read_labels(file)
    assert given(labels) == [
        ("Gebühr?", "Frei", "Bewertung Anna", 1),
        ("Gebühr?", "Frei", "Bewertung Ben", 0),
        ("Gebühr?", "Fünf", "Bewertung Anna", 1),
    ]
    source = labels.sources[0]
    assert source.how["encoding"] == told
    assert (source.layout, source.n_not_judged) == ("wide", 1)
    assert any("Windows-1252" in note and "Gebühr" in note for note in labels.notes) == (
        encoding == "cp1252"
    )


def test_a_comma_in_german_texts_does_not_win_over_the_semicolon(tmp_path: Path) -> None:
    text = "Frage;Absatz;Relevanz\nwas, bitte, kostet es?;Frei, ganz und gar;1\n"
    assert given(es.read_labels(written(tmp_path / "a.csv", text))) == [
        ("was, bitte, kostet es?", "Frei, ganz und gar", "a", 1)
    ]


def test_the_line_by_which_excel_names_its_separator_is_no_header(tmp_path: Path) -> None:
    labels = es.read_labels(written(tmp_path / "a.csv", "sep=;\n" + WIDE))
    assert labels.judgements[0].where == f"{tmp_path / 'a.csv'}:3: 'Bewertung Anna'"


def test_quotes_of_a_tab_file_without_quoting_are_characters(tmp_path: Path) -> None:
    labels = es.read_labels(
        written(tmp_path / "a.tsv", 'query\ttext\tgrade\n"fee" now?\tthe "fee\t1\n')
    )
    assert given(labels) == [('"fee" now?', 'the "fee', "a", 1)]
    assert any("quotes" in note for note in labels.notes)


def test_each_file_is_an_annotator_where_no_column_says(tmp_path: Path) -> None:
    files = [
        written(tmp_path / f"{who}.csv", f"query,text,grade\nfee?,Free.,{grade}\n")
        for who, grade in (("anna", 2), ("ben", 1))
    ]
    labels = es.read_labels(files)
    assert [(j.annotator, j.grade) for j in labels.judgements] == [("anna", 2), ("ben", 1)]
    assert any("called 'anna'" in note for note in labels.notes)


@pytest.mark.parametrize(
    ("word", "grade"),
    [
        ("relevant", 1),
        ("Not-Relevant", 0),
        ("YES", 1),
        ("nein", 0),
        ("3", 3),
        ("2,0", 2),
        ("-1", -1),
    ],
)
def test_words_and_numbers_become_grades(tmp_path: Path, word: str, grade: int) -> None:
    labels = es.read_labels(written(tmp_path / "a.csv", f'query;text;grade\nq;d;"{word}"\n'))
    assert labels.judgements[0].grade == grade


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("partly", "--grade 'partly=1'"),
        ("nan", "no judgement.*--not-judged 'nan'"),
        ("1.5", "whole number"),
        ("inf", "what number it stands for"),
        ("45231", "right column"),
    ],
)
def test_a_grade_that_is_not_known_is_refused_with_what_to_pass(
    tmp_path: Path, word: str, why: str
) -> None:
    file = written(tmp_path / "a.csv", f"query,text,grade\nq,d,{word}\n")
    with pytest.raises(DataError, match=rf"a\.csv:2: 'grade'.*{why}"):
        es.read_labels(file)


def test_a_mapping_replaces_the_words_that_are_known(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "query,text,grade\nq,a,partly\nq,b,Relevant\nq,c,?\n")
    labels = es.read_labels(file, grades={"partly": 1, "relevant": 2}, not_judged=["?"])
    assert [j.grade for j in labels.judgements] == [1, 2]
    with pytest.raises(DataError, match="'Relevant', which grades does not name"):
        es.read_labels(file, grades={"partly": 1}, not_judged=["?"])


def test_words_beside_a_longer_scale_are_two_scales(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "query,text,grade\nq,a,relevant\nq,b,3\n")
    with pytest.raises(DataError, match=r"two scales.*--grade 'relevant=3'"):
        es.read_labels(file)


def test_a_mistyped_column_is_refused_with_the_nearest(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "Frgae;Absatz;Relevanz\nq;d;1\n")
    with pytest.raises(DataError, match=r"hold the query or its id.*'Frgae'"):
        es.read_labels(file)
    with pytest.raises(DataError, match=r"no column 'Frage'.*Did you mean query='Frgae'"):
        es.read_labels(file, columns={"query": "Frage"})
    with pytest.raises(DataError, match=r"Did you mean query=Frgae"):
        es.read_labels(file, columns={"qeury": "Frgae"})
    assert es.read_labels(file, columns={"query": "Frgae"}).judgements[0].grade == 1


def test_columns_of_grades_are_never_guessed(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "query,text,page,Anna,Ben\nq,d,7,1,0\n")
    with pytest.raises(DataError, match=r"--annotators 'page,Anna,Ben'"):
        es.read_labels(file)
    labels = es.read_labels(file, annotators=["Anna", "Ben"])
    assert labels.annotators == {"Anna": 1, "Ben": 1}
    assert labels.sources[0].not_read == ("page",)
    with pytest.raises(DataError, match="Did you mean 'Anna'"):
        es.read_labels(file, annotators=["Ana", "Ben"])


def test_two_columns_for_one_role_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "query,question,text,grade\nq,r,d,1\n")
    with pytest.raises(DataError, match="'query' and 'question' could each be the query"):
        es.read_labels(file)


def test_one_column_of_grades_beside_annotators_own_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "query,text,grade,grade Anna\nq,d,1,0\n")
    with pytest.raises(DataError, match="Say which count"):
        es.read_labels(file)
    assert es.read_labels(file, columns={"grade": "grade"}).judgements[0].grade == 1


@pytest.mark.parametrize(
    ("text", "error", "why"),
    [
        ("", DataError, "is empty"),
        (" \n\n", DataError, "is empty"),
        ("query,text,grade\n", DataError, "no row below"),
        ("query,text,grade\nq,d,\n", DataError, "every grade is empty"),
        ("query,text,grade\nq,d,1,2\n", DataError, "4 cells.*3 columns"),
        ("query,text,grade\n,d,1\n", DataError, "no query.*--fill-down"),
        ("query,text,grade\nq,,1\n", DataError, "no document"),
        ("query,text,annotator,grade\nq,d,,1\n", DataError, "nobody is named"),
        ('query,text,grade\nq,"d,1\n', ParseError, r"a\.csv:2.*quote may be left open"),
        ("query,text,grade\nq," + "x" * 2_000_000 + ",1\n", ParseError, "limit"),
        ("grade\n1\n", DataError, "no column separator"),
    ],
)
def test_a_broken_table_is_refused_where_it_breaks(
    tmp_path: Path, text: str, error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        es.read_labels(written(tmp_path / "a.csv", text))


def test_an_empty_query_is_that_above_only_if_asked_for(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "query,text,grade\nq,a,1\n,b,0\n")
    labels = es.read_labels(file, fill_down=True)
    assert [row[:2] for row in given(labels)] == [("q", "a"), ("q", "b")]


def test_lines_above_the_header_are_skipped_if_named(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "Labels of 2026,,\n,,\nquery,text,grade\nq,d,1\n")
    with pytest.raises(DataError, match="--header-row"):
        es.read_labels(file)
    assert es.read_labels(file, header_row=3).judgements[0].grade == 1


def test_two_grades_of_one_annotator_are_named_and_equal_ones_count_once(tmp_path: Path) -> None:
    twice = written(tmp_path / "a.csv", "query,text,grade\nq,d,1\nq,d,1\n")
    labels = es.read_labels(twice)
    assert len(labels.judgements) == 1
    assert any("1 judgements are given again" in note for note in labels.notes)
    apart = written(tmp_path / "b.csv", "query,text,grade\nq,d,1\nq,d,2\n")
    with pytest.raises(DataError, match=r"'b' gave .* 1 \(.*b\.csv:2.*\) and 2 \(.*b\.csv:3"):
        es.read_labels(apart)


def test_texts_and_ids_come_from_a_corpus(tmp_path: Path) -> None:
    corpus = written(
        tmp_path / "corpus.jsonl",
        '{"_id": "d1", "title": "Fees", "text": "Free of charge."}\n'
        '{"_id": "d2", "text": "Five."}\n',
    )
    queries = written(tmp_path / "queries.jsonl", '{"_id": "q1", "text": "fee?"}\n')
    qrels = written(tmp_path / "anna.qrels", "q1 0 d1 2\nq1 0 d2 0\n")
    with pytest.raises(DataError, match=r"1 query without a text.*--queries"):
        es.read_labels(qrels, corpus=corpus)
    labels = es.read_labels(qrels, corpus=corpus, queries=queries)
    assert given(labels)[0] == ("fee?", "Fees Free of charge.", "anna", 2)
    by_text = written(tmp_path / "b.csv", "query,text,grade\nfee?,  Five.,1\n")
    labels = es.read_labels(by_text, corpus=corpus, queries=queries)
    assert (labels.judgements[0].query_id, labels.judgements[0].document_id) == ("q1", "d2")
    slipped = written(tmp_path / "c.csv", "query_id,doc_id,text,grade\nq1,d2,Other,1\n")
    labels = es.read_labels(slipped, corpus=corpus, queries=queries)
    assert any("slipped apart" in note for note in labels.notes)
    unknown = written(tmp_path / "d.csv", "query_id,doc_id,grade\nq1,d11,1\n")
    with pytest.raises(DataError, match=r"'d11' \(.*d\.csv:2.*Did you mean 'd1'"):
        es.read_labels(unknown, corpus=corpus, queries=queries)
    with pytest.raises(DataError, match="1 text of a document not in the given corpus"):
        es.read_labels(written(tmp_path / "e.csv", LONG), corpus=corpus)


def test_an_id_with_two_texts_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "qid,query,text,grade\n1,fee?,a,1\n1,cost?,b,1\n")
    with pytest.raises(DataError, match=r"query '1' has two texts: 'fee\?'.*'cost\?'"):
        es.read_labels(file)


def test_a_beir_folder_is_one_annotator(tmp_path: Path) -> None:
    done = es.import_labels(
        written(tmp_path / "a.csv", "query,text,grade\nq,d,1\n"), tmp_path / "x"
    )
    labels = es.read_labels(done.folder)
    assert given(labels) == [("q", "d", "x", 1)]
    assert labels.sources[0].kind == "beir"


def task(number: int, query: str, text: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    """Return a task as Label Studio exports it, after its documentation of the format."""
    return {
        "id": number,
        "data": {"query": query, "text": text},
        "annotations": [
            {"id": 100 + at, "was_cancelled": False, "ground_truth": False, "lead_time": 4.2, **one}
            for at, one in enumerate(annotations)
        ],
        "predictions": [{"model_version": "m", "result": [answer("choices", ["relevant"])]}],
        "project": 3,
    }


def answer(kind: str, value: Any, name: str = "relevance") -> dict[str, Any]:
    key = {"choices": "choices", "rating": "rating", "number": "number"}[kind]
    return {"from_name": name, "to_name": "text", "type": kind, "value": {key: value}}


def dumped(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_label_studio_tasks_with_all_their_annotations(tmp_path: Path) -> None:
    tasks = [
        task(
            1,
            "fee?",
            "Free.",
            {"completed_by": 7, "result": [answer("choices", ["relevant"])]},
            {"completed_by": {"id": 8, "email": "ben@x.example"}, "result": []},
            {
                "completed_by": 9,
                "was_cancelled": True,
                "result": [answer("choices", ["relevant"])],
            },
        ),
        task(2, "fee?", "Five.", {"completed_by": 7, "result": [answer("rating", 0)]}),
    ]
    labels = es.read_labels(dumped(tmp_path / "a.json", tasks))
    assert given(labels) == [("fee?", "Free.", "7", 1), ("fee?", "Five.", "7", 0)]
    assert labels.sources[0].n_not_judged == 1
    assert {note.partition(": ")[2] for note in labels.notes} == {
        "1 cancelled annotation left out.",
        "predictions of 2 tasks are not read.",
    }


def test_of_several_controls_the_grade_is_named(tmp_path: Path) -> None:
    results = [answer("rating", 2), answer("choices", ["clear"], "wording")]
    file = dumped(tmp_path / "a.json", [task(1, "q", "d", {"completed_by": 1, "result": results})])
    with pytest.raises(DataError, match=r"'relevance', 'wording'.*--question"):
        es.read_labels(file)
    assert es.read_labels(file, question="relevance").judgements[0].grade == 2
    with pytest.raises(DataError, match="no answers to 'relevanz'"):
        es.read_labels(file, question="relevanz")


def test_the_flat_export_of_label_studio_is_a_table(tmp_path: Path) -> None:
    rows = [{"id": 1, "query": "q", "text": "d", "relevance": {"choices": ["yes"]}, "annotator": 4}]
    assert given(es.read_labels(dumped(tmp_path / "a.json", rows))) == [("q", "d", "4", 1)]


NESTED = {
    "id": "r1",
    "fields": {"query": "fee?", "passage": "Free."},
    "metadata": {"doc_id": "d1"},
    "suggestions": {"relevance": {"value": "no", "score": 0.3, "agent": "m"}},
    "responses": {
        "relevance": [
            {"value": "yes", "user_id": "u-1", "status": "submitted"},
            {"value": "no", "user_id": "u-2", "status": "draft"},
        ]
    },
    "vectors": {},
    "status": "completed",
    "_server_id": None,
}
FLAT = {
    "id": "r1",
    "status": "completed",
    "_server_id": None,
    "query": "fee?",
    "passage": "Free.",
    "doc_id": "d1",
    "relevance.responses": ["yes", "no"],
    "relevance.responses.users": ["u-1", "u-2"],
    "relevance.responses.status": ["submitted", "discarded"],
    "relevance.suggestion": "no",
    "relevance.suggestion.score": 0.3,
    "relevance.suggestion.agent": "m",
}


@pytest.mark.parametrize("record", [NESTED, FLAT])
@pytest.mark.parametrize("lines", [False, True])
def test_argilla_records_without_drafts_and_suggestions(
    tmp_path: Path, record: dict[str, Any], *, lines: bool
) -> None:
    file = tmp_path / "a.json"
    file.write_text(f"{json.dumps(record)}\n" * 2 if lines else json.dumps([record]))
    labels = es.read_labels(file)
    assert given(labels) == [("fee?", "Free.", "u-1", 1)]
    assert labels.judgements[0].document_id == "d1"
    assert any("draft or discarded" in note for note in labels.notes)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[]", "empty list"),
        (b"[1]", "entry 1 is 1"),
        (b'{"query": "q"', "no JSON"),
        (b"[" * 100_000, "too deeply|no JSON"),
        (b"\xff\xfe[", "not UTF-8"),
        (b'[{"id": 1, "data": {"query": "q", "text": "d"}, "annotations": [5]}]', "result"),
        (b'[{"query": "q\\ud800", "text": "d", "grade": 1}]', "lone surrogate"),
        (b'[{"query": ["a", "b"], "text": "d", "grade": 1}]', "expected a text"),
    ],
)
def test_a_broken_export_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(DataError, match=why):
        es.read_labels(file)


def test_files_that_are_not_there_or_given_twice(tmp_path: Path) -> None:
    file = written(tmp_path / "labels.csv", LONG)
    with pytest.raises(DataError, match=r"Did you mean .*labels\.csv"):
        es.read_labels(tmp_path / "labls.csv")
    with pytest.raises(DataError, match="given twice"):
        es.read_labels([file, file])
    with pytest.raises(DataError, match="no file"):
        es.read_labels([])
