"""``embedsmith eval`` as a user runs it, with models that need no weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from embedsmith.cli import main
from embedsmith.datasets import Qrels, Run, load_dataset
from embedsmith.evaluation import EvaluationResult
from tests.integration.trec_eval import measured_by_trec_eval

SAMPLE = ("--data", "sample:bank")
MODELS = ("--model", "fake:64", "--model", "bm25")


class Done(NamedTuple):
    stdout: str
    stderr: str


@pytest.fixture
def embedsmith(tmp_path, monkeypatch, capsys):
    """Return a function that runs the command in an empty folder with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBEDSMITH_CACHE", str(tmp_path / "cache"))

    def run(*words, code=0, columns=100):
        monkeypatch.setenv("COLUMNS", str(columns))
        with pytest.raises(SystemExit) as end:
            main(words)
        done = Done(*capsys.readouterr())
        assert end.value.code == code, done.stderr
        return done

    return run


@pytest.fixture
def beir(tmp_path):
    """Return a small data set on disk that a test may spoil."""
    folder = tmp_path / "set"
    (folder / "qrels").mkdir(parents=True)
    documents = [{"_id": f"d{i}", "text": f"word{i} common"} for i in range(12)]
    queries = [{"_id": f"q{i}", "text": f"word{i}"} for i in range(12)]
    for name, rows in (("corpus", documents), ("queries", queries)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text)
    lines = ["query-id\tcorpus-id\tscore", *(f"q{i}\td{i}\t1" for i in range(12))]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n")
    return folder


def outside_timing(path):
    """Return the bytes of a result file without its timing block, and that block."""
    text = Path(path).read_text(encoding="utf-8")
    content = json.loads(text)
    start = text.index('\n "timing": {')
    end = text.index('\n "versions": {')
    return text[:start] + text[end:], content["timing"]


def test_the_table_goes_to_stdout_plain_and_the_progress_to_stderr(embedsmith):
    done = embedsmith("eval", *SAMPLE, *MODELS)
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    for part in ("bank, split test: 100 queries", "nDCG@10", "fake:64 against bm25", "Verdict"):
        assert part in done.stdout
    assert "fake:64: embedded 221 texts, 0 from cache" in done.stderr
    assert "embedded" not in done.stdout.split("Verdict")[1]


@pytest.mark.parametrize("columns", [80, 100, 140])
def test_no_line_is_wider_than_the_terminal(embedsmith, columns):
    done = embedsmith("eval", *SAMPLE, *MODELS, columns=columns)
    assert max(map(len, done.stdout.splitlines())) <= columns


def test_quiet_says_nothing_on_stderr(embedsmith):
    assert embedsmith("eval", *SAMPLE, *MODELS, "--quiet").stderr == ""


def test_json_on_stdout_is_one_object_with_the_verdicts(embedsmith):
    summary = json.loads(embedsmith("eval", *SAMPLE, *MODELS, "--json").stdout)
    assert summary["schema"] == "embedsmith.summary/1"
    assert [model["verdict"] for model in summary["models"]] == ["FINE_TUNE", None]
    assert {pair["measure"] for pair in summary["differences"]} == {"nDCG@10", "R@10", "RR@10"}


def test_two_runs_write_the_same_bytes_apart_from_timing(embedsmith, tmp_path):
    commands = {
        "cold": ("--cache", "first"),
        "cold-again": ("--cache", "second"),
        "warm": ("--cache", "second"),
        "uncached": ("--no-cache",),
    }
    for name, words in commands.items():
        embedsmith("eval", *SAMPLE, *MODELS, *words, "--out", name)
    results = {name: outside_timing(tmp_path / name / "result.json") for name in commands}
    first, timing = results["cold"]
    for name in commands:
        assert results[name][0] == first, name
        for run in ("fake_64.run", "bm25.run"):
            assert (tmp_path / name / run).read_bytes() == (tmp_path / "cold" / run).read_bytes()
    assert timing["models"]["fake:64"]["n_embedded"] == 221
    warm = results["warm"][1]["models"]["fake:64"]
    assert (warm["n_embedded"], warm["n_cached"]) == (0, 221)


