"""The set-up that every make target starts with, on machines that lack something."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tools import environment

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(os.name == "nt", reason="stands in for commands by shell scripts")


@pytest.fixture
def command(tmp_path: Path) -> Callable[[str, str], Path]:
    """Put a command of that name and output into a folder, and return the folder."""

    def make(name: str, output: str) -> Path:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho '{output}'\n", encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return tmp_path

    return make


def test_missing_cargo_is_one_sentence_with_the_fix(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "environment.py", "test"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "no cargo is on PATH: install Rust" in line


def test_old_cargo_is_refused_with_the_version_wanted(
    command: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(command("cargo", "cargo 1.70.0 (abc 2023-04-25)")))
    with pytest.raises(
        environment.SetupError, match=r"Rust 1\.\d+ or newer, but cargo .* 1\.70\.0"
    ):
        environment.check_rust()


def test_newer_cargo_is_accepted(
    command: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As text "1.100" comes before "1.89".
    monkeypatch.setenv("PATH", str(command("cargo", "cargo 1.100.0 (abc 2027-01-01)")))
    environment.check_rust()


def test_old_python_is_refused_before_the_set_up_runs(command: Callable[[str, str], Path]) -> None:
    folder = command("python-old", "Python 3.8.1")
    script = folder / "python-old"
    script.write_text(script.read_text(encoding="utf-8") + "exit 1\n", encoding="utf-8")
    done = subprocess.run(
        ["make", "test", f"PYTHON={script}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "needs Python 3.10 or newer" in line
    assert "is Python 3.8.1: name a newer one" in line


def test_uv_looks_where_pip_is_configured_to(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = r"""
global.index-url='https://index.invalid/simple'
:env:.extra-index-url='https://a.invalid/simple\nhttps://b.invalid/simple'
install.find-links='/wheels\n/more'
:env:.cert='/etc/own.pem'
global.require-virtualenv='true'
"""
    monkeypatch.setattr(environment, "pip_listing", lambda: listing)
    for name in environment.UV_NAMES.values():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/chosen.pem")
    env = environment.uv_environment()
    assert env["UV_DEFAULT_INDEX"] == "https://index.invalid/simple"
    assert env["UV_INDEX"] == "https://a.invalid/simple https://b.invalid/simple"
    assert env["UV_FIND_LINKS"] == "/wheels,/more"
    assert env["SSL_CERT_FILE"] == "/etc/chosen.pem"


def test_a_stamp_holds_for_one_state_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    source, stamp = tmp_path / "lib.rs", tmp_path / "stamp"
    source.write_text("fn f() {}", encoding="utf-8")
    assert not environment.fresh(stamp, environment.digest([source]))
    stamp.write_text(environment.digest([source]), encoding="utf-8")
    assert environment.fresh(stamp, environment.digest([source]))
    source.write_text("fn g() {}", encoding="utf-8")
    assert not environment.fresh(stamp, environment.digest([source]))


def test_make_clean_removes_what_make_made_and_says_so() -> None:
    def told(*words: str) -> str:
        done = subprocess.run(
            ["make", "--no-print-directory", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    (recipe,) = told("-n", "clean").splitlines()
    removed = recipe.split()
    assert "results/demo" in removed
    # That folder also holds what users told "embedsmith eval --out results/..." to write.
    assert "results" not in removed
    assert "results/demo" in next(line for line in told("help").splitlines() if "clean" in line)
