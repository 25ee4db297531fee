"""``split_dataset`` and its command: parts that share nothing, of the sizes asked for."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

import embedsmith as es
from embedsmith.cli import main
from embedsmith.exceptions import DataError, OutputError, ShapeError
from embedsmith.hygiene import leakage
from embedsmith.mining._data import as_mining_data

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SYLLABLES = [a + b for a in "bcdfghklmnprstvwz" for b in "aeiou"]


def words(seed: str, count: int) -> str:
    """Return a text that is like no other of another seed."""
    draw = random.Random(seed)  # noqa: S311 - texts, not secrets
    return " ".join("".join(draw.choices(SYLLABLES, k=3)) for _ in range(count))


def dataset(
    asked: Mapping[str, Sequence[str]],
    *,
    fields: Mapping[str, Sequence[Any]] | None = None,
    texts: dict[str, str] | None = None,
) -> es.Dataset:
    """Return a data set of queries with the ids of their relevant documents."""
    documents = sorted({one for ids in asked.values() for one in ids})
    known = texts or {}
    return es.Dataset.build(
        "made",
        es.Corpus(
            tuple(documents), tuple(known.get(one, words(f"d{one}", 30)) for one in documents)
        ),
        es.Queries(
            tuple(asked),
            tuple(known.get(one, words(f"q{one}", 10)) for one in asked),
            {name: tuple(values) for name, values in (fields or {}).items()},
        ),
        es.Qrels({query: dict.fromkeys(ids, 1) for query, ids in asked.items()}),
    )


def sides(parts: es.DatasetSplit) -> dict[str, str]:
    """Return the part of each query."""
    return {
        query: name
        for name in parts.manifest["parts"]
        for query in es.load_dataset(parts.folder / name, split=name).queries.ids
    }


NAMES = ("train", "dev", "test")
SINGLES: dict[str, Sequence[str]] = {f"q{n}": [f"d{n}"] for n in range(200)}


def test_parts_have_the_sizes_asked_for_and_all_queries_once(tmp_path: Path) -> None:
    parts = es.split_dataset(dataset(SINGLES), tmp_path / "out", fractions=(0.7, 0.1, 0.2))
    assert {name: part["queries"] for name, part in parts.manifest["parts"].items()} == {
        "train": 140,
        "dev": 20,
        "test": 40,
    }
    assert sides(parts).keys() == SINGLES.keys()
    assert parts.passed
    assert parts.manifest == json.loads((tmp_path / "out" / "split.json").read_text())


def test_queries_that_share_a_document_through_others_stay_together(tmp_path: Path) -> None:
    # 40 chains of five: each shares a document with the next only.
    asked = {f"{c}-{n}": [f"{c}/{n}", f"{c}/{n + 1}"] for c in range(40) for n in range(5)}
    parts = es.split_dataset(dataset(asked), tmp_path / "out", fractions=(0.5, 0.5))
    of = sides(parts)
    assert all(len({of[f"{c}-{n}"] for n in range(5)}) == 1 for c in range(40))
    assert parts.manifest["joined"]["sets"] == 40
    assert {part["queries"] for part in parts.manifest["parts"].values()} == {100}


def test_texts_that_are_nearly_equal_stay_together(tmp_path: Path) -> None:
    asked: dict[str, Sequence[str]] = {f"q{n}": [f"d{n}"] for n in range(60)}
    texts = {f"d{n + 1}": words(f"dd{n}", 30) + " edited." for n in range(0, 30, 2)}
    texts |= {f"d{n}": words(f"dd{n}", 30) for n in range(0, 30, 2)}
    texts |= {f"q{n}": words(f"qq{n}", 12) for n in range(30, 60, 2)}
    texts |= {f"q{n + 1}": words(f"qq{n}", 12).upper() + "?" for n in range(30, 60, 2)}
    parts = es.split_dataset(dataset(asked, texts=texts), tmp_path / "out", fractions=(0.5, 0.5))
    of = sides(parts)
    assert all(of[f"q{n}"] == of[f"q{n + 1}"] for n in range(0, 60, 2))
    assert parts.passed
    assert parts.manifest["joined"]["near_documents"] == 15
    assert parts.manifest["joined"]["near_queries"] == 15


def test_what_leaks_is_found_in_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were queries parted that share documents, the check of the result would say so."""
    monkeypatch.setattr(
        "embedsmith.labelling._split.assigned",
        lambda components, *_: [n % 2 for n in range(len(components))],
    )
    monkeypatch.setattr("embedsmith.labelling._joined_queries._chains", lambda _: [])
    asked = {f"q{n}": ["shared"] for n in range(4)}
    parts = es.split_dataset(dataset(asked), tmp_path / "out", fractions=(0.5, 0.5))
    assert not parts.passed
    (passages,) = (one for one in parts.manifest["leakage"] if one["what"] == "passages")
    assert passages["examples"] == [["shared", "shared", "equal"]]