def test_a_warm_run_embeds_nothing_and_marks_the_speeds_of_the_run_before(embedsmith, tmp_path):
    embedsmith("eval", *SAMPLE, "--model", "fake:64", "--out", "a")
    done = embedsmith("eval", *SAMPLE, "--model", "fake:64", "--out", "b")
    assert "fake:64: embedded 0 texts, 221 from cache" in done.stderr
    assert "*: measured on" in done.stdout
    before, after = (
        outside_timing(tmp_path / name / "result.json")[1]["models"]["fake:64"] for name in "ab"
    )
    timed = {"latency", "latency_buckets", "peak_memory_bytes", "throughput"}
    assert set(after["earlier"]) == timed
    assert after["latency"] == before["latency"]
    assert after["throughput"] == before["throughput"]
    assert not before["earlier"]


def test_the_means_are_those_of_pytrec_eval_on_the_written_run_files(embedsmith, tmp_path):
    embedsmith("eval", *SAMPLE, *MODELS, "--measures", "ndcg@10,recall@10,ap", "--out", "out")
    names = {"nDCG@10": "ndcg_cut.10", "R@10": "recall.10", "AP": "map"}
    qrels = load_dataset("sample:bank").qrels
    for model in EvaluationResult.load(tmp_path / "out").models:
        run_file = tmp_path / "out" / f"{model.name.replace(':', '_')}.run"
        theirs = measured_by_trec_eval(run_file, qrels, set(names.values()))
        for ours, name in names.items():
            values = dict(
                zip(model.table.query_ids, model.table.per_query[ours].tolist(), strict=True)
            )
            assert values == pytest.approx(theirs[name], abs=1e-9)


def test_the_result_file_holds_what_an_audit_asks_for(embedsmith, tmp_path):
    embedsmith("eval", *SAMPLE, *MODELS, "--out", "out", "--seed", "7")
    content = json.loads((tmp_path / "out" / "result.json").read_text())
    assert content["schema"] == "embedsmith.result/2"
    assert " ".join(content["command"]) == (
        "embedsmith eval --data sample:bank --split test --model fake:64 --model bm25 "
        "--measures nDCG@10,R@10,RR@10 --depth 100 --seed 7"
    )
    assert content["timing"]["arguments"][0] == "eval"
    assert content["settings"]["seed"] == 7
    assert content["measures"]["R@10"].startswith("Relevant documents")
    assert {"cpu", "isa", "logical_cores", "memory_bytes", "os"} <= set(content["hardware"])
    assert {"embedsmith", "numpy", "python", "torch"} <= set(content["versions"])
    dense, lexical = content["models"]
    assert dense["fingerprint"]["fields"]["dim"] == 64
    assert lexical["dim"] is None
    assert len(dense["metrics"]["per_query"]["nDCG@10"]) == 100
    run = Run.read(tmp_path / "out" / dense["run_file"])
    assert {query: list(docs) for query, docs in run.items()} == dense["run"]["documents"]
    assert all(len(names) == 100 for names in dense["run"]["documents"].values())


def test_repeating_a_command_replaces_its_own_result_only(embedsmith, tmp_path):
    embedsmith("eval", *SAMPLE, *MODELS, "--out", "out")
    embedsmith("eval", *SAMPLE, *MODELS, "--out", "out")
    other = ("eval", *SAMPLE, "--model", "fake:32", "--out", "out")
    refused = embedsmith(*other, code=4)
    assert "holds another evaluation (fake:64, bm25 on bank, split test)" in refused.stderr
    assert "--force" in refused.stderr
    embedsmith(*other, "--force")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "fake_32.run",
        "qrels.txt",
        "result.json",
    ]


@pytest.mark.parametrize("name", ["qrels.txt", "bm25.run", "result.json"])
def test_force_loses_no_file_of_the_user_and_says_so_before_the_work(embedsmith, tmp_path, name):
    (tmp_path / "out").mkdir()
    mine = tmp_path / "out" / name
    mine.write_text('{"accuracy": 0.9}')
    done = embedsmith("eval", *SAMPLE, *MODELS, "--out", "out", "--force", code=4)
    assert str(Path("out") / name) in done.stderr
    assert "Move it away" in done.stderr
    assert "embedded" not in done.stderr
    assert mine.read_text() == '{"accuracy": 0.9}'


