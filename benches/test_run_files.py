"""Six measures of a TREC run file: from two files on disk to the means.

Every engine reads judgements and run and computes the measures of `judged`. ``pytrec_eval`` and
``ranx`` parse with their own functions, pandas with ``read_csv`` and a join; ``trec_eval`` is the
program, where one is on the path: its memory is another process's, and not in the record.
``reading`` only reads the bytes, which nobody can go below.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benches import judged
from benches.engines import THREADS
from benches.judged import MEASURES
from benches.vectors import scaled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benches.conftest import Bench

    Files = tuple[Path, Path]
    Means = Callable[[], Any]

N_QUERIES = scaled(10_000)
SHAPE = {"queries": N_QUERIES, "docs": judged.N_DOCS, "depth": judged.DEPTH, "relevant": 4}
TREC_EVAL = ("ndcg_cut.10", "map", "recip_rank", "recall.100", "P.10", "success.10")


def embedsmith_files(files: Files) -> Means:
    from embedsmith.datasets import Qrels, Run
    from embedsmith.metrics import evaluate_run

    qrels, run = files
    return lambda: (
        evaluate_run(
            Qrels.read(qrels), Run.read(run), MEASURES, confidence=None, threads=THREADS
        ).mean
    )


def trec_eval(files: Files) -> Means:
    program = shutil.which("trec_eval")
    assert program is not None
    wanted = [part for name in TREC_EVAL for part in ("-m", name)]
    command = [program, "-c", *wanted, *map(str, files)]

    def call() -> dict[str, float]:
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        means = {name: float(value) for name, _, value in map(str.split, printed.splitlines())}
        return judged.named(means, judged.PYTREC_EVAL)

    return call


def pytrec_eval_files(files: Files) -> Means:
    import pytrec_eval

    def call() -> dict[str, float]:
        with files[0].open() as judgements, files[1].open() as results:
            qrels, run = pytrec_eval.parse_qrel(judgements), pytrec_eval.parse_run(results)
        return judged.averaged(pytrec_eval.RelevanceEvaluator(qrels, set(TREC_EVAL)).evaluate(run))

    return call


def ranx_files(files: Files) -> Means:
    import ranx

    def call() -> dict[str, float]:
        qrels = ranx.Qrels.from_file(str(files[0]), kind="trec")
        run = ranx.Run.from_file(str(files[1]), kind="trec")
        return judged.named(ranx.evaluate(qrels, run, list(judged.RANX)), judged.RANX)

    return call


def pandas_files(files: Files) -> Means:
    import pandas as pd

    def call() -> dict[str, float]:
        qrels = pd.read_csv(
            files[0], sep=" ", header=None, names=["query", "0", "doc", "grade"], usecols=[0, 2, 3]
        )
        run = pd.read_csv(
            files[1],
            sep=" ",
            header=None,
            names=["query", "Q0", "doc", "rank", "score", "tag"],
            usecols=[0, 2, 4],
        )
        run = run.sort_values(["query", "score"], ascending=[True, False], kind="stable")
        run["rank"] = run.groupby("query").cumcount() + 1
        hits = run.merge(qrels[qrels["grade"] > 0], on=["query", "doc"])
        hits = hits.sort_values(["query", "rank"])
        hits["found"] = hits.groupby("query").cumcount() + 1
        near = hits[hits["rank"] <= 10]
        n_relevant = qrels[qrels["grade"] > 0].groupby("query").size()
        queries = n_relevant.index
        ideal = np.cumsum(1 / np.log2(np.arange(2, 12)))[np.minimum(n_relevant, 10) - 1]

        def mean(values: Any) -> float:
            return float(values.reindex(queries, fill_value=0.0).mean())

        gained = (1 / np.log2(near["rank"] + 1)).groupby(near["query"]).sum()
        precisions = (hits["found"] / hits["rank"]).groupby(hits["query"]).sum()
        within = hits[hits["rank"] <= 100].groupby("query").size()
        values = (
            (gained.reindex(queries, fill_value=0.0) / ideal),
            (precisions.reindex(queries, fill_value=0.0) / n_relevant),
            1 / hits.groupby("query")["rank"].min(),
            within.reindex(queries, fill_value=0) / n_relevant,
            near.groupby("query").size() / 10,
            (near.groupby("query").size() > 0).astype(float),
        )
        return {name: mean(value) for name, value in zip(MEASURES, values, strict=True)}

    return call


def reading(files: Files) -> Means:
    return lambda: sum(len(file.read_bytes()) for file in files)


ENGINES: dict[str, Callable[[Files], Means]] = {
    "embedsmith": embedsmith_files,
    "trec_eval": trec_eval,
    "pytrec_eval": pytrec_eval_files,
    "pandas": pandas_files,
    "ranx": ranx_files,
    "reading": reading,
}


@pytest.fixture(scope="session")
def trec_files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return judged.make(N_QUERIES).write(tmp_path_factory.mktemp("trec"))


@pytest.mark.parametrize("engine", ENGINES)
def test_run_file(bench: Bench, engine: str, trec_files: Files, tmp_path: Path) -> None:
    if engine == "trec_eval" and shutil.which(engine) is None:
        pytest.skip("no trec_eval on the path; build it from https://trec.nist.gov/trec_eval")
    found = bench(
        ENGINES[engine],
        trec_files,
        engine=engine,
        baseline="pytrec_eval",
        shape=SHAPE,
        dtype="float64",
        threads=THREADS,
        k=judged.DEPTH,
        environment=judged.numba_environment(tmp_path, THREADS),
    )
    if engine == "reading":
        assert found == sum(file.stat().st_size for file in trec_files)
    elif engine == "trec_eval":
        # It prints four digits.
        assert found == pytest.approx(judged.expected(judged.make(N_QUERIES)), abs=5.1e-5)
    else:
        judged.check(found, judged.make(N_QUERIES))