def test_the_order_of_the_data_does_not_count(tmp_path: Path) -> None:
    mixed = list(SINGLES)
    random.Random(5).shuffle(mixed)  # noqa: S311 - an order, not a secret
    first = es.split_dataset(dataset(SINGLES), tmp_path / "a")
    second = es.split_dataset(dataset({q: SINGLES[q] for q in mixed}), tmp_path / "b")
    assert sides(first) == sides(second)
    other = es.split_dataset(dataset(SINGLES), tmp_path / "c", seed=1)
    assert sides(other) != sides(first)


def test_new_queries_move_few_others(tmp_path: Path) -> None:
    before = sides(es.split_dataset(dataset(SINGLES), tmp_path / "a"))
    more = {**SINGLES, **{f"new{n}": [f"newd{n}"] for n in range(10)}}
    after = sides(es.split_dataset(dataset(more), tmp_path / "b"))
    assert sum(after[query] != side for query, side in before.items()) <= 8


def test_a_large_set_goes_where_most_is_missing(tmp_path: Path) -> None:
    asked = {**SINGLES, **{f"big{n}": ["hub"] for n in range(100)}}
    parts = es.split_dataset(dataset(asked), tmp_path / "out")
    of = sides(parts)
    assert {of[f"big{n}"] for n in range(100)} == {"train"}
    assert {name: part["queries"] for name, part in parts.manifest["parts"].items()} == {
        "train": 240,
        "dev": 30,
        "test": 30,
    }
    assert parts.manifest["joined"]["largest"]["documents"] == {"hub": 100}


def test_a_giant_set_is_named_with_what_to_do(tmp_path: Path) -> None:
    asked = {f"q{n}": ["hub", f"d{n}"] for n in range(50)}
    with pytest.raises(DataError, match=r"dev and test would be empty.*'hub' \(50\).*--max-shared"):
        es.split_dataset(dataset(asked), tmp_path / "out")
    parts = es.split_dataset(dataset(asked), tmp_path / "out", max_shared=10)
    assert parts.manifest["parts"]["test"]["queries"] == 5
    assert parts.passed
    leaked = {one["what"]: one["n_leaked"] for one in parts.manifest["leakage"]}
    assert leaked == {"queries": 0, "passages": 1}
    assert any("1 document of more than 10 queries" in one for one in parts.manifest["notes"])
    most = {**asked, **{f"x{n}": [f"e{n}"] for n in range(3)}}
    parts = es.split_dataset(dataset(most), tmp_path / "most")
    assert any("far from the size asked for" in one for one in parts.manifest["notes"])


def test_groups_of_documents_and_of_queries_stay_whole(tmp_path: Path) -> None:
    asked = {f"q{g}-{n}": [f"book{g}-{n}"] for g in range(30) for n in range(4)}
    parts = es.split_dataset(dataset(asked), tmp_path / "a", by="group", group="-")
    of = sides(parts)
    assert all(len({of[f"q{g}-{n}"] for n in range(4)}) == 1 for g in range(30))
    # Not a passage of a held-out book is left for training, whatever is asked of it.
    books = {
        one.partition("-")[0]
        for one in es.load_dataset(tmp_path / "a/train", split="train").corpus.ids
    }
    assert books == {f"book{q[1:].partition('-')[0]}" for q, side in of.items() if side == "train"}
    fields = {"product": [f"p{n % 20}" for n in range(120)]}
    source = dataset(asked, fields=fields)
    parts = es.split_dataset(source, tmp_path / "b", by="group", group="query:product")
    of = sides(parts)
    for n in range(20):
        assert len({of[query] for query in list(asked)[n::20]}) == 1
    with pytest.raises(DataError, match="no query has the field 'prodct'"):
        es.split_dataset(source, tmp_path / "c", by="group", group="query:prodct")
    with pytest.raises(DataError, match="no id of the corpus.*--group"):
        es.split_dataset(source, tmp_path / "c", by="group", group="#")
    with pytest.raises(DataError, match="by='group' needs group="):
        es.split_dataset(source, tmp_path / "c", by="group")


def test_by_query_documents_may_be_shared(tmp_path: Path) -> None:
    asked = {f"q{n}": [f"d{n % 10}"] for n in range(100)}
    parts = es.split_dataset(dataset(asked), tmp_path / "out", by="query")
    assert parts.manifest["parts"]["test"]["queries"] == 10
    assert parts.passed
    assert any(one["n_leaked"] for one in parts.manifest["leakage"])


def test_training_lacks_what_others_ask_for_and_the_others_lack_nothing(tmp_path: Path) -> None:
    source = dataset(SINGLES)
    parts = es.split_dataset(source, tmp_path / "out")
    loaded = {name: es.load_dataset(tmp_path / "out" / name, split=name) for name in NAMES}
    assert len(loaded["train"].corpus) == 160
    assert loaded["test"].corpus == loaded["dev"].corpus == source.corpus
    assert {loaded[name].hash for name in loaded} == {
        part["dataset_sha256"] for part in parts.manifest["parts"].values()
    }
    held = [t for name in ("dev", "test") for t in loaded[name].queries.texts]
    assert leakage(loaded["train"].queries.texts, held) == ()