def test_a_result_that_lost_a_key_is_replaced_with_force_and_not_without(embedsmith, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "result.json").write_text('{"schema": "embedsmith.result/1"}')
    refused = embedsmith("eval", *SAMPLE, "--model", "bm25", "--out", "out", code=4)
    assert "'data' is missing" in refused.stderr
    embedsmith("eval", *SAMPLE, "--model", "bm25", "--out", "out", "--force")
    assert EvaluationResult.load(tmp_path / "out").models[0].name == "bm25"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--measures", "ndgc@10"), 2, "did you mean 'nDCG@10'?"),
        (("--model", "st:no-such-model"), 2, "no model 'no-such-model'"),
        (("--model", "sr:x"), 2, "no kind of model 'sr'"),
        (("--model", "all-MiniLM-L6-v1"), 2, "Did you mean 'all-MiniLM-L6-v2'?"),
        (("--model", "fake:64"), 2, "'fake:64' is given 2 times"),
        (("--truncate-dim", "0"), 2, "--truncate-dim"),
        (("--depth", "5"), 2, "Raise it to 10"),
        (("--fine-tune-below", "0.95"), 2, "contradict each other"),
        (("--confidence", "95"), 2, "pass 0.95 for 95 %"),
        (("--cache", "c", "--no-cache"), 2, "exclude each other"),
        (("--data", "nowhere"), 3, "nowhere"),
        (("--data", "sample:bang"), 3, "'sample:bank'"),
        (("--split", "dev"), 3, "dev"),
        (("--device", "cuda"), 4, "CPU only. Use device='cpu' (--device cpu)"),
        (("--out", ""), 2, "it is empty; name a path"),
        (("--data", ""), 2, "it is empty; name a path"),
        (("--cache", ""), 2, "it is empty; name a path"),
        (("--measures", "ndcg@10;r@10"), 2, "commas between measures: 'ndcg@10,r@10'"),
        (("--data", "nowhere"), 3, "). That folder holds file."),
        (("--device", "gpu"), 2, "use cpu, cuda or cuda:N"),
        (("--model", "bm52"), 2, "Did you mean 'bm25'?"),
        (("--out", "file/results"), 4, "Choose another folder (--out)"),
        (("--cache", "file"), 4, "file"),
    ],
)
def test_a_wrong_word_ends_with_its_exit_code_before_anything_is_embedded(
    embedsmith, tmp_path, words, code, said
):
    (tmp_path / "file").write_text("x")
    done = embedsmith("eval", *SAMPLE, "--model", "fake:64", *words, code=code)
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert "embedded" not in done.stderr
    assert done.stdout == ""


def test_judgements_with_commas_are_told_by_their_content(embedsmith, beir):
    words = ("eval", "--data", str(beir), "--model", "bm25", "--json")
    tabs = json.loads(embedsmith(*words).stdout)
    qrels = beir / "qrels" / "test.tsv"
    qrels.write_text(qrels.read_text().replace("\t", ","))
    commas = json.loads(embedsmith(*words).stdout)
    assert commas["models"][0]["measures"] == tabs["models"][0]["measures"]


def test_judgements_with_bars_are_refused_with_file_line_and_fix(embedsmith, beir):
    qrels = beir / "qrels" / "test.tsv"
    qrels.write_text(qrels.read_text().replace("\t", "|"))
    done = embedsmith("eval", "--data", str(beir), "--model", "bm25", code=3)
    assert f"{qrels}:1" in done.stderr
    assert "tab" in done.stderr


def test_judgements_of_unknown_documents_are_refused_or_counted(embedsmith, beir):
    qrels = beir / "qrels" / "test.tsv"
    qrels.write_text(qrels.read_text() + "q1\tgone\t1\n")
    words = ("eval", "--data", str(beir), "--model", "bm25")
    assert "--allow-missing" in embedsmith(*words, code=3).stderr
    done = embedsmith(*words, "--allow-missing")
    assert "documents are unknown (--allow-missing): 1 judgement." in done.stdout


