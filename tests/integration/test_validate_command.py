"""``embedsmith validate`` and ``convert`` as people call them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import pytest

from embedsmith.cli import main
from embedsmith.datasets import Qrels, Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Done(NamedTuple):
    stdout: str
    stderr: str


@pytest.fixture
def embedsmith(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run the command in this process and return what it printed."""

    def run(*words: object, code: int = 0) -> Done:
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        done = Done(*capsys.readouterr())
        assert end.value.code == code, done.stderr
        return done

    return run


FAULTY = "q Q0 a 1 1 t\nq Q0 b 2 1\nq Q0 a 3 1 t\nq Q0 c 4 nan t\n"


def test_every_fault_is_named_with_its_place_and_its_fix(
    embedsmith: Callable[..., Done], tmp_path: Path
) -> None:
    (tmp_path / "a.run").write_text(FAULTY)
    lines = embedsmith("validate", tmp_path / "a.run", code=3).stdout.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        f"{tmp_path}/a.run:{place}" for place in ("2:1", "3:1", "4:10")
    ]
    assert "found five columns; expected blanks" in lines[0]
    assert lines[0].endswith("Add the name of the run as the sixth column.")
    assert "first in line 1" in lines[1]


def test_faults_stop_at_the_limit_and_say_so(
    embedsmith: Callable[..., Done], tmp_path: Path
) -> None:
    (tmp_path / "a.run").write_text("q Q0 a 1 x t\n" * 50)
    lines = embedsmith("validate", tmp_path / "a.run", "--most", 5, code=3).stdout.splitlines()
    assert len(lines) == 6
    assert lines[5].endswith("stopped after 5 faults; --most shows more.")


def test_good_files_of_every_kind_are_told(embedsmith: Callable[..., Done], tmp_path: Path) -> None:
    Run({"q": {"d": 0.5, "e": 0.25}}).write(tmp_path / "a.run.zst")
    Run({"q": {"d": 0.5}}).write(tmp_path / "a.parquet")
    Qrels({"q": {"d": 1}}).write(tmp_path / "test.tsv")
    Qrels({"q": {"d": 1}}).write(tmp_path / "q.parquet")
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d", "text": "x"}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "x"}\n')
    (tmp_path / "pairs.jsonl").write_text('{"query": "q", "positive": "x"}\n')
    names = ["a.run.zst", "a.parquet", "test.tsv", "q.parquet"]
    names += ["corpus.jsonl", "queries.jsonl", "pairs.jsonl"]
    shown = embedsmith("validate", *(tmp_path / name for name in names)).stdout
    assert [line.partition(": ")[2] for line in shown.splitlines()] == [
        "TREC (zstd) run, 1 query, 2 results, no fault",
        "parquet run, 1 query, 1 result, no fault",
        "BEIR qrels, 1 query, 1 judgement, no fault",
        "parquet qrels, 1 query, 1 judgement, no fault",
        "JSON lines, 1 document, no fault",
        "JSON lines, 1 query, no fault",
        "JSON lines, 1 query, no fault",
    ]


def test_findings_as_json(embedsmith: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "a.run").write_text(FAULTY)
    (found,) = json.loads(embedsmith("validate", tmp_path / "a.run", "--json", code=3).stdout)
    assert (found["holds"], found["format"], found["complete"]) == ("run", "TREC", True)
    assert [(fault["line"], fault["column"]) for fault in found["faults"]] == [
        (2, 1),
        (3, 1),
        (4, 10),
    ]
    assert found["faults"][2]["expected"] == "a finite number"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no judgements"),
        (b"PAR1 and no more", "found damaged parquet data"),
        (b"\x1f\x8b\x08", "a truncated .gz"),
        (b"q Q0 \xff 1 1 t\n", ":1:6: found the byte 0xff"),
        (b'{"q": {"d": 1.5,}}', ":1:17: found broken JSON"),
    ],
)
def test_files_that_are_no_such_thing_are_faults(
    embedsmith: Callable[..., Done], tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "a").write_bytes(content)
    assert said in embedsmith("validate", tmp_path / "a", code=3).stdout


def test_a_file_that_is_not_there_offers_the_nearest(
    embedsmith: Callable[..., Done], tmp_path: Path
) -> None:
    (tmp_path / "a.run").write_text("q Q0 a 1 1 t\n")
    assert "Did you mean" in embedsmith("validate", tmp_path / "a.rnu", code=3).stderr


def test_conversion_there_and_back_keeps_all(
    embedsmith: Callable[..., Done], tmp_path: Path
) -> None:
    text = "q Q0 b 1 1e+300 t\nq Q0 a 2 0.30000000000000004 t\nr Q0 a 1 -0.0 t\n"
    (tmp_path / "a.run").write_text(text)
    previous = tmp_path / "a.run"
    for ending in ("json", "jsonl.zst", "csv.gz", "tsv", "parquet", "run"):
        done = embedsmith("convert", previous, tmp_path / f"b.{ending}", "--tag", "t")
        previous = tmp_path / f"b.{ending}"
        assert f"{previous}: " in done.stdout
    assert previous.read_text() == text.replace("1e+300", "1e300")


def test_what_is_lost_is_said(embedsmith: Callable[..., Done], tmp_path: Path) -> None:
    Run({"q": {"d": 0.5}, "e": {}}).write(tmp_path / "a.json")
    noted = embedsmith("convert", tmp_path / "a.json", tmp_path / "a.csv").stderr
    assert noted == "note: 1 query without entries: only JSON keeps them.\n"
    (tmp_path / "a.run").write_text("q Q0 a 1 1 s\nq Q0 b 2 0.5 t\n")
    noted = embedsmith("convert", tmp_path / "a.run", tmp_path / "b.run").stderr
    assert 'all are now "t"' in noted
    noted = embedsmith("convert", tmp_path / "a.run", tmp_path / "b.json").stderr
    assert 'the name of the run, "t"' in noted
    Run({"a q": {"d": 0.5}}).write(tmp_path / "c.json")
    refused = embedsmith("convert", tmp_path / "c.json", tmp_path / "c.run", code=3).stderr
    assert "would not be read back" in refused
    assert not (tmp_path / "c.run").exists()


def test_a_file_that_is_there_is_kept_unless_forced(
    embedsmith: Callable[..., Done], tmp_path: Path
) -> None:
    (tmp_path / "a.run").write_text("q Q0 a 1 1 t\n")
    (tmp_path / "b.json").write_text("mine")
    words = ("convert", tmp_path / "a.run", tmp_path / "b.json")
    assert "--force" in embedsmith(*words, code=4).stderr
    assert (tmp_path / "b.json").read_text() == "mine"
    embedsmith(*words, "--force")
    assert Run.read(tmp_path / "b.json") == {"q": {"a": 1.0}}


def test_texts_are_not_converted(embedsmith: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d", "text": "x"}\n')
    said = embedsmith("convert", tmp_path / "corpus.jsonl", tmp_path / "b.run", code=3).stderr
    assert "only runs and judgements are converted" in said
