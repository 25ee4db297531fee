"""``embedsmith measure`` as people call it, beside what trec_eval's own code computes."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
import pytrec_eval

from embedsmith.cli import main
from embedsmith.datasets import Qrels, Run
from embedsmith.metrics import evaluate_run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

OFFICIAL = (
    ["num_q", "num_ret", "num_rel", "num_rel_ret", "map", "gm_map", "Rprec", "bpref", "recip_rank"]
    + [f"iprec_at_recall_{i / 10:.2f}" for i in range(11)]
    + [f"P_{k}" for k in (5, 10, 15, 20, 30, 100, 200, 500, 1000)]
)
SUMS = {"num_q", "num_ret", "num_rel", "num_rel_ret"}


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


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Judgements and a run with many ties, missing and foreign queries, in no order."""
    rng = np.random.default_rng(5)
    documents = [f"d{i}" for i in range(60)]
    qrels = {
        f"q{i}": {
            str(d): int(rng.integers(-1, 4)) for d in rng.choice(documents, 15, replace=False)
        }
        for i in rng.permutation(30)
    }
    run = {
        f"q{i}": {
            str(d): int(rng.integers(0, 9)) / 4 for d in rng.choice(documents, 40, replace=False)
        }
        for i in rng.permutation(np.arange(4, 34))
    }
    Qrels(qrels).write(tmp_path / "qrels.txt")
    Run(run).write(tmp_path / "a.run", tag="system")
    return tmp_path / "qrels.txt", tmp_path / "a.run"


def printed_by_trec_eval(
    qrels: Mapping[str, Mapping[str, int]],
    run: Mapping[str, Mapping[str, float]],
    names: list[str],
    *,
    level: int = 1,
    complete: bool = True,
    per_query: bool = True,
) -> str:
    """Return trec_eval's lines: its own values per query, its printf, its sums."""
    judged = {q: dict(docs) for q, docs in qrels.items()}
    asked = {"official", *(name for name in names if name not in OFFICIAL and "_" not in name)}
    asked |= {f"{n.rpartition('_')[0]}.{n.rpartition('_')[2]}" for n in names if "cut_" in n}
    evaluator = pytrec_eval.RelevanceEvaluator(
        judged, asked | set(pytrec_eval.supported_measures) - {"runid"}, relevance_level=level
    )
    found = evaluator.evaluate({q: dict(docs) for q, docs in run.items()})
    queries = sorted(found, key=str.encode)
    n = len(judged) if complete else len(queries)

    def line(name: str, query: str, value: float) -> str:
        number = f"{int(value)}" if name in SUMS else f"{value:6.4f}"
        return f"{name:<22}\t{query}\t{number}\n"

    lines = []
    for query in queries if per_query else ():
        lines += [
            line(name, query, found[query][name])
            for name in names
            if name not in ("num_q", "gm_map")
        ]
    for name in names:
        total = 0.0
        for query in queries:
            total += found[query][name]
        if name == "num_q":
            total = n
        elif name == "num_rel" and complete:
            total = sum(grade >= level for docs in judged.values() for grade in docs.values())
        elif name == "gm_map":
            total = math.exp((total + (n - len(queries)) * math.log(1e-5)) / n)
        elif name not in SUMS:
            total /= n
        lines.append(line(name, "all", total))
    return "".join(lines)


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("complete", [True, False])
def test_the_official_measures_are_those_of_trec_eval_byte_for_byte(
    embedsmith: Callable[..., Done], files: tuple[Path, Path], level: int, complete: bool
) -> None:
    qrels, run = files
    words = ["-q", f"-l{level}", "-c" if complete else "--no-complete"]
    got = embedsmith("measure", *files, *words).stdout
    expected = printed_by_trec_eval(
        Qrels.read(qrels), Run.read(run), OFFICIAL, level=level, complete=complete
    )
    last = expected.index("num_q ")
    assert got == f"{expected[:last]}{'runid':<22}\tall\tsystem\n{expected[last:]}"


def test_measures_come_in_the_order_and_with_the_names_of_trec_eval(
    embedsmith: Callable[..., Done], files: tuple[Path, Path]
) -> None:
    names = ["num_rel", "map", "P_5", "P_7", "recall_10", "infAP", "11pt_avg", "ndcg"]
    names += ["ndcg_cut_3", "map_cut_10", "success_1", "set_P", "set_recall", "set_map", "set_F"]
    ours = "success_1,P.5,7,ndcg_cut.3,SetP,SetR,SetAP,SetF,11pt,nDCG,NumRel,R@10,infap,ap@10,ap"
    got = embedsmith("measure", *files, "-m", ours).stdout
    evaluated = [line.split("\t")[0].strip() for line in got.splitlines()]
    assert evaluated == names
    with pytest.warns(UserWarning, match="4 of 30"):
        table = evaluate_run(Qrels.read(files[0]), Run.read(files[1]), "ap,P@7", confidence=None)
    assert f"{'map':<22}\tall\t{table.mean['AP']:6.4f}\n" in got
    assert f"{'P_7':<22}\tall\t{table.mean['P@7']:6.4f}\n" in got


