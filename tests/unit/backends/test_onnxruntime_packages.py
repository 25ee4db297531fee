"""Packages of ONNX Runtime that overwrite each other, planted as pip leaves them."""

from __future__ import annotations

import base64
import hashlib
import shutil
import sys
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from embedsmith.backends._onnxruntime_packages import onnxruntime_packages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

BUILD = "onnxruntime/capi/build_and_package_info.py"


def record_line(name: str, content: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=")
    return f"{name},sha256={digest.decode()},{len(content)}\n"


def install(site: Path, name: str, version: str, files: Mapping[str, str]) -> None:
    """Lay files down as pip does, over whatever is there."""
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(content)
    information = site / f"{name.replace('-', '_')}-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    )
    lines = "".join(record_line(path, content) for path, content in files.items())
    (information / "RECORD").write_text(f"{lines}{information.name}/RECORD,,\n")


CPU_FILES = {
    "onnxruntime/__init__.py": "# for cpus",
    BUILD: "package_name = 'onnxruntime'\n__version__ = '1.32.0'\n",
    "onnxruntime/capi/state.so": "cpu" * 10,
}
GPU_FILES = {
    "onnxruntime/__init__.py": "# for cards",
    BUILD: "package_name = 'onnxruntime-gpu'\ncuda_version = '13.0'\n__version__ = '1.28.0'\n",
    "onnxruntime/capi/state.so": "gpu" * 10,
    "onnxruntime/capi/cuda.so": "cuda",
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of packages that is the only one on the path."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def test_nothing_installed_is_nothing_wrong(site: Path) -> None:
    assert site.is_dir()
    found = onnxruntime_packages()
    assert (found.installed, found.build, found.damage) == ((), None, None)


@pytest.mark.parametrize(
    ("name", "version", "files", "cuda"),
    [("onnxruntime", "1.32.0", CPU_FILES, None), ("onnxruntime-gpu", "1.28.0", GPU_FILES, "13.0")],
)
def test_one_package_is_whole(
    site: Path, name: str, version: str, files: dict[str, str], cuda: str | None
) -> None:
    install(site, name, version, files)
    found = onnxruntime_packages()
    (package,) = found.installed
    assert (package.own, package.missing) == (len(files), 0)
    assert (found.build, found.cuda, found.damage) == (name, cuda, None)


def both(first: str, site: Path) -> None:
    order = [("onnxruntime", "1.32.0", CPU_FILES), ("onnxruntime-gpu", "1.28.0", GPU_FILES)]
    for each in order if first == "onnxruntime" else order[::-1]:
        install(site, *each)


@pytest.mark.parametrize(
    ("first", "won", "shares"),
    [
        ("onnxruntime", "onnxruntime-gpu", ("0 of 3", "4 of 4")),
        ("onnxruntime-gpu", "onnxruntime", ("3 of 3", "1 of 4")),
    ],
)
def test_of_two_packages_the_later_won_and_is_named(
    site: Path, first: str, won: str, shares: tuple[str, str]
) -> None:
    both(first, site)
    found = onnxruntime_packages()
    assert found.damage is not None
    assert "onnxruntime 1.32.0 and onnxruntime-gpu 1.28.0 are both installed" in found.damage
    assert f" {won} won: " in found.damage
    assert f"{shares[0]} files are as onnxruntime installed" in found.damage
    assert f"{shares[1]} files are as onnxruntime-gpu installed" in found.damage
    assert f"the module says it is {won}." in found.damage


def test_the_remedy_removes_both_and_installs_one_again_in_its_version(site: Path) -> None:
    both("onnxruntime", site)
    uninstall, install_one = onnxruntime_packages().keep("onnxruntime-gpu").split(" && ")
    assert uninstall.split()[-2:] == ["onnxruntime", "onnxruntime-gpu"]
    assert "uninstall" in uninstall
    assert install_one.endswith(" onnxruntime-gpu==1.28.0")


def test_what_is_left_when_one_of_two_was_removed_is_damaged(site: Path) -> None:
    both("onnxruntime", site)
    # pip uninstall onnxruntime: its registration goes, and the files that both had.
    for path in CPU_FILES:
        (site / path).unlink()
    shutil.rmtree(site / "onnxruntime-1.32.0.dist-info")
    found = onnxruntime_packages()
    assert found.damage is not None
    assert found.damage.startswith("onnxruntime-gpu 1.28.0 is registered, but 3 of its 4 files")


def test_two_packages_in_two_folders_do_not_overwrite_each_other(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = site / "other"
    other.mkdir()
    monkeypatch.setattr(sys, "path", [str(site), str(other)])
    install(site, "onnxruntime", "1.32.0", CPU_FILES)
    install(other, "onnxruntime-gpu", "1.28.0", GPU_FILES)
    found = onnxruntime_packages()
    assert (len(found.installed), found.damage, found.build) == (2, None, "onnxruntime")
    assert [each.name for each in found.hidden] == ["onnxruntime-gpu"]
    monkeypatch.setattr(sys, "path", [str(other), str(site)])
    found = onnxruntime_packages()
    assert (found.build, found.cuda, [each.name for each in found.hidden]) == (
        "onnxruntime-gpu",
        "13.0",
        ["onnxruntime"],
    )


def test_a_package_without_a_list_of_files_is_not_accused(site: Path) -> None:
    install(site, "onnxruntime", "1.32.0", CPU_FILES)
    (site / "onnxruntime-1.32.0.dist-info" / "RECORD").unlink()
    found = onnxruntime_packages()
    assert (found.installed[0].files, found.damage) == (0, None)


def test_the_installed_runtime_is_whole() -> None:
    found = onnxruntime_packages()
    if not found.installed:
        pytest.skip("no package of ONNX Runtime is installed")
    names: Callable[[str], str] = metadata.version
    assert [names(each.name) for each in found.installed] == [e.version for e in found.installed]
    assert found.build in {each.name for each in found.installed}
