import subprocess
import sys
from pathlib import Path

import pytest

from embedsmith import exceptions
from embedsmith.cli._exit import EXIT_CODES_HELP, ExitCode, exit_code_of, guarded

TEXT = "the file is empty. Write something into it."


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("MeasureError", 2),
        ("ModelError", 2),
        ("UnsafeModelError", 2),
        ("ShapeError", 2),
        ("DataError", 3),
        ("ParseError", 3),
        ("NonFiniteError", 3),
        ("DeviceError", 4),
        ("MissingDependencyError", 4),
        ("OutputError", 4),
        ("CacheError", 4),
    ],
)
def test_each_error_has_the_exit_code_of_its_kind(name, code):
    assert exit_code_of(getattr(exceptions, name)("x")) == code


def test_the_help_lists_every_exit_code():
    for code in ExitCode:
        assert f"\n  {int(code)} " in EXIT_CODES_HELP


def test_an_error_prints_one_block_and_no_traceback(capsys):
    with pytest.raises(SystemExit) as end, guarded():
        raise exceptions.DataError(TEXT)
    assert end.value.code == 3
    captured = capsys.readouterr()
    assert captured.err == f"error: {TEXT}\n"
    assert captured.out == ""


@pytest.mark.parametrize("value", ["1", "true"])
def test_debug_shows_the_traceback(capsys, monkeypatch, value):
    monkeypatch.setenv("EMBEDSMITH_DEBUG", value)
    with pytest.raises(SystemExit), guarded():
        raise exceptions.DataError("x")
    assert "Traceback" in capsys.readouterr().err


def test_an_interruption_says_what_is_kept(capsys):
    with pytest.raises(SystemExit) as end, guarded(kept="All is kept in D."):
        raise KeyboardInterrupt
    assert end.value.code == 130
    assert capsys.readouterr().err == "\ninterrupted. All is kept in D.\n"


def test_an_error_that_is_a_bug_keeps_its_traceback_and_is_no_failed_gate(capsys):
    with pytest.raises(SystemExit) as end, guarded():
        1 / 0  # noqa: B018
    assert end.value.code == 70
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is full, as Linux has it")
@pytest.mark.parametrize(
    ("corpus", "redirected", "code"),
    [
        ("none.txt", "2>/dev/full", 3),
        # Its progress cannot be written, and a full disk is the environment's.
        ("c.txt", "2>/dev/full", 4),
        ("c.txt", "2>&-", 0),
    ],
)
def test_a_log_that_cannot_be_written_is_no_failed_gate(tmp_path, corpus, redirected, code):
    (tmp_path / "c.txt").write_text("a text\n")
    command = (
        f"{sys.executable} -m embedsmith embed {corpus} --model fake:8 --no-cache --out out "
        f"{redirected}"
    )
    shell = ["sh", "-c", command]
    done = subprocess.run(shell, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == code
