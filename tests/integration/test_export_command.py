"""`embedsmith export` as a user runs it: on a real model, offline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def export(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "embedsmith", "export", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    file = tmp_path / "texts.txt"
    file.write_text("A bank keeps records for five years.\nVAT?\nKündigungen bedürfen der Form.\n")
    return file


@pytest.mark.model
def test_a_model_is_exported_compared_and_described(tmp_path: Path, calibration: Path) -> None:
    out = tmp_path / "out"
    done = export(
        "st:all-MiniLM-L6-v2", "--to", str(out), "--calibration", str(calibration), "--json"
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["folder"] == str(out)
    assert said["schema"] == "embedsmith.export/1"
    assert said == {"folder": str(out), **json.loads((out / "embedsmith_export.json").read_text())}
    assert said["parity"]["texts"] == 3
    retrieval = said["parity"]["retrieval"]
    assert (retrieval["data"], retrieval["queries"]) == ("bank", 100)
    assert {one["verdict"] for one in retrieval["measures"].values()} == {"equivalent"}
    assert "searching 121 documents for 100 queries with both" in done.stderr
    again = export("all-MiniLM-L6-v2", "--to", str(out))
    assert again.returncode == 4
    assert "--force" in again.stderr


@pytest.mark.model
def test_an_export_outside_the_tolerance_ends_with_1_and_says_by_how_much(
    tmp_path: Path, calibration: Path
) -> None:
    done = export(
        "all-MiniLM-L6-v2",
        *("--to", str(tmp_path / "out"), "--precision", "int8", "--data", "none"),
        *("--calibration", str(calibration), "--tolerance", "cosine-min=0.99999"),
    )
    assert done.returncode == 1
    assert "all-MiniLM-L6-v2 as int8 is too far from its original" in done.stderr
    assert "at least 0.99999 is asked (cosine_min)" in done.stderr
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["texts.txt"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["all-MiniLM-L6-v2", "--precision", "bf16"], 2, "bf16 runs on CUDA only"),
        (["all-MiniLM-L6-v2", "--tolerance", "cosine=high"], 2, "is no tolerance"),
        (["all-MiniLM-L6-v2", "--tolerance", "cosin_min=0.9"], 2, "Did you mean 'cosine_min'"),
        (["no-such-model"], 2, "There is no model 'no-such-model'"),
        (["all-MiniLM-L6-v2", "--data", "no-such-folder"], 3, "no-such-folder"),
        (["all-MiniLM-L6-v2", "--calibration", "no-such-file"], 3, "no-such-file cannot be read"),
    ],
)
def test_a_wrong_word_is_told_before_anything_is_written(
    tmp_path: Path, words: list[str], code: int, message: str
) -> None:
    done = export(*words, "--to", str(tmp_path / "out"))
    assert done.returncode == code, done.stderr
    assert message in " ".join(done.stderr.split())
    assert list(tmp_path.iterdir()) == []
