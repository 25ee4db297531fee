"""``embedsmith mine`` as it is typed: inputs, outputs, and what it refuses before it begins."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from embedsmith.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str) -> tuple[int, str, str]:
        code = 0
        try:
            main(["mine", *words, "--no-cache", "--out", str(tmp_path / "out")])
        except SystemExit as ended:
            code = 0 if ended.code is None else int(ended.code)
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["sample:bank"], 3, "no split 'train'"),
        (["sample:bank", "--split", "test", "--range-max", "1"], 2, "leave 1 ranks"),
        (["sample:bank", "--split", "test", "--near-duplicate", "2"], 2, "out of range"),
        (["no-such-file.jsonl"], 3, "no-such-file.jsonl"),
    ],
)
def test_what_is_refused_is_refused_before_a_folder_or_a_model(
    run: Run, tmp_path: Path, words: list[str], code: int, message: str
) -> None:
    # The model does not exist either: it is not looked for.
    found, _, err = run(*words, "--model", "no-such-model")
    assert (found, message in err) == (code, True), err
    assert not (tmp_path / "out").exists()


def test_an_unknown_cross_encoder_is_named(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="the extra 'st' is not installed")
    code, _, err = run(
        "sample:bank", "--split", "test", "--model", "fake:8", "--cross-encoder", "no-such"
    )
    assert code == 2, err
    assert "There is no cross-encoder 'no-such'" in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_a_folder_is_mined_to_parquet_with_bm25_and_its_stages_are_told(
    run: Run, tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    pytest.importorskip("bm25s", reason="the extra 'bm25' is not installed")
    code, out, err = run(
        "sample:bank", "--split", "test", "--model", "fake:64", "--bm25", "--json",
        "--relative-margin", "-1", "--file-type", "parquet",
    )  # fmt: skip
    assert code == 0, err
    stages = [line.split(": ", 1)[1] for line in err.splitlines() if ": " in line]
    assert stages == ["embedding queries, 100", "embedding passages, 121", "mining queries, 100"]
    report = json.loads(out)
    table = parquet.read_table(tmp_path / "out" / "train.parquet")
    assert table.num_rows == report["examples"] > 0
    assert set(table.column_names) == {"anchor", "positive", "negative"}
    assert not (tmp_path / "out" / "blocks").exists()
