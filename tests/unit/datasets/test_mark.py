"""Queries that a machine wrote are known as such wherever their data set goes."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

import embedsmith as es
from embedsmith.datasets import (
    Corpus,
    Dataset,
    Qrels,
    Queries,
    RerankingSet,
    convert_file,
    load_task,
    write_beir,
)
from embedsmith.exceptions import DataError, ParseError
from embedsmith.hygiene import TrainingData, check_data, write_cleaned
from embedsmith.reports import comparison_text, evaluation_report

if TYPE_CHECKING:
    from pathlib import Path

CORPUS = Corpus(("d1", "d2"), ("A card costs 5.", "Loans need two signatures."))


def queries(*marked: object) -> Queries:
    count = len(marked)
    return Queries(
        tuple(f"q{place}" for place in range(count)),
        tuple(f"question {place}" for place in range(count)),
        {"synthetic": marked, "kind": ("keyword",) * count},
    )


def qrels(count: int) -> Qrels:
    return Qrels({f"q{place}": {f"d{1 + place % 2}": 1} for place in range(count)})


def written(folder: Path, *marked: object) -> Path:
    return write_beir(folder, CORPUS, queries(*marked), {"train": qrels(len(marked))})


def test_what_is_written_is_read_back_with_fields_hash_and_mark(tmp_path: Path) -> None:
    data = Dataset.build("d", CORPUS, queries(1, 1), qrels(2), split="train")
    found = es.load_dataset(written(tmp_path / "d", 1, 1), split="train")
    assert found.hash == data.hash
    assert found.queries.metadata == data.queries.metadata
    assert found.synthetic
    assert json.loads((tmp_path / "d" / "manifest.json").read_text())["synthetic"] is True


def test_passages_keep_their_documents(tmp_path: Path) -> None:
    corpus = CORPUS.collapsed({"d1": "doc", "d2": "doc"})
    judged = Qrels({"q0": {"doc": 1}})
    write_beir(tmp_path / "d", corpus, queries(None), {"test": judged})
    found = es.load_dataset(tmp_path / "d", collapse="field:document")
    assert found.corpus.documents == ("doc", "doc")


def test_other_splits_of_an_earlier_set_do_not_stay(tmp_path: Path) -> None:
    written(tmp_path / "d", 1)
    write_beir(tmp_path / "d", CORPUS, queries(1), {"test": qrels(1)})
    assert [file.name for file in (tmp_path / "d" / "qrels").iterdir()] == ["test.tsv"]


@pytest.mark.parametrize("name", ["", "../test", "a/b"])
def test_a_split_is_a_name_and_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="cannot name a split"):
        write_beir(tmp_path / "d", CORPUS, queries(1), {name: qrels(1)})


def test_the_mark_of_the_queries_alone_is_enough(tmp_path: Path) -> None:
    folder = written(tmp_path / "d", 1, 1)
    (folder / "manifest.json").unlink()
    found = es.load_dataset(folder, split="train")
    assert (found.n_synthetic, found.title) == (2, "d [synthetic queries]")


def test_the_mark_of_the_manifest_alone_is_enough(tmp_path: Path) -> None:
    folder = written(tmp_path / "d", None, None)
    assert es.load_dataset(folder, split="train").n_synthetic == 0
    (folder / "manifest.json").write_text('{"synthetic": true}')
    assert es.load_dataset(folder, split="train").title == "d [synthetic queries]"


def test_a_damaged_manifest_is_refused_since_it_may_hold_the_mark(tmp_path: Path) -> None:
    folder = written(tmp_path / "d", 1)
    (folder / "manifest.json").write_text('{"synthetic": tr')
    with pytest.raises(ParseError, match="may say that the queries are synthetic"):
        es.load_dataset(folder, split="train")


def test_some_queries_are_counted(tmp_path: Path) -> None:
    found = es.load_dataset(written(tmp_path / "d", 1, None, "false"), split="train")
    assert (found.n_synthetic, found.title) == (1, "d [1 of 3 queries synthetic]")


def test_lines_carry_the_mark_also_packed_and_beside_others(tmp_path: Path) -> None:
    lines = [
        {"query": "a?", "positive": "A.", "synthetic": True},
        {"query": "b?", "positive": 'B, a "synthetic" fund.'},
        {"query": "a?", "positive": "Also A."},
    ]
    packed = tmp_path / "pairs.jsonl.gz"
    packed.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    found = es.load_dataset(packed)
    assert found.queries.metadata == {"synthetic": (True, False)}
    reranked = load_task(packed, "reranking")
    assert isinstance(reranked, RerankingSet)
    assert reranked.dataset.n_synthetic == 1


def test_a_split_made_of_its_parts_keeps_the_mark(tmp_path: Path) -> None:
    data = es.load_dataset(written(tmp_path / "d", 1, 1, 1), split="train")
    part = Dataset.build(
        "part", data.corpus, data.queries.take([0, 2]), data.qrels, allow_missing=True
    )
    assert part.n_synthetic == 2


def test_a_copy_by_check_data_keeps_the_mark(tmp_path: Path) -> None:
    folder = written(tmp_path / "d", 1, 1)
    lines = tmp_path / "pairs.jsonl"
    lines.write_text('{"query": "a?", "positive": "A.", "synthetic": true}\n')
    for source, name in ((folder, ""), (lines, "pairs.jsonl")):
        data = TrainingData.of(source, "train")
        copy = tmp_path / f"copy{name}"
        write_cleaned(data, check_data(data), copy)
        assert es.load_dataset(copy / name, split="train").n_synthetic == len(data.query_ids)


def test_converting_judgements_says_that_the_mark_stays_behind(tmp_path: Path) -> None:
    folder = written(tmp_path / "d", 1)
    done = convert_file(folder / "qrels" / "train.tsv", tmp_path / "train.json", holds="qrels")
    assert any("mark of synthetic queries" in lost for lost in done.lost)


def test_an_evaluation_says_so_in_every_title(tmp_path: Path) -> None:
    data = es.load_dataset(written(tmp_path / "set", 1, 1), split="train")
    result = es.evaluate(
        {"a": "fake:16", "b": "fake:8"}, data, latency_queries=0, latency_seconds=0, cache=False
    )
    result.save(tmp_path / "result")
    kept = es.EvaluationResult.load(tmp_path / "result")
    mark = "set [synthetic queries]"
    assert kept.data.n_synthetic == 2
    assert mark in repr(kept)
    assert all(mark in model.statement for model in kept.models)
    assert evaluation_report(kept).startswith(mark)
    kept.report(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert f"<title>2 embedding models compared on {mark}" in page
    kept.report(tmp_path / "r.md")
    assert mark in (tmp_path / "r.md").read_text().splitlines()[0].replace("\\", "")
    compared = es.compare_results({"r": kept})
    assert mark in comparison_text(compared)
    assert compared.to_dict()["data"]["n_synthetic"] == 2
