"""What is shipped: a wheel that works beside numpy alone, and an sdist that rebuilds it.

Built with maturin as ``make wheel`` does. Nothing is downloaded: the clean environment borrows the
numpy of this one.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parent.parent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        shutil.which("cargo") is None or importlib.util.find_spec("maturin") is None,
        reason="building needs cargo and maturin: make test installs the latter",
    ),
]

SEARCH = """
import sys
import numpy as np
import embedsmith as es

corpus = np.eye(3, 4, dtype=np.float32)
hits = es.topk(corpus[1:2], corpus, k=2)
assert hits.rows.tolist() == [[1, 0]], hits
assert hits.scores.tolist() == [[1.0, 0.0]], hits
foreign = {n.partition(".")[0] for n in sys.modules if n.partition(".")[0] not in
           sys.stdlib_module_names}
print(es.__version__, sorted(foreign - {"__main__", "__mp_main__"}))
"""


def maturin(*arguments: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "maturin", *arguments],
        cwd=cwd,
        env={**os.environ, "PYO3_PYTHON": sys.executable, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    maturin("build", "--release", "--locked", "--interpreter", sys.executable, "--out", str(folder))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    maturin("sdist", "--out", str(folder))
    (built,) = folder.glob("*.tar.gz")
    return built


def site_packages(environment: Path) -> Path:
    if os.name == "nt":
        return environment / "Lib" / "site-packages"
    (folder,) = (environment / "lib").glob("python*/site-packages")
    return folder


def clean_environment(folder: Path, wheel: Path) -> Path:
    """Return the interpreter of an environment that holds the wheel and numpy, nothing else."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    target = site_packages(folder)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)  # noqa: S202  our own wheel, built a moment ago
    spec = importlib.util.find_spec("numpy")
    assert spec is not None
    assert spec.origin is not None
    installed = Path(spec.origin).parent.parent
    for name in ("numpy", "numpy.libs"):
        if (installed / name).is_dir():
            shutil.copytree(installed / name, target / name)
    scripts, suffix = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")
    return folder / scripts / f"python{suffix}"


def test_wheel_in_a_clean_environment_searches_with_numpy_alone(
    wheel: Path, tmp_path: Path
) -> None:
    python = clean_environment(tmp_path / "environment", wheel)
    done = subprocess.run(
        [python, "-I", "-c", SEARCH], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    version, _, loaded = done.stdout.strip().partition(" ")
    assert version == wheel.name.split("-")[1]
    assert loaded == "['embedsmith', 'numpy']"


def test_wheel_serves_every_python_from_3_10(wheel: Path) -> None:
    assert re.match(r"embedsmith-[\d.]+-cp310-abi3-", wheel.name)


def test_wheel_requires_numpy_alone_and_names_its_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        metadata = Parser().parsestr(archive.read(name).decode())
    needed = [r for r in metadata.get_all("Requires-Dist", []) if "extra ==" not in r]
    assert [re.match(r"[\w-]+", r)[0] for r in needed] == ["numpy"]  # type: ignore[index]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["License-File"] == "LICENSE"


def test_wheel_ships_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    inside = {n.removeprefix("embedsmith/") for n in names if n.startswith("embedsmith/")}
    assert {"__init__.py", "py.typed", "_core.pyi"} <= inside
    tops = {n.partition("/")[0] for n in names}
    assert {re.sub(r"-.*\.", ".", top) for top in tops} == {"embedsmith", "embedsmith.dist-info"}
    tracked = subprocess.run(
        ["git", "ls-files", "python/embedsmith"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if tracked.returncode == 0 and tracked.stdout:
        # Only outside a checkout, as in an unpacked sdist, is there no list to compare with.
        wanted = {line.removeprefix("python/embedsmith/") for line in tracked.stdout.split()}
        built = {n for n in inside if n.startswith("_core.") and not n.endswith(".pyi")}
        assert len(built) == 1
        assert wanted - inside == set()


def test_sdist_rebuilds_the_wheel(sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        archive.extractall(tmp_path, filter="data")
    assert {"Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "pyproject.toml"} <= names
    (source,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    for path in source.rglob("*.rs"):
        # The archive's times are all the same, and cargo takes the same time for the same content.
        path.touch()
    out = tmp_path / "out"
    # Offline and locked: what is in the archive, and the crates that its lock file names, suffice.
    # Without link-time optimisation, which proves nothing here and takes a minute.
    maturin(
        *("build", "--release", "--locked", "--offline", "--interpreter", sys.executable),
        *("--out", str(out)),
        cwd=source,
        env={
            "CARGO_TARGET_DIR": str(ROOT / "target" / "sdist"),
            "CARGO_PROFILE_RELEASE_LTO": "off",
            "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
            "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1",
        },
    )
    (rebuilt,) = out.glob("*.whl")
    with zipfile.ZipFile(rebuilt) as archive:
        assert "embedsmith/py.typed" in archive.namelist()