def test_an_id_that_no_run_file_can_hold_is_said_before_anything_is_embedded(embedsmith, beir):
    corpus = beir / "corpus.jsonl"
    corpus.write_text(corpus.read_text().replace('"d7"', '"d 7"'))
    qrels = beir / "qrels" / "test.tsv"
    qrels.write_text(qrels.read_text().replace("\td7\t", "\td 7\t"))
    done = embedsmith("eval", "--data", str(beir), "--model", "fake:8", "--out", "out", code=3)
    assert 'error: set: the document id "d 7" has a blank' in done.stderr
    assert "Rename the ids" in done.stderr
    assert "probe" not in done.stderr
    assert "embedded" not in done.stderr


def test_debug_shows_where_an_error_came_from(embedsmith):
    done = embedsmith("eval", "--data", "nowhere", "--model", "bm25", "--debug", code=3)
    assert "Traceback" in done.stderr


def test_without_its_extra_the_command_says_how_to_install_it():
    program = (
        "import sys; sys.modules['typer'] = None; "
        "from embedsmith.cli import main; main(['--version'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 4
    assert "pip install 'embedsmith[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "embedsmith", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("embedsmith ")


def test_help_has_an_example_and_the_exit_codes(embedsmith):
    text = embedsmith("eval", "--help").stdout
    assert "Example:\n  " in text
    assert "  embedsmith eval --data sample:bank" in text
    assert "3    data:" in text


def test_a_result_read_back_says_the_same(embedsmith, tmp_path):
    embedsmith("eval", *SAMPLE, *MODELS, "--out", "out")
    result = EvaluationResult.load(tmp_path / "out")
    again = result.save(tmp_path / "copy")
    for name in ("result.json", "qrels.txt", "bm25.run"):
        copied, written = (again.with_name(name), tmp_path / "out" / name)
        assert copied.read_bytes() == written.read_bytes()


def test_another_tool_measures_the_same_from_the_written_files(embedsmith, tmp_path):
    ir_measures = pytest.importorskip("ir_measures", reason="ir_measures is not installed")
    embedsmith("eval", *SAMPLE, *MODELS, "--out", "out")
    qrels = list(ir_measures.read_trec_qrels(str(tmp_path / "out" / "qrels.txt")))
    for model in EvaluationResult.load(tmp_path / "out").models:
        run_file = tmp_path / "out" / f"{model.name.replace(':', '_')}.run"
        run = list(ir_measures.read_trec_run(str(run_file)))
        # Not RR@10: for that one ir_measures asks a library with another order among ties.
        for name in ("nDCG@10", "R@10"):
            measure = ir_measures.parse_measure(name)
            theirs = ir_measures.calc_aggregate([measure], qrels, run)[measure]
            assert theirs == pytest.approx(model.table.mean[name], abs=1e-9)


def test_the_result_carries_the_judgements_and_the_identity_of_the_data(embedsmith, tmp_path):
    embedsmith("eval", *SAMPLE, "--model", "bm25", "--out", "out")
    content = json.loads((tmp_path / "out" / "result.json").read_text())
    data = load_dataset("sample:bank")
    assert content["data"]["hash"] == data.hash
    assert content["qrels"] == {query: data.qrels[query] for query in data.qrels}
    assert Qrels.read(tmp_path / "out" / "qrels.txt") == data.qrels


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    words = " ".join([sys.executable, "-m", "embedsmith", "eval", *SAMPLE, *MODELS, "-q"])
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{words} --cache {tmp_path} | head -n 1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("bank, split test")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize(
    "words", [["eval", *SAMPLE, "--model", "bm25", "-q"], ["eval", "--help"], ["--version"]]
)
@pytest.mark.parametrize("options", [[], ["-u"]])
def test_an_output_that_cannot_be_written_is_one_line_and_its_exit_code(words, options):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, *options, "-m", "embedsmith", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.stderr.startswith("error: the output cannot be written: No space left on device.")
    assert done.stderr.count("\n") == 1
    assert done.returncode == 4