def test_what_trec_eval_lacks_follows_under_its_own_name(
    embedsmith: Callable[..., Done], files: tuple[Path, Path]
) -> None:
    words = ("-m", "RR@10,map", "-m", "P(rel=2)@5", "-m", "runid")
    got = embedsmith("measure", *files, *words).stdout
    names = [line.split("\t")[0].strip() for line in got.splitlines()]
    assert names == ["runid", "map", "RR@10", "P(rel=2)@5"]
    assert "relstring" in embedsmith("measure", *files, "-m", "all_trec").stderr


@pytest.mark.parametrize("ending", ["json", "jsonl.gz", "csv", "tsv.zst", "parquet", "run.zst"])
def test_every_format_gives_the_same_numbers(
    embedsmith: Callable[..., Done], files: tuple[Path, Path], tmp_path: Path, ending: str
) -> None:
    expected = embedsmith("measure", *files, "-m", "ndcg,map,bpref", "-q").stdout
    for file, kind in zip(files, ("qrels", "run"), strict=True):
        embedsmith("convert", file, tmp_path / f"{kind}.{ending}")
    others = (tmp_path / f"qrels.{ending}", tmp_path / f"run.{ending}")
    assert embedsmith("measure", *others, "-m", "ndcg,map,bpref", "-q").stdout == expected
    mixed = (files[0], tmp_path / f"run.{ending}")
    assert embedsmith("measure", *mixed, "-m", "ndcg,map,bpref", "-q").stdout == expected


def test_tables_of_several_runs(
    embedsmith: Callable[..., Done], files: tuple[Path, Path], tmp_path: Path
) -> None:
    qrels, run = files
    other = tmp_path / "b.run"
    Run({q: dict(list(d.items())[:3]) for q, d in Run.read(run).items()}).write(other)
    words = ("measure", qrels, run, other, "-m", "nDCG@10,AP", "--ci")
    with pytest.warns(UserWarning, match="4 of 30"):
        table = evaluate_run(Qrels.read(qrels), Run.read(other), "nDCG@10,AP")
    shown = embedsmith(*words, "--format", "md").stdout.splitlines()
    low, high = table.ci["AP"]
    assert shown[0] == "| run | nDCG@10 | AP |"
    assert shown[3].endswith(f"| {table.mean['AP']:.4f} [{low:.4f}, {high:.4f}] |")
    counts = embedsmith("measure", qrels, run, "-m", "NumQ", "--format", "md").stdout
    assert counts.splitlines()[2].endswith("| 30 |")
    rows = list(csv.DictReader(io.StringIO(embedsmith(*words, "--format", "csv").stdout)))
    assert [row["run"] for row in rows] == ["a.run", "a.run", "b.run", "b.run"]
    assert float(rows[3]["value"]) == table.mean["AP"]
    assert (float(rows[3]["low"]), float(rows[3]["high"])) == table.ci["AP"]
    found: dict[str, Any] = json.loads(embedsmith(*words, "--json", "-q").stdout)
    assert found["schema"] == "embedsmith.measures/1"
    assert [one["name"] for one in found["runs"]] == ["a.run", "b.run"]
    assert found["runs"][1]["per_query"]["AP"] == table.per_query["AP"].tolist()


def test_ties_and_presets_are_passed_on(
    embedsmith: Callable[..., Done], files: tuple[Path, Path]
) -> None:
    qrels, run = Qrels.read(files[0]), Run.read(files[1])
    for option, kwargs in (
        ("--ties=expected", {"ties": "expected"}),
        ("--preset=pytrec_eval", {"preset": "pytrec_eval"}),
    ):
        got = embedsmith("measure", *files, "-m", "P@5", option, "--json").stdout
        with pytest.warns(UserWarning, match="4 of 30"):
            expected = evaluate_run(qrels, run, "P@5", confidence=None, **kwargs)  # type: ignore[arg-type]
        assert json.loads(got)["runs"][0]["mean"] == expected.mean


def test_missing_queries_are_noted_on_stderr(
    embedsmith: Callable[..., Done], files: tuple[Path, Path]
) -> None:
    assert "4 of 30 judged queries are not in the run" in embedsmith("measure", *files).stderr


def test_wrong_words_and_files_have_their_exit_codes(
    embedsmith: Callable[..., Done], files: tuple[Path, Path], tmp_path: Path
) -> None:
    qrels, run = files
    assert "did you mean" in embedsmith("measure", qrels, run, "-m", "ndgc@10", code=2).stderr
    assert "--format md" in embedsmith("measure", qrels, run, "--ci", code=2).stderr
    assert "Did you mean" in embedsmith("measure", qrels, f"{run}x", code=3).stderr
    (tmp_path / "five").write_text("q1 Q0 d 1 0.5\n")
    assert (
        "five:1:1: found five columns" in embedsmith("measure", qrels, tmp_path / "five", code=3)[1]
    )
    (tmp_path / "other").write_text("z Q0 d 1 0.5 t\n")
    text = embedsmith("measure", qrels, tmp_path / "other", code=3).stderr
    assert "no query in common" in text
    assert "other: " in text


def test_help_has_an_example(embedsmith: Callable[..., Done]) -> None:
    for command in ("measure", "validate", "convert"):
        text = embedsmith(command, "--help").stdout
        assert "Example:\n  " in text
        assert f"  embedsmith {command} " in text
        assert "Exit codes:" in text


def test_the_command_itself_reads_a_pipe(files: tuple[Path, Path]) -> None:
    qrels, run = files
    words = f"{sys.executable} -m embedsmith measure {qrels} <(cat {run}) -m map"
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("map   "), done.stderr
