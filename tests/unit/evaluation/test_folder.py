import hashlib
import json
import os
from pathlib import Path

import pytest

from embedsmith.evaluation._folder import ResultFolder, check_writable, read_result
from embedsmith.exceptions import DataError, OutputError

X = hashlib.sha256(b"x").hexdigest()
MINE = {
    "schema": "embedsmith.result/1",
    "data": {"name": "bank", "split": "test", "hash": "h"},
    "models": [
        {"spec": "st:m", "run_file": "m.run", "run_sha256": X},
        {"spec": "bm25", "run_file": "bm25.run", "run_sha256": X},
    ],
    "qrels_sha256": X,
}
RUNS = ("m.run", "bm25.run")


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps(MINE))
    for name in (*RUNS, "qrels.txt"):
        (folder / name).write_text("x")
    return folder


def check(folder, *, data_hash="h", models=("st:m", "bm25"), run_files=RUNS, force=False):
    ResultFolder(folder, force=force).check_content(
        data_hash=data_hash, models=models, run_files=run_files
    )


def rewrite(folder, **changes):
    (folder / "result.json").write_text(json.dumps({**MINE, **changes}))


def test_a_new_and_an_empty_folder_are_taken(tmp_path):
    check(tmp_path / "new")
    check(tmp_path)


def test_the_result_of_the_same_data_and_models_may_be_replaced(results):
    check(results)


@pytest.mark.parametrize("change", [{"data_hash": "other"}, {"models": ("bm25",)}])
def test_another_result_is_refused_with_its_name_and_the_way_out(results, change):
    with pytest.raises(
        OutputError, match=r"st:m, bm25 on bank, split test.*force=True \(--force\)"
    ):
        check(results, **change)
    check(results, **change, force=True)


def test_a_folder_of_other_files_is_refused_with_their_names(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(OutputError, match=r"no evaluation \(thesis\.tex\).*force=True \(--force\)"):
        check(tmp_path)
    check(tmp_path, force=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("", "not JSON"),
        (json.dumps({**MINE, "schema": "embedsmith.result/9"}), "result/9"),
        (json.dumps({"schema": "embedsmith.result/1"}), r"result\.json: 'data' is missing"),
        (json.dumps({**MINE, "models": [{"spec": "st:m"}]}), "'run_file' is missing"),
        (json.dumps({**MINE, "models": 3}), r"result\.json: 'int' object"),
    ],
)
def test_a_damaged_result_is_refused_and_with_force_counts_as_none(tmp_path, content, said):
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(OutputError, match=rf"{said}.*force=True \(--force\)"):
        check(tmp_path)
    check(tmp_path, force=True)


@pytest.mark.parametrize("content", ['{"accuracy": 0.9}', "[]"])
def test_the_result_file_of_another_program_is_not_replaced_by_force(tmp_path, content):
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(OutputError, match=r"result\.json is no evaluation's\. Move it away"):
        check(tmp_path, force=True)


@pytest.mark.parametrize("name", ["qrels.txt", "bm25.run"])
@pytest.mark.parametrize("earlier", [True, False])
def test_force_replaces_no_file_that_an_evaluation_did_not_write(results, name, earlier):
    check(results, force=True)
    if not earlier:
        (results / "result.json").unlink()
        for other in {*RUNS, "qrels.txt"} - {name}:
            (results / other).unlink()
    (results / name).write_text("the only copy")
    with pytest.raises(OutputError, match=rf"{name} was not written by.*Move it away"):
        check(results, force=True)
    if earlier:
        with pytest.raises(OutputError, match=rf"{name} was not written by"):
            check(results)


def test_a_folder_in_the_place_of_a_run_file_is_found_before_the_work(results):
    (results / "bm25.run").unlink()
    (results / "bm25.run").mkdir()
    with pytest.raises(OutputError, match=r"bm25\.run was not written by"):
        check(results)


def test_stale_run_files_go_and_nothing_else(results):
    for place in (results.parent / "outside.run", results / "thesis.txt", results / "mine.run"):
        place.write_text("x")
    (results / "edited.run").write_text("my notes")
    names = ["m.run", "../outside.run", "outside.run", "thesis.txt", "..", "edited.run", "gone.run"]
    models = [{"spec": name, "run_file": name, "run_sha256": X} for name in names]
    rewrite(results, models=models)
    ResultFolder(results).remove_stale(keep=["bm25.run", "qrels.txt"])
    left = sorted(path.name for path in results.iterdir())
    assert left == [
        *("bm25.run", "edited.run", "mine.run", "qrels.txt", "result.json", "thesis.txt"),
    ]
    assert (results.parent / "outside.run").exists()


def test_a_run_file_that_is_written_again_is_not_stale_under_another_case(results):
    ResultFolder(results).remove_stale(keep=["M.run", "BM25.run"])
    assert (results / "m.run").exists()


def test_reading_names_the_schema_it_cannot_read(results):
    (results / "result.json").write_text(json.dumps({"schema": "embedsmith.result/9"}))
    with pytest.raises(DataError, match=r"embedsmith\.result/9.*embedsmith\.result/1"):
        read_result(results)


def test_reading_a_folder_without_a_result_says_what_to_name(tmp_path):
    with pytest.raises(DataError, match=r"No such file.*eval --out"):
        read_result(tmp_path / "result.json")


def test_check_writable_accepts_a_folder_to_be_made_and_does_not_make_it(tmp_path):
    check_writable(tmp_path / "new" / "deep")
    assert list(tmp_path.iterdir()) == []


def test_check_writable_refuses_a_folder_below_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"file is a file\. Choose another folder \(--out\)"):
        check_writable(tmp_path / "file" / "results")


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="the superuser may write everywhere"
)
def test_check_writable_refuses_a_folder_without_rights(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="Permission denied"):
            check_writable(tmp_path)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc on this system")
def test_check_writable_asks_for_no_rights_where_they_are_not_what_is_missing():
    with pytest.raises(OutputError, match=r"no file can be made in /proc \(") as caught:
        check_writable(Path("/proc/x/y"))
    assert "rights" not in str(caught.value)
