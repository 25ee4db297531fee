"""The stubs of the extension say what the installed module does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "embedsmith"
ALLOW = ROOT / "tests" / "stubtest-allow.txt"


def test_stubtest_agrees_with_the_installed_extension(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy.stubtest", "embedsmith._core"),
            *("--mypy-config-file", str(ROOT / "pyproject.toml"), "--allowlist", str(ALLOW)),
        ],
        capture_output=True,
        text=True,
        # Its cache goes elsewhere: a run of mypy beside this one must not trip over it.
        env={**os.environ, "MYPY_CACHE_DIR": str(tmp_path)},
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_is_marked_as_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()
