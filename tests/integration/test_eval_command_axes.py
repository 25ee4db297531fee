"""The options of ``embedsmith eval`` beside its table, run as a user runs them."""

from __future__ import annotations

import json

import pytest

from embedsmith.cli import main

FAST = ("eval", "--data", "sample:bank", "--model", "fake:64", "--model", "bm25", "-q")


@pytest.fixture
def embedsmith(tmp_path, monkeypatch, capsys):
    """Return a function that runs the command in an empty folder with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBEDSMITH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words, code=0):
        with pytest.raises(SystemExit) as end:
            main(words)
        done = capsys.readouterr()
        assert end.value.code == code, done.err
        return done

    return run


def test_every_axis_has_its_part_in_the_terminal_and_the_result(embedsmith, tmp_path):
    done = embedsmith(
        *FAST,
        *("--dims", "32,16", "--precisions", "int8,binary+f32", "--slice", "kind"),
        *("--latency-queries", "3", "--latency-batches", "1,2", "--latency-seconds", "0.3"),
        *("--worst", "4", "--no-excerpts", "--small-slice", "5", "--out", "out"),
    )
    for part in (
        "Time to embed one batch",
        "Smaller vectors",
        "16 binary+f32",
        "recall at",
        "By group of queries",
        "Worst queries of bm25 by nDCG@10, 3 of the 4 kept",
    ):
        assert part in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    content = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    fake, bm25 = content["models"]
    assert len(fake["variants"]) == 8
    assert bm25["variants"] == []
    assert {part["field"] for part in bm25["slices"]} == {"kind"}
    assert [len(model["worst"]) for model in content["models"]] == [4, 4]
    assert all(query["text"] is None for query in fake["worst"])
    assert content["timing"]["models"]["fake:64"]["latency_buckets"]
    # What is not a number's cause is not in the command that repeats them.
    repeated = content["command"][1:]
    assert "--latency-batches" not in repeated
    again = embedsmith(*repeated, "-q", "--no-cache", "--latency-queries", "0", "--out", "again")
    assert "16 binary+f32" in again.out
    other = json.loads((tmp_path / "again" / "result.json").read_text(encoding="utf-8"))
    assert other["models"] == content["models"]


def test_the_json_summary_carries_every_axis(embedsmith):
    words = ("--dims", "32", "--slice", "kind", "--worst", "2", "--json")
    summary = json.loads(embedsmith(*FAST, *words).out)
    fake, bm25 = summary["models"]
    assert summary["task"] == "retrieval"
    assert {one["dim"] for one in fake["variants"]} == {32}
    assert {part["field"] for part in bm25["slices"]} == {"kind"}
    assert [len(fake["worst"]), len(fake["curve"]["ks"]) > 0] == [2, True]


def test_passages_are_collapsed_by_a_separator(embedsmith, tmp_path):
    folder = tmp_path / "set"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": f"d{i}#{part}", "text": f"word{i} {part}"} for i in range(6) for part in "ab"]
    queries = [{"_id": f"q{i}", "text": f"word{i}"} for i in range(6)]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    judged = "".join(f"q{i}\td{i}\t1\n" for i in range(6))
    (folder / "qrels" / "test.tsv").write_text(judged, encoding="utf-8")
    words = ("eval", "--data", "set", "--model", "bm25", "-q", "--latency-queries", "0")
    done = embedsmith(*words, "--collapse", "#", "--out", "out")
    assert "6 queries, 6 documents" in done.out
    run = (tmp_path / "out" / "bm25.run").read_text(encoding="utf-8")
    assert "#" not in run
    # Without it the judgements name what the corpus lacks.
    assert "6 documents that the corpus lacks" in embedsmith(*words, code=3).err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--dims", "64,x"), 2, "'x' is no number"),
        (("--dims", "0"), 2, "dims=0 is too small"),
        (("--precisions", "int4"), 2, "did you mean 'int8'"),
        (("--slice", "knid"), 3, "Did you mean 'kind'"),
        (("--collapse", ""), 2, "it is empty"),
        (("--collapse", "::"), 3, "before '::'"),
        (("--latency-batches", "1,-2"), 2, "'-2' is no number"),
        (("--latency-seconds", "-1"), 2, "--latency-seconds"),
        (("--worst", "-1"), 2, "--worst"),
    ],
)
def test_a_wrong_option_ends_with_its_code_and_the_fix(embedsmith, words, code, said):
    done = embedsmith(*FAST, *words, code=code)
    assert said in " ".join(done.err.replace("│", " ").split())
    assert done.out == ""
