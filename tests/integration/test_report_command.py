"""``embedsmith report`` as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def embedsmith(*words):
    return subprocess.run(
        [sys.executable, "-m", "embedsmith", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("stored") / "bm25"
    done = embedsmith(
        "eval", "--data", "sample:bank", "--model", "bm25", "--out", place, "--no-cache", "-q"
    )
    assert done.returncode == 0, done.stderr
    return place


@pytest.mark.parametrize("named", [".", "result.json"])
def test_a_stored_result_becomes_a_page(folder, named, tmp_path):
    page = tmp_path / "report.html"
    done = embedsmith("report", folder / named, "-o", page)
    assert (done.returncode, done.stdout) == (0, f"Written to {page}.\n")
    assert "bm25" in page.read_text(encoding="utf-8")


def edited(folder, tmp_path, **changes):
    content = json.loads((folder / "result.json").read_bytes())
    place = tmp_path / "result.json"
    place.write_text(json.dumps({**content, **changes}), encoding="utf-8")
    return place


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda *_: "absent/result.json", "cannot be read"),
        (lambda folder, tmp: edited(folder, tmp, schema="embedsmith.result/99"), "result/99"),
        (lambda folder, tmp: edited(folder, tmp, schema="other/1"), "has the schema 'other/1'"),
        (lambda folder, tmp: edited(folder, tmp, settings={}), "settings: "),
        (lambda folder, tmp: edited(folder, tmp, models=[{}]), "models[0]: 'name' is missing"),
    ],
)
def test_a_result_that_cannot_be_read_is_an_error_of_the_data(folder, tmp_path, spoil, said):
    page = tmp_path / "report.html"
    done = embedsmith("report", spoil(folder, tmp_path), "-o", page)
    assert done.returncode == 3, done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not page.exists()


def test_text_that_is_no_json_is_an_error_of_the_data(tmp_path):
    place = tmp_path / "result.json"
    place.write_text("{", encoding="utf-8")
    done = embedsmith("report", place, "-o", tmp_path / "report.html")
    assert done.returncode == 3
    assert "is not JSON" in done.stderr


def test_a_place_that_cannot_be_written_is_an_error_of_the_environment(folder, tmp_path):
    done = embedsmith("report", folder, "-o", tmp_path / "absent" / "report.html")
    assert done.returncode == 4
    assert "is no folder" in done.stderr


def test_a_result_without_a_place_is_an_error_of_usage(folder):
    done = embedsmith("report", folder)
    assert done.returncode == 2
    assert "-o" in done.stderr


def test_help_has_an_example():
    done = embedsmith("report", "--help")
    assert done.returncode == 0
    assert "embedsmith report results/demo/result.json -o report.html" in done.stdout
