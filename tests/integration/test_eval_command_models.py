"""Real models on real data, against pytrec_eval on the files they leave."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from embedsmith import _core
from embedsmith.datasets import load_dataset
from embedsmith.evaluation import EvaluationResult
from tests.integration.trec_eval import measured_by_trec_eval

pytestmark = [pytest.mark.model, pytest.mark.slow]


@pytest.mark.parametrize("name", ["sample:bank", "cranfield"])
def test_a_real_model_and_bm25_measure_as_pytrec_eval_does(tmp_path, name, request):
    # Asked for by name, so that the sample is measured where the other data are absent.
    data = name if ":" in name else str(request.getfixturevalue("shared_data") / name)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "embedsmith", "eval", "--data", data),
            *("--model", "all-MiniLM-L6-v2", "--model", "bm25"),
            *("--measures", "ndcg@10,recall@10,rr@10,p@5,ap", "--out", str(tmp_path / "out")),
            *("--latency-queries", "5"),
        ],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = {"nDCG@10": "ndcg_cut.10", "R@10": "recall.10", "P@5": "P.5", "AP": "map"}
    qrels = load_dataset(data).qrels
    result = EvaluationResult.load(tmp_path / "out")
    assert [model.depth for model in result.models] == [1000, 1000]
    for model in result.models:
        run_file = tmp_path / "out" / f"{model.name}.run"
        theirs = measured_by_trec_eval(run_file, qrels, set(names.values()))
        for ours, name_there in names.items():
            mean = sum(theirs[name_there].values()) / len(qrels)
            assert model.table.mean[ours] == pytest.approx(mean, abs=1e-9)
    dense, lexical = result.models
    # Which backend it was is in all that can be read of the run, and so is why.
    expected = "st:all-MiniLM-L6-v2" if _core.isa() == "scalar" else "native:all-MiniLM-L6-v2"
    assert dense.spec == result.settings.models[0] == expected
    assert dense.encoder is not None
    assert f"all-MiniLM-L6-v2: runs as {expected}: {dense.encoder.chosen}" in done.stderr
    told = " ".join(done.stdout.split())
    precision = dense.encoder.producer.get("precision")
    assert expected.startswith("st:") or precision in ("f32", "bf16", "int8")
    form = "" if precision is None else f" in {precision}"
    assert f"all-MiniLM-L6-v2 ran as {expected}{form}: {dense.encoder.chosen}." in told
    assert dense.dim == 384
    assert dense.table.mean["nDCG@10"] > lexical.table.mean["nDCG@10"] > 0.2
