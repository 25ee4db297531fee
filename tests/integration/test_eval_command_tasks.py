"""``embedsmith eval --task ...`` as a user runs it, with models that need no weights."""

from __future__ import annotations

import json

import pytest

from embedsmith.cli import main
from embedsmith.evaluation import EvaluationResult

MODELS = ("--model", "fake:64", "--model", "fake:8", "--latency-queries", "0")
PAIRS = [("red fox", "red fox", 5), ("blue sky", "blue sea", 3), ("a b", "c d", 0), ("e", "f", 1)]


@pytest.fixture
def embedsmith(tmp_path, monkeypatch, capsys):
    """Return a function that runs the command in an empty folder with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBEDSMITH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")

    def run(*words, code=0):
        with pytest.raises(SystemExit) as end:
            main(words)
        done = capsys.readouterr()
        assert end.value.code == code, done.err
        return done

    return run


@pytest.fixture
def pairs(tmp_path):
    lines = ["premise,sentence2,score", *(f"{a},{b},{score}" for a, b, score in PAIRS)]
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n")
    return "pairs.csv"


def test_similarity_is_one_table_one_file_and_a_statement(embedsmith, pairs, tmp_path):
    words = ("--task", "sts", "--data", pairs, "--column", "sentence1=premise", *MODELS)
    done = embedsmith("eval", *words, "--out", "out")
    for part in (
        "pairs, Semantic textual similarity, split test: 4 pairs",
        "cosine_spearman",
        "resamples of the pairs (percentile",
        "p by a paired bootstrap over them",
        "Statement\n",
        "over 4 pairs",
        "Written to out: result.json.",
    ):
        assert part in done.out
    assert "Verdict" not in done.out
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["result.json"]
    result = EvaluationResult.load(tmp_path / "out")
    assert result.task == "sts"
    # Its own command repeats it; another one is refused.
    embedsmith(*result.settings.command()[1:], "--latency-queries", "0", "-q", "--out", "out")
    refused = embedsmith("eval", *words, "--model", "fake:16", "--out", "out", code=4)
    assert "holds another evaluation" in refused.err


def test_measures_and_options_reach_the_task(embedsmith, tmp_path):
    for split, count in (("train", 6), ("test", 3)):
        rows = [
            {"text": f"{label} {split} {i}", "label": label}
            for label in ("red", "blue")
            for i in range(count)
        ]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    done = embedsmith(
        *("eval", "--task", "classification", "--data", ".", *MODELS, "--json", "-q"),
        *("--n-experiments", "2", "--samples-per-label", "3", "--measures", "accuracy,knn_f1"),
    )
    summary = json.loads(done.out)
    assert list(summary["models"][0]["measures"]) == ["accuracy", "knn_f1"]
    assert summary["models"][0]["verdict"] is None


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--task", "stss"), 2, "did you mean 'sts'"),
        (("--task", "sts", "--column", "premise"), 2, "renames nothing"),
        (("--task", "sts"), 3, "pairs.csv:2: there is no column 'sentence1'"),
        (
            ("--task", "sts", "--column", "sentence1=premise", "--measures", "ndcg@10"),
            2,
            "is no measure of the task sts",
        ),
        (
            ("--task", "sts", "--column", "sentence1=premise", "--slice", "length"),
            2,
            "asks about retrieval",
        ),
        (
            ("--task", "sts", "--column", "sentence1=premise", "--model", "bm25"),
            2,
            "is a model of words",
        ),
    ],
)
def test_what_a_task_cannot_do_is_said_with_the_exit_code_of_its_kind(
    embedsmith, pairs, words, code, said
):
    done = embedsmith("eval", "--data", pairs, *MODELS, *words, code=code)
    assert said in " ".join(done.err.replace("│", " ").split())


def test_the_help_says_what_each_task_reads(embedsmith):
    done = embedsmith("eval", "--help")
    assert "pair_classification  sentence1, sentence2, label (1 or 0)" in done.out
    assert "--samples-per-label" in done.out