def test_pairs_are_what_the_other_commands_take(tmp_path: Path) -> None:
    es.split_dataset(dataset(SINGLES), tmp_path / "out")
    pairs = tmp_path / "out" / "train.jsonl"
    rows = [json.loads(line) for line in pairs.read_text().splitlines()]
    assert len(rows) == 160
    assert rows[0].keys() == {"anchor", "positive"}
    assert es.check_data(pairs, [tmp_path / "out" / "test"]).passed
    assert len(as_mining_data(pairs)) == 160


def test_lines_of_a_folder_keep_their_fields_and_marks(tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "qrels").mkdir(parents=True)
    (source / "corpus.jsonl").write_text(
        "".join(
            json.dumps({"_id": f"d{n}", "title": f"T{n}", "text": words(f"{n}", 20), "url": n})
            + "\n"
            for n in range(20)
        )
    )
    (source / "queries.jsonl").write_text(
        "".join(
            json.dumps(
                {"_id": f"q{n}", "text": words(f"q{n}", 9), "metadata": {"synthetic": n < 5}}
            )
            + "\n"
            for n in range(20)
        )
    )
    for name, span in (("a", range(10)), ("b", range(9, 20))):
        text = "".join(f"q{n}\td{n}\t1\n" for n in span)
        (source / "qrels" / f"{name}.tsv").write_text("query-id\tcorpus-id\tscore\n" + text)
    with pytest.raises(DataError, match=r"judgements a, b.*--split all"):
        es.split_dataset(source, tmp_path / "out")
    assert len(sides(es.split_dataset(source, tmp_path / "one", split="a"))) == 10
    parts = es.split_dataset(source, tmp_path / "out", split="all", fractions=(0.5, 0.5))
    assert len(sides(parts)) == 20
    line = (tmp_path / "out/test/corpus.jsonl").read_text().splitlines()[3]
    assert json.loads(line) == {"_id": "d3", "title": "T3", "text": words("3", 20), "url": 3}
    loaded = [es.load_dataset(tmp_path / "out" / name, split=name) for name in ("train", "test")]
    assert sum(data.n_synthetic for data in loaded) == 5
    rows = (tmp_path / "out" / "train.jsonl").read_text().splitlines()
    assert sum("synthetic" in json.loads(row) for row in rows) == loaded[0].n_synthetic
    (source / "qrels" / "b.tsv").write_text("query-id\tcorpus-id\tscore\nq0\td0\t2\n")
    with pytest.raises(DataError, match="'q0' and document 'd0' have grade 1 and, in 'b', 2"):
        es.split_dataset(source, tmp_path / "two", split="all")


@pytest.mark.parametrize(
    ("arguments", "error", "why"),
    [
        ({"fractions": (0.5, 0.4)}, ShapeError, "sum 0.9"),
        ({"fractions": (1.0,)}, ShapeError, "two or three"),
        ({"fractions": (1.2, -0.2)}, ShapeError, "above 0"),
        ({"by": "passage"}, DataError, "by='passage' is unknown"),
        ({"max_shared": 0}, ShapeError, "max_shared"),
        ({"seed": -1}, ShapeError, "seed"),
        ({"near": 2.0}, ShapeError, "threshold is 2"),
    ],
)
def test_wrong_numbers_are_refused(
    tmp_path: Path, arguments: dict[str, Any], error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        es.split_dataset(dataset(SINGLES), tmp_path / "out", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_too_few_queries_and_folders_in_the_way_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="would be empty"):
        es.split_dataset(dataset({"a": ["d"], "b": ["d"]}), tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").write_text("x")
    with pytest.raises(OutputError, match="exists already"):
        es.split_dataset(dataset(SINGLES), tmp_path / "out")
    with pytest.raises(DataError, match="without collapse"):
        es.split_dataset(dataset({"a": ["d#1"], "b": ["e#1"]}).collapsed("#"), tmp_path / "new")


def test_the_command_prints_sizes_and_leakage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(*more: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(["split", "sample:bank", *more])
        return int(ended.value.code or 0)

    assert command("--to", str(tmp_path / "a"), "--fractions", ".6,.4") == 0
    assert "asked 40.0%" in capsys.readouterr().out
    assert command("--to", str(tmp_path / "b"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["passed"] is True
    assert command("--to", str(tmp_path / "c"), "--fractions", "a,b") == 2
    assert command("--to", str(tmp_path / "c"), "--fractions", ".5,.6") == 2
    monkeypatch.setattr(es.DatasetSplit, "passed", False)
    assert command("--to", str(tmp_path / "c")) == 1


def test_real_rulebooks_split_by_document_do_not_leak(tmp_path: Path, shared_data: Path) -> None:
    parts = es.split_dataset(shared_data / "obliqa", tmp_path / "out", split="dev")
    assert parts.passed
    assert sum(part["queries"] for part in parts.manifest["parts"].values()) == 500
    train, test = (
        es.load_dataset(tmp_path / "out" / name, split=name) for name in ("train", "test")
    )
    asked = {one for judged in test.qrels.values() for one in judged}
    assert asked.isdisjoint(train.corpus.ids)
