"""A report lands whole where it was wanted, or says why not."""

from __future__ import annotations

import os
import sys

import pytest

import embedsmith as es
from embedsmith._provided import provided
from embedsmith.exceptions import MissingDependencyError, OutputError
from embedsmith.reports import _html, write_report


def test_a_result_writes_its_own_report(plain_result, tmp_path):
    written = plain_result.report(tmp_path / "own.html")
    assert written == tmp_path / "own.html"
    same = es.write_report(plain_result, tmp_path / "same.html")
    assert written.read_bytes() == same.read_bytes()
    assert written.read_bytes().startswith(b"<!doctype html>")


def test_what_a_result_calls_is_the_public_function():
    assert provided("write_report") is write_report


def test_a_name_that_tells_no_format_is_refused(plain_result, tmp_path):
    with pytest.raises(OutputError, match=r"'report.doc' names no kind of report; choose one of"):
        plain_result.report(tmp_path / "report.doc")
    assert plain_result.report(tmp_path / "report.doc", format="html").is_file()


def test_a_folder_is_refused_with_a_name_for_the_file(plain_result, tmp_path):
    folder = tmp_path / "out.html"
    folder.mkdir()
    with pytest.raises(OutputError, match=r"is a folder. Name a file in it, such as .*report.html"):
        plain_result.report(folder)


def test_a_folder_that_is_not_there_is_named(plain_result, tmp_path):
    with pytest.raises(OutputError, match="absent is no folder. Make it first"):
        plain_result.report(tmp_path / "absent" / "report.html")


@pytest.mark.skipif(
    sys.platform == "win32" or getattr(os, "geteuid", lambda: 1)() == 0,
    reason="the superuser may write anywhere",
)
def test_a_place_without_rights_is_an_error(plain_result, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="cannot be written"):
        plain_result.report(tmp_path / "report.html")


@pytest.mark.skipif(not os.path.exists("/proc/version"), reason="needs Linux's /proc")  # noqa: PTH110
def test_a_file_system_that_takes_no_file_is_an_error(plain_result):
    with pytest.raises(OutputError, match="cannot be written"):
        plain_result.report("/proc/report.html")


def test_a_disk_that_is_full_leaves_the_old_report(plain_result, tmp_path, monkeypatch):
    place = tmp_path / "report.html"
    place.write_text("old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        plain_result.report(place)
    monkeypatch.undo()
    assert place.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_missing_library_is_named_with_its_extra(plain_result, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    _html._environment.cache_clear()
    with pytest.raises(MissingDependencyError, match=r"pip install 'embedsmith\[report\]'"):
        plain_result.report(tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_a_pdf_without_its_library_names_the_extra(plain_result, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    monkeypatch.setitem(sys.modules, "playwright", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'embedsmith\[pdf\]'"):
        plain_result.report(tmp_path / "report.pdf")


def test_a_pdf_without_a_browser_names_the_command(plain_result, tmp_path, monkeypatch):
    pytest.importorskip("playwright")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="apt-get install chromium"):
        plain_result.report(tmp_path / "report.pdf")
    assert list(tmp_path.iterdir()) == []


def test_a_browser_that_does_not_start_is_named(plain_result, tmp_path, monkeypatch):
    pytest.importorskip("playwright")
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "chromium"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(OutputError, match="bin/chromium does not start"):
        plain_result.report(tmp_path / "report.pdf")
