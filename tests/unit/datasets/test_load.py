"""``load_dataset``: paths, formats, samples, files of pairs, and the real sets."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

import embedsmith
from embedsmith.datasets import load_dataset
from embedsmith.exceptions import DataError, ParseError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.datasets.conftest import Folder

PAIRS = (
    '{"query": "lost card", "positive": "Cards are blocked.", "negative": "Fees are listed."}\n'
    '{"query": "costs", "positives": ["Fees are listed."], "negatives": ["Loans.", "Cards."]}\n'
    '{"query": "lost card", "positive": ["Cards are blocked.", "Cards."]}\n'
)


def content_id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def test_pairs_become_a_data_set_with_ids_by_content(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text(PAIRS)
    data = load_dataset(file, split="train")
    assert (data.name, data.split) == ("train", "train")
    assert data.corpus.texts == ("Cards are blocked.", "Fees are listed.", "Loans.", "Cards.")
    assert data.corpus.ids == tuple(map(content_id, data.corpus.texts))
    assert data.queries.texts == ("lost card", "costs")
    blocked, fees, _, cards = data.corpus.ids
    lost, costs = data.queries.ids
    assert data.qrels == {lost: {blocked: 1, cards: 1}, costs: {fees: 1}}


def test_reordered_pairs_keep_their_ids(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(PAIRS)
    there = load_dataset(file).qrels
    file.write_text("".join(reversed(PAIRS.splitlines(keepends=True))))
    assert load_dataset(file).qrels == there


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"anchor": "q", "positive": "p"}', "Rename `anchor` to `query`."),
        ('{"query": "q"}', "Add `positive` to the object."),
        ('{"query": "q", "positive": 7}', "1:28: found a number as `positive`"),
        ('{"query": "q", "positive": "p", "negative": "p"}', "positive and as negative"),
        ("query,positive", "expected a JSON object"),
    ],
)
def test_a_wrong_pair_names_its_place_and_the_fix(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(line)
    with pytest.raises(ParseError) as caught:
        load_dataset(file)
    assert said in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_wrong_path_offers_the_nearest_name(beir: Folder) -> None:
    with pytest.raises(DataError, match=r"bnak does not exist\. Did you mean .*bank\?"):
        load_dataset(beir.path.parent / "bnak")
    with pytest.raises(DataError, match="nor does the folder"):
        load_dataset(beir.path / "no" / "where")


def test_a_part_of_a_folder_names_the_folder(beir: Folder) -> None:
    for name in ("corpus.jsonl", "qrels/test.tsv"):
        with pytest.raises(DataError) as caught:
            load_dataset(beir.path / name)
        assert f"Name its folder: {beir.path}." in str(caught.value)


def test_a_format_that_does_not_fit_is_refused(beir: Folder) -> None:
    with pytest.raises(DataError, match="Choose one of beir, jsonl"):
        load_dataset(beir.path, format="trec")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="reads one file"):
        load_dataset(beir.path, format="jsonl")
    with pytest.raises(DataError, match="Name the folder"):
        load_dataset(beir.path / "corpus.jsonl", format="beir")


def test_an_unknown_sample_lists_those_that_exist(
    beir: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = beir.path.parent / "package"
    (package / "samples").mkdir(parents=True)
    monkeypatch.setattr("importlib.resources.files", lambda _: package)
    with pytest.raises(DataError, match="none in this installation"):
        load_dataset("sample:bank")
    beir.path.rename(package / "samples" / "bank")
    with pytest.raises(DataError, match=r"no sample 'bnk'. Those that exist: 'sample:bank'\."):
        load_dataset("sample:bnk")
    with pytest.raises(DataError, match="no sample"):
        load_dataset("sample:../samples/bank")
    assert load_dataset("sample:bank").name == "bank"


def test_a_sample_honours_format_and_allow_missing(
    beir: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = beir.path.parent / "package"
    (package / "samples").mkdir(parents=True)
    monkeypatch.setattr("importlib.resources.files", lambda _: package)
    beir.put("qrels/test.tsv", "q1\td1\t1\nq1\tgone\t1\n")
    beir.path.rename(package / "samples" / "bank")
    with pytest.raises(DataError, match="gone"):
        load_dataset("sample:bank")
    assert load_dataset("sample:bank", allow_missing=True).n_dropped == 1
    with pytest.raises(DataError, match="pass format='beir'"):
        load_dataset("sample:bank", format="jsonl")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("q1 0 d1 2", r"holds judgements without texts. Read it with Qrels\.read\(path\)"),
        ("q1 Q0 d1 1 0.5 tag", r"holds a run without texts. Read it with Run\.read\(path\)"),
    ],
)
def test_plain_trec_names_its_reader(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "plain.txt"
    file.write_text(line + "\n")
    with pytest.raises(DataError, match=said):
        load_dataset(file)


def test_the_public_names_are_those_of_the_package() -> None:
    assert embedsmith.load_dataset is load_dataset


# Documents, queries, judgements, queries of other splits.
REAL = {
    "cranfield/test": (1_400, 225, 1_612, 0),
    "npl/test": (11_426, 93, 2_083, 0),
    "squad/train": (2_067, 7_984, 7_984, 2_586),
    "squad/dev": (2_067, 1_008, 1_008, 9_562),
    "squad/test": (2_067, 1_578, 1_578, 8_992),
    "obliqa/train": (13_012, 2_288, 3_014, 3_286),
    "obliqa/dev": (13_012, 500, 662, 5_074),
    "obliqa/test": (13_012, 2_786, 3_665, 2_788),
    "financebench/test": (10_202, 150, 187, 0),
    "wordnet/test": (117_659, 44_530, 44_530, 0),
}


@pytest.mark.parametrize("which", REAL)
def test_the_real_sets_load_with_the_counts_of_their_readmes(shared_data: Path, which: str) -> None:
    name, split = which.split("/")
    data = load_dataset(shared_data / name, split=split)
    counts = (len(data.corpus), len(data.queries), data.qrels.n_pairs, data.n_unjudged)
    assert counts == REAL[which]
    assert data.n_dropped == 0
    assert data.corpus.n_empty == (2 if name == "cranfield" else 0)
