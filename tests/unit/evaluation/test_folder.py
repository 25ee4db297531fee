import json
import os

import pytest

from embedsmith.evaluation._folder import ResultFolder, check_writable, read_result
from embedsmith.exceptions import DataError, OutputError

MINE = {
    "schema": "embedsmith.result/1",
    "data": {"name": "bank", "split": "test", "hash": "h"},
    "models": [
        {"spec": "st:m", "run_file": "m.run"},
        {"spec": "bm25", "run_file": "../outside.run"},
    ],
}


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps(MINE))
    (folder / "m.run").write_text("x")
    (tmp_path / "outside.run").write_text("x")
    return folder


def check(folder, *, data_hash="h", models=("st:m", "bm25"), force=False):
    ResultFolder(folder, force=force).check_content(data_hash=data_hash, models=models)


def test_a_new_and_an_empty_folder_are_taken(tmp_path):
    check(tmp_path / "new")
    check(tmp_path)


def test_the_result_of_the_same_data_and_models_may_be_replaced(results):
    check(results)


@pytest.mark.parametrize("change", [{"data_hash": "other"}, {"models": ("bm25",)}])
def test_another_result_is_refused_with_its_name_and_the_way_out(results, change):
    with pytest.raises(OutputError, match=r"st:m, bm25 on bank, split test.*--force"):
        check(results, **change)
    check(results, **change, force=True)


def test_a_folder_of_other_files_is_refused_with_their_names(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(OutputError, match=r"no evaluation \(thesis\.tex\).*--force"):
        check(tmp_path)
    check(tmp_path, force=True)


def test_a_damaged_result_is_refused_unless_forced(results):
    (results / "result.json").write_text("{")
    with pytest.raises(OutputError, match=r"not JSON.*--force"):
        check(results)
    check(results, force=True)


def test_stale_run_files_go_but_nothing_outside_the_folder(results):
    ResultFolder(results).remove_stale(keep=["other.run"])
    assert not (results / "m.run").exists()
    assert (results.parent / "outside.run").exists()


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
    with pytest.raises(OutputError, match=r"file is a file\. Choose another --out"):
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
